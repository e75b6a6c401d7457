//! Criteria for answers, from a file of their own.

use serde_json::{Map, Value as Json};

use crate::finding::ConfigError;
use crate::node::{Entry, Node, Origin, Value};

/// Names under which the text of a criterion may stand; the first is the one of a configuration.
const TEXT_KEYS: [&str; 3] = ["text", "description", "name"];

/// Criteria that answers are judged by, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Criteria(Vec<Map<String, Json>>);

impl Criteria {
    /// Reads JSON: a list of criteria, or a map that has one under `criteria`. Each criterion is a map with a `text`,
    /// which may also be called `description` or `name`.
    ///
    /// # Errors
    /// [`ConfigError::Criteria`] with what is wrong, the first thing.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: String| ConfigError::Criteria { problem };
        let json: Json = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| wrong(format!("this is not JSON: {error}")))?;
        let list = match json {
            Json::Array(list) => list,
            Json::Object(mut map) => match map.remove("criteria") {
                Some(Json::Array(list)) => list,
                Some(_) => return Err(wrong("`criteria` is not a list".to_owned())),
                None => return Err(wrong("this is a map without `criteria`".to_owned())),
            },
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                return Err(wrong("this is neither a list nor a map with `criteria`".to_owned()));
            }
        };
        if list.is_empty() {
            return Err(wrong("the list is empty".to_owned()));
        }
        let criteria = list.into_iter().zip(1..).map(|(item, number)| {
            let Json::Object(item) = item else {
                return Err(wrong(format!("criterion {number} is not a map")));
            };
            with_text(item).ok_or_else(|| wrong(format!("criterion {number} has no `text`")))
        });
        criteria.collect::<Result<_, _>>().map(Self)
    }

    /// The criteria as a configuration has them.
    pub(super) fn value(&self, origin: &Origin) -> Value {
        Value::List(self.0.iter().map(|item| Node::new(map(item, origin), origin.clone())).collect())
    }
}

/// `item` with its text under the name that a configuration has for it; `None` when it has none that can be read.
fn with_text(mut item: Map<String, Json>) -> Option<Map<String, Json>> {
    let is_text =
        |key: &&&str| item.get(**key).and_then(Json::as_str).is_some_and(|text| !text.trim().is_empty());
    let key = *TEXT_KEYS.iter().find(is_text)?;
    let [own, ..] = TEXT_KEYS;
    if key != own {
        let text = item.remove(key)?;
        item.insert(own.to_owned(), text);
    }
    Some(item)
}

fn map(map: &Map<String, Json>, origin: &Origin) -> Value {
    let entry = |(key, value): (&String, &Json)| Entry {
        key: key.clone(),
        key_origin: origin.clone(),
        node: node(value, origin),
    };
    Value::Map(map.iter().map(entry).collect())
}

fn node(json: &Json, origin: &Origin) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, number) => Value::Float(number.unwrap_or_default()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| node(item, origin)).collect()),
        Json::Object(entries) => map(entries, origin),
    };
    Node::new(value, origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Criteria::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_list_and_a_map_with_one_are_the_same_and_the_text_may_have_other_names() {
        let list = Criteria::parse(r#"[{"text": "cites sources", "category": "must"}]"#).unwrap();
        let map = Criteria::parse(
            "\u{feff}{\"criteria\": [{\"category\": \"must\", \"name\": \"cites sources\"}]}",
        );
        assert_eq!(map.unwrap(), list);
        let described = Criteria::parse(r#"[{"description": "cites sources", "category": "must"}]"#).unwrap();
        assert_eq!(described, list);
        // A name beside a text is a name.
        let both = Criteria::parse(r#"[{"name": "sources", "text": "cites sources"}]"#).unwrap();
        let Value::List(items) = both.value(&Origin::BuiltIn) else { panic!() };
        assert_eq!(items[0].get("name").and_then(Node::text), Some("sources"));
        assert_eq!(items[0].get("text").and_then(Node::text), Some("cites sources"));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_number_of_the_criterion() {
        assert!(problem("[{").starts_with("the criteria cannot be used: this is not JSON: "));
        for (text, told) in [
            ("3", "this is neither a list nor a map with `criteria`"),
            ("{}", "this is a map without `criteria`"),
            (r#"{"criteria": "all"}"#, "`criteria` is not a list"),
            ("[]", "the list is empty"),
            (r#"[{"text": "a"}, "b"]"#, "criterion 2 is not a map"),
            (r#"[{"category": "must"}]"#, "criterion 1 has no `text`"),
            (r#"[{"text": " "}]"#, "criterion 1 has no `text`"),
        ] {
            assert_eq!(problem(text), format!("the criteria cannot be used: {told}"));
        }
    }
}
