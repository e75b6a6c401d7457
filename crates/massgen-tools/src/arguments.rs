//! Arguments of calls: checked against the schema, then read by name.

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::source::Failed;

/// Problems that one message names at most.
const PROBLEMS: usize = 5;

/// What the arguments of one tool must look like.
#[derive(Debug)]
pub(crate) struct Check {
    validator: Validator,
    names: Vec<String>,
}

impl Check {
    /// For the schema `parameters` of `tool`.
    pub(crate) fn new(tool: &str, parameters: &Value) -> Result<Self, Error> {
        let validator = jsonschema::options()
            .offline()
            .build(parameters)
            .map_err(|error| Error::Schema { tool: tool.to_owned(), reason: error.to_string() })?;
        let properties = parameters.get("properties").and_then(Value::as_object);
        let required = parameters.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|list| list.iter().any(|entry| entry.as_str() == Some(name)));
        let names = properties.map(|map| {
            map.keys()
                .map(|name| if is_required(name) { name.clone() } else { format!("{name} (optional)") })
                .collect()
        });
        Ok(Self { validator, names: names.unwrap_or_default() })
    }

    /// Whether the tool has a parameter of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.strip_suffix(" (optional)").unwrap_or(known) == name)
    }

    /// Checks arguments.
    pub(crate) fn check(&self, tool: &str, arguments: &Map<String, Value>) -> Result<(), Failed> {
        let value = Value::Object(arguments.clone());
        let mut problems: Vec<String> = Vec::new();
        for error in self.validator.iter_errors(&value).take(PROBLEMS) {
            let place = error.instance_path().to_string();
            let place = place.trim_start_matches('/');
            let said = shortened(&error.to_string());
            problems.push(if place.is_empty() { said } else { format!("`{place}`: {said}") });
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Failed::Error(format!(
            "the arguments of `{tool}` are wrong: {}. It takes: {}. Call it again with these.",
            problems.join("; "),
            self.takes(),
        )))
    }

    fn takes(&self) -> String {
        if self.names.is_empty() { "nothing".to_owned() } else { self.names.join(", ") }
    }
}

/// Reads the arguments as a model wrote them. No text at all means none.
pub(crate) fn parse(tool: &str, text: &str) -> Result<Map<String, Value>, Failed> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(Failed::Error(
            format!("the arguments of `{tool}` must be one JSON object; call it again with one"),
        )),
        Err(error) => Err(Failed::Error(format!(
            "the arguments of `{tool}` are no JSON ({error}); call it again with one complete JSON object. If the \
             text was cut off because it is long, write it in several smaller steps."
        ))),
    }
}

/// Arguments that were checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// A text that must be there.
    pub(crate) fn text(self, name: &str) -> Result<&'a str, Failed> {
        self.optional(name).ok_or_else(|| Failed::Error(format!("`{name}` is missing, or is no text")))
    }

    /// A text.
    pub(crate) fn optional(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A switch, off when it is not there.
    pub(crate) fn is_on(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A number of things.
    pub(crate) fn count(self, name: &str) -> Option<usize> {
        self.0.get(name).and_then(Value::as_u64).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A list of texts; `None` when it is not there.
    pub(crate) fn texts(self, name: &str) -> Option<Vec<&'a str>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }
}

/// `text` on one line and no longer than a message needs; an error may repeat a whole file.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check() -> Check {
        let schema = json!({
            "type": "object",
            "properties": {"path": {"type": "string"}, "head": {"type": "integer", "minimum": 1}},
            "required": ["path"],
        });
        Check::new("read_text_file", &schema).expect("a schema")
    }

    fn said(arguments: &str) -> String {
        let parsed = parse("read_text_file", arguments);
        match parsed.and_then(|map| check().check("read_text_file", &map)) {
            Ok(()) => "fits".to_owned(),
            Err(Failed::Error(text) | Failed::Denied(text)) => text,
        }
    }

    #[test]
    fn wrong_arguments_are_told_with_what_the_tool_takes() {
        let lines = [
            r#"{"path":"a"}"#,
            r#"{"path":"a","more":1}"#,
            "",
            "{}",
            r#"{"path":1,"head":0}"#,
            "[1]",
            r#"{"path":"a"#,
        ]
        .map(|arguments| format!("{arguments}\n  {}", said(arguments)));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_message_never_repeats_a_long_argument() {
        let long = json!({"path": vec!["x".repeat(10_000)]}).to_string();
        assert!(said(&long).len() < 500);
    }
}
