//! The form that a final answer must have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Letters of a schema's name; `OpenAI` takes no more.
const NAME_CHARS: usize = 64;

/// The name of a schema that has none.
const NAME: &str = "final_answer";

/// A JSON Schema that the text of the final answer follows (`output_schema`), as the configuration writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OutputSchema(pub Map<String, Value>);

impl OutputSchema {
    /// The schema as a JSON value.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// A name for it of up to 64 letters, digits, `_` and `-`, made from its `title`.
    pub fn name(&self) -> String {
        let title = self.0.get("title").and_then(Value::as_str).unwrap_or_default();
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        let name: String = title.trim().chars().take(NAME_CHARS).map(plain).collect();
        if name.contains(|letter: char| letter.is_ascii_alphanumeric()) { name } else { NAME.to_owned() }
    }

    /// Whether every object in it names its fields and lets in no others by intention. Services can hold a model to
    /// such a schema word by word; any other one they take as advice.
    pub fn is_closed(&self) -> bool {
        is_closed(&self.0)
    }
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(_) => false,
        // Without a type and without anything that stands for one, everything is let in.
        None => {
            !["$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|key| schema.contains_key(*key))
        }
    };
    let names_fields = schema.get("properties").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let lets_others_in = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false))
        || schema.contains_key("patternProperties");
    if (is_object && !names_fields) || lets_others_in {
        return false;
    }
    let all_closed = |value: &Value| match value {
        Value::Object(schema) => is_closed(schema),
        Value::Array(schemas) => schemas.iter().all(|schema| schema.as_object().is_some_and(is_closed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    let lists = ["items", "anyOf", "oneOf", "allOf", "prefixItems"];
    let maps = ["properties", "$defs", "definitions"];
    lists.iter().filter_map(|key| schema.get(*key)).all(all_closed)
        && maps.iter().filter_map(|key| schema.get(*key)?.as_object()).all(|map| map.values().all(all_closed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: &Value) -> OutputSchema {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn the_name_is_one_that_every_service_takes() {
        let name = |title: Value| schema(&json!({"title": title, "type": "object"})).name();
        assert_eq!(name(json!("City report (v2)")), "City_report__v2_");
        assert_eq!(name(json!("x".repeat(80))).len(), 64);
        for nothing in [json!(""), json!("  "), json!("…"), json!(7)] {
            assert_eq!(name(nothing), "final_answer");
        }
    }

    #[test]
    fn a_schema_is_closed_when_every_object_in_it_names_its_fields() {
        let text = json!({"type": "string"});
        let closed = json!({"type": "object", "properties": {"a": text}, "additionalProperties": false});
        for closed in [
            closed.clone(),
            json!({"type": "array", "items": closed}),
            json!({"type": "object", "properties": {"a": {"anyOf": [closed, {"type": "null"}]}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": closed}}),
            json!({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}}),
        ] {
            assert!(schema(&closed).is_closed(), "{closed}");
        }
        for open in [
            json!({"type": "object"}),
            json!({"type": ["object", "null"]}),
            json!({}),
            json!({"type": "object", "properties": {"a": text}, "additionalProperties": true}),
            json!({"type": "object", "properties": {"a": text}, "additionalProperties": text}),
            json!({"type": "object", "properties": {"a": {"type": "object"}}}),
            json!({"type": "object", "properties": {"a": {}}}),
            json!({"type": "object", "properties": {"a": true}}),
            json!({"type": "array", "items": {"type": "object"}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "object"}}}),
        ] {
            assert!(!schema(&open).is_closed(), "{open}");
        }
    }
}
