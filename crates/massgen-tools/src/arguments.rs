//! Arguments of calls: checked against the schema, then read by name.

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::source::Failed;

/// Problems that one message names at most.
const PROBLEMS: usize = 5;

/// How often arguments may be a text that holds them as JSON: some models wrap them, and some providers wrap them again.
const WRAPPED: usize = 3;

/// What stands behind the name of a parameter that need not be there.
const OPTIONAL: &str = " (optional)";

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
                .map(|name| if is_required(name) { name.clone() } else { format!("{name}{OPTIONAL}") })
                .collect()
        });
        Ok(Self { validator, names: names.unwrap_or_default() })
    }

    /// Whether the tool has a parameter of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.strip_suffix(OPTIONAL).unwrap_or(known) == name)
    }

    /// `arguments` without each `null` that the schema refuses and that need not be there: models write it for what they
    /// leave out.
    pub(crate) fn without_nulls(&self, mut arguments: Map<String, Value>) -> Map<String, Value> {
        let optional = |name: &str| self.names.iter().any(|known| known.strip_suffix(OPTIONAL) == Some(name));
        if !arguments.iter().any(|(name, value)| value.is_null() && optional(name)) {
            return arguments;
        }
        let value = Value::Object(arguments.clone());
        let refused: Vec<String> =
            self.validator.iter_errors(&value).map(|error| error.instance_path().to_string()).collect();
        arguments.retain(|name, value| {
            let is_it = |place: &String| place.strip_prefix('/') == Some(name);
            !(value.is_null() && optional(name) && refused.iter().any(is_it))
        });
        arguments
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
    let no_object = || {
        Failed::Error(format!("the arguments of `{tool}` must be one JSON object; call it again with one"))
    };
    let mut text = text.to_owned();
    for _ in 0..=WRAPPED {
        if text.trim().is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => return Ok(map),
            Ok(Value::Null) => return Ok(Map::new()),
            Ok(Value::String(inner)) => text = inner,
            Ok(Value::Bool(_) | Value::Number(_) | Value::Array(_)) => return Err(no_object()),
            Err(error) => {
                return Err(Failed::Error(format!(
                    "the arguments of `{tool}` are no JSON ({error}); call it again with one complete JSON object. \
                     If the text was cut off because it is long, write it in several smaller steps."
                )));
            }
        }
    }
    Err(no_object())
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
    fn arguments_that_were_wrapped_as_a_text_are_read_up_to_three_times() {
        let wrapped = |times: usize| {
            (0..times).fold(r#"{"path":"a"}"#.to_owned(), |text, _| Value::String(text).to_string())
        };
        let plain = json!({"path": "a"}).as_object().cloned();
        for times in 0..=WRAPPED {
            assert_eq!(parse("t", &wrapped(times)).ok(), plain, "{times}");
        }
        for wrong in [wrapped(WRAPPED + 1), r#""[1]""#.to_owned(), r#""no object""#.to_owned()] {
            assert!(parse("t", &wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("t", r#"" ""#), Ok(Map::new()));
    }

    #[test]
    fn a_null_is_left_out_where_the_schema_has_no_place_for_it_and_nothing_is_missing_then() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "head": {"type": "integer"},
                "any": {},
                "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "list": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["path"],
        });
        let check = Check::new("t", &schema).expect("a schema");
        let without =
            |value: Value| Value::Object(check.without_nulls(value.as_object().expect("a map").clone()));
        assert_eq!(
            without(
                json!({"path": null, "head": null, "any": null, "either": null, "list": null, "more": null})
            ),
            json!({"path": null, "any": null, "either": null, "more": null}),
        );
        assert_eq!(without(json!({"path": "a", "list": [null]})), json!({"path": "a", "list": [null]}));
    }

    #[test]
    fn a_message_never_repeats_a_long_argument() {
        let long = json!({"path": vec!["x".repeat(10_000)]}).to_string();
        assert!(said(&long).len() < 500);
    }
}
