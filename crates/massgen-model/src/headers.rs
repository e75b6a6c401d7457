//! The further headers of a service (`extra_headers`): from templates with `${NAME}` to what is sent.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::error::ModelError;
use crate::keys::KeySource;
use crate::provider::CALL_HEADER;

/// Headers that belong to the connection and the body.
const OWN: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    CALL_HEADER,
];

/// Shortest value of a variable that is kept out of messages: shorter ones stand in ordinary words.
const SECRET_CHARS: usize = 8;

/// Headers that are sent with every request.
#[derive(Default)]
pub(crate) struct Further {
    pub(crate) headers: HeaderMap,
    /// Values of variables in them, which no message may show.
    pub(crate) secrets: Vec<SecretString>,
}

impl Further {
    /// The headers that `templates` describe, with variables from `keys`.
    pub(crate) fn read(
        templates: &BTreeMap<String, String>,
        keys: &dyn KeySource,
    ) -> Result<Self, ModelError> {
        let mut further = Self::default();
        for (name, template) in templates {
            let bad =
                |problem: &str| ModelError::BadHeader { name: name.clone(), problem: problem.to_owned() };
            let header =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("this is no name of a header"))?;
            if OWN.contains(&header.as_str()) {
                return Err(bad("massgen sends this header itself"));
            }
            let mut text = String::new();
            let mut rest = template.as_str();
            while let Some((before, variable, after)) = reference(rest) {
                let value = keys.key(variable).ok_or_else(|| ModelError::MissingVariable {
                    header: name.clone(),
                    variable: variable.to_owned(),
                })?;
                text.push_str(before);
                text.push_str(value.expose_secret());
                if value.expose_secret().len() >= SECRET_CHARS {
                    further.secrets.push(value);
                }
                rest = after;
            }
            text.push_str(rest);
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| bad("the value holds a line break or another character that cannot be sent"))?;
            value.set_sensitive(true);
            further.headers.insert(header, value);
        }
        Ok(further)
    }
}

/// The names of the variables in `template`, in order.
pub fn variables_in(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some((_, name, after)) = reference(rest) {
        names.push(name);
        rest = after;
    }
    names
}

/// The text before the first `${NAME}`, the name, and the text after it.
fn reference(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.match_indices("${").find_map(|(start, mark)| {
        let (name, after) = text.get(start + mark.len()..)?.split_once('}')?;
        is_name(name).then_some((text.get(..start)?, name, after))
    })
}

#[cfg(test)]
mod tests {
    use crate::keys::Keys;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Further, ModelError> {
        let keys = Keys::from_pairs([("TEAM_TOKEN", "canary-123"), ("SHORT", "x"), ("BROKEN", "a\nb")]);
        let templates = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Further::read(&templates.collect(), &keys)
    }

    #[test]
    fn variables_are_put_in_and_kept_out_of_debug_output() {
        let further =
            read(&[("X-Title", "massgen"), ("Authorization", "Token ${TEAM_TOKEN}/${SHORT} ${no")]).unwrap();
        assert_eq!(further.headers["x-title"], "massgen");
        assert_eq!(further.headers["authorization"], "Token canary-123/x ${no");
        assert_eq!(further.secrets.len(), 1);
        assert!(!format!("{:?}", further.headers).contains("canary"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_its_value() {
        let told = |pair| read(&[pair]).err().unwrap().to_string();
        assert_eq!(
            told(("X-A", "${NOT_SET}")),
            "the header `X-A` needs the variable `NOT_SET`, which is not set"
        );
        assert_eq!(told(("a b", "x")), "the header `a b` cannot be sent: this is no name of a header");
        assert_eq!(told(("Host", "x")), "the header `Host` cannot be sent: massgen sends this header itself");
        assert!(told(("X-A", "${BROKEN}")).contains("holds a line break"));
    }
}
