//! Where keys come from. This crate reads no environment and no file: the binary hands it what it found.

use std::collections::HashMap;

use secrecy::SecretString;

/// Gives keys by the name of the variable that holds them.
pub trait KeySource: Send + Sync {
    /// The key in `variable`; `None` when it is not set or blank.
    fn key(&self, variable: &str) -> Option<SecretString>;
}

/// Keys in a map.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    keys: HashMap<String, SecretString>,
}

impl Keys {
    /// The keys in `pairs` of variable and value. The first value of a variable counts; blank ones do not.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut keys = HashMap::new();
        for (variable, value) in pairs {
            let value: String = value.into();
            let value = value.trim();
            if !value.is_empty() {
                keys.entry(variable.into()).or_insert_with(|| SecretString::from(value));
            }
        }
        Self { keys }
    }
}

impl KeySource for Keys {
    fn key(&self, variable: &str) -> Option<SecretString> {
        self.keys.get(variable).cloned()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_first_value_that_is_not_blank_counts_and_none_is_printed() {
        let keys = Keys::from_pairs([("A", " "), ("A", "canary-1\n"), ("A", "canary-2"), ("B", "")]);
        assert_eq!(keys.key("A").unwrap().expose_secret(), "canary-1");
        assert!(keys.key("B").is_none());
        assert!(!format!("{keys:?}").contains("canary"));
    }
}
