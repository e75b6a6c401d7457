//! `${NAME}` in what the configuration says of a server, and the values that stand for it.
//!
//! Values are looked up when a server is connected. Those that are secret go to the server and nowhere else: whatever a
//! server says is passed through the [`Mask`] of its connection before anybody reads it.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;
use crate::limits::VARIABLE_BYTES;

/// Words in names of variables that hold secrets.
const SECRET_WORDS: [&str; 12] = [
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "AUTH",
    "BEARER",
    "COOKIE",
    "PRIVATE",
    "SIGNATURE",
];

/// Secrets shorter than this are not masked: they stand in many a text by chance.
const SHORTEST_MASKED: usize = 6;

/// Looks up a variable; `None` if it is not set.
pub type Lookup = dyn Fn(&str) -> Option<Variable> + Send + Sync;

/// The value of a variable, and how it is treated.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    value: String,
    is_secret: bool,
}

impl Variable {
    /// A value that is masked wherever a server says it.
    pub fn secret(value: impl Into<String>) -> Self {
        Self { value: value.into(), is_secret: true }
    }

    /// A value that may be said: a folder, the name of a model.
    pub fn plain(value: impl Into<String>) -> Self {
        Self { value: value.into(), is_secret: false }
    }

    /// A variable of the environment, secret if its name says so: results of tools hold many a value of `HOME`.
    pub fn of_environment(name: &str, value: impl Into<String>) -> Self {
        let is_secret = SECRET_WORDS.iter().any(|word| name.to_ascii_uppercase().contains(word));
        Self { value: value.into(), is_secret }
    }
}

/// Does not show the value.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("is_secret", &self.is_secret).finish_non_exhaustive()
    }
}

/// The parts of a text: as written, or a reference.
enum Part<'a> {
    Written(&'a str),
    Reference(&'a str),
}

/// Divides `text` at references: `${`, upper case letters, digits and `_`, `}`.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|tail| tail.find("${")).map(|at| at + from) {
        let name = rest.get(at + 2..).and_then(|tail| tail.split_once('}')).map(|(name, _)| name);
        match name.filter(|name| is_name(name)) {
            Some(name) => {
                parts.push(Part::Written(rest.get(..at).unwrap_or_default()));
                parts.push(Part::Reference(name));
                rest = rest.get(at + 3 + name.len()..).unwrap_or_default();
                from = 0;
            }
            None => from = at + 2,
        }
    }
    parts.push(Part::Written(rest));
    parts
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// `text` without its references.
pub(crate) fn without_references(text: &str) -> String {
    parts(text)
        .iter()
        .map(|part| match part {
            Part::Written(written) => *written,
            Part::Reference(_) => "",
        })
        .collect()
}

/// Puts values in place of references, and remembers them.
pub(crate) struct Substitution<'a> {
    lookup: &'a Lookup,
    mask: Mask,
}

impl<'a> Substitution<'a> {
    pub(crate) fn new(lookup: &'a Lookup) -> Self {
        Self { lookup, mask: Mask::default() }
    }

    /// `text` with values in place of its references. A value is not searched for further references.
    pub(crate) fn apply(&mut self, text: &str) -> Result<String, Error> {
        let mut applied = String::new();
        for part in parts(text) {
            match part {
                Part::Written(written) => applied.push_str(written),
                Part::Reference(name) => {
                    let found = (self.lookup)(name).filter(|found| !found.value.trim().is_empty());
                    let Variable { value, is_secret } =
                        found.ok_or_else(|| Error::NoVariable { variable: name.to_owned() })?;
                    if value.len() > VARIABLE_BYTES || value.contains('\0') {
                        return Err(Error::UnusableVariable { variable: name.to_owned() });
                    }
                    applied.push_str(&value);
                    if is_secret {
                        self.mask.add(name, &value);
                    }
                }
            }
        }
        Ok(applied)
    }

    /// The same for every value of a map.
    pub(crate) fn apply_all(
        &mut self,
        written: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Error> {
        written.iter().map(|(name, value)| Ok((name.clone(), self.apply(value)?))).collect()
    }

    /// What hides the values that were put in.
    pub(crate) fn into_mask(self) -> Mask {
        self.mask
    }
}

/// Hides values of variables in texts.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// Values with the names of their variables, the longest first.
    hidden: Vec<(String, String)>,
}

impl Mask {
    fn add(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.len() < SHORTEST_MASKED || self.hidden.iter().any(|(hidden, _)| hidden == value) {
            return;
        }
        self.hidden.push((value.to_owned(), format!("[{name}]")));
        self.hidden.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// `text` with names of variables in place of their values.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for (value, name) in &self.hidden {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), name);
            }
        }
        masked
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.hidden.iter().map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<Variable> {
        match name {
            "TOKEN" => Some(Variable::secret("secret-of-${USER}")),
            "LONG_TOKEN" => Some(Variable::secret("secret-of-${USER}-and-more")),
            "BLANK" => Some(Variable::secret("  ")),
            "SHORT" => Some(Variable::secret("on")),
            "FOLDER" => Some(Variable::plain("/home/me/project")),
            _ => None,
        }
    }

    fn applied(text: &str) -> Result<String, Error> {
        Substitution::new(&lookup).apply(text)
    }

    #[test]
    fn references_become_values_and_values_are_not_searched_again() {
        assert_eq!(applied("Bearer ${TOKEN}!${SHORT}").unwrap(), "Bearer secret-of-${USER}!on");
    }

    #[test]
    fn what_is_no_reference_stays_as_it_is() {
        for text in ["$TOKEN", "${token}", "${}", "${A-B}", "${", "a ${ b }", "${1}", "{TOKEN}"] {
            assert_eq!(applied(text).unwrap(), text);
        }
        assert_eq!(applied("${${SHORT}}").unwrap(), "${on}");
    }

    #[test]
    fn variables_that_are_missing_or_blank_are_named() {
        for name in ["MISSING", "BLANK"] {
            let told = applied(&format!("${{{name}}}")).unwrap_err().to_string();
            assert!(told.contains(name), "{told}");
        }
    }

    #[test]
    fn values_are_hidden_in_what_a_server_says_and_in_debug_texts() {
        let mut substitution = Substitution::new(&lookup);
        substitution.apply("${TOKEN} ${LONG_TOKEN} ${SHORT} ${FOLDER}").expect("applied");
        let mask = substitution.into_mask();
        let said = "bad key secret-of-${USER}-and-more, try secret-of-${USER} on /home/me/project";
        assert_eq!(mask.apply(said), "bad key [LONG_TOKEN], try [TOKEN] on /home/me/project");
        assert!(!format!("{:?}", lookup("TOKEN")).contains("secret-of"));
        assert!(!format!("{mask:?}").contains("secret"));
    }

    #[test]
    fn names_say_which_variables_of_the_environment_are_secret() {
        for name in ["BRAVE_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "AUTHORIZATION", "client_secret"] {
            assert!(Variable::of_environment(name, "x").is_secret, "{name}");
        }
        for name in ["HOME", "USER", "PROJECT_DIR", "MODEL"] {
            assert!(!Variable::of_environment(name, "x").is_secret, "{name}");
        }
    }

    #[test]
    fn text_without_its_references_keeps_the_rest() {
        assert_eq!(without_references("a${B}c${d}${E}"), "ac${d}");
    }
}
