//! The form that a final answer must have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Letters of a schema's name; `OpenAI` takes no more.
const NAME_CHARS: usize = 64;

/// The name of a schema that has none.
const NAME: &str = "final_answer";

/// The keyword of a schema's root that names the standard it follows.
const DIALECT: &str = "$schema";

/// How a reference to a definition begins; the definition's name follows.
const DEFINITION: &str = "#/$defs/";

/// The keywords that every service takes in a schema it holds a model to. Bounds of numbers, texts and lists, patterns
/// and formats are not among them: `OpenAI` takes some, Anthropic and Azure refuse them. Definitions have one place.
const KEYWORDS: [&str; 12] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "title",
    "description",
];

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

    /// Whether services can hold a model to it word by word without changing what it lets in: it is an object, every
    /// object in it names its fields, requires all of them and lets in no others by intention, and it says nothing
    /// that some service refuses in such a schema. Any other schema is advice.
    pub fn is_closed(&self) -> bool {
        let mut root = self.0.clone();
        // Says which standard the schema follows, nothing of the answer.
        root.retain(|key, _| key != DIALECT);
        root.get("type").is_some_and(|kind| kind == "object") && is_closed(&root)
    }

    /// Whether a definition of a closed schema leads back to itself. `OpenAI` takes that, Anthropic does not.
    pub fn is_recursive(&self) -> bool {
        let definitions = self.0.get("$defs").and_then(Value::as_object).into_iter().flatten();
        let mut left: Vec<(String, String)> = definitions
            .map(|(name, schema)| (json!(format!("{DEFINITION}{name}")).to_string(), schema.to_string()))
            .collect();
        // One that refers to none of those left leads nowhere; what cannot be taken out so is a circle.
        loop {
            let (within, ends): (Vec<_>, Vec<_>) = left
                .iter()
                .cloned()
                .partition(|(_, schema)| left.iter().any(|(reference, _)| schema.contains(reference)));
            if ends.is_empty() {
                return !within.is_empty();
            }
            left = within;
        }
    }
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    let has = |key: &str| schema.contains_key(key);
    let is_kind = |name: &str| match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        kind => kind.is_some_and(|kind| kind == name),
    };
    // Without any of them everything is let in; two of them together are refused by some services.
    let sources = ["type", "$ref", "anyOf"].iter().filter(|key| has(key)).count();
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    schema.keys().all(|key| KEYWORDS.contains(&key.as_str()))
        && sources == 1
        && has("properties") == is_kind("object")
        && has("items") == is_kind("array")
        && (!has("properties") || names_all_fields(schema))
        && schema.get("additionalProperties").is_none_or(|more| *more == Value::Bool(false))
        && schema.get("items").is_none_or(is_closed_value)
        && schema.get("anyOf").is_none_or(|any| {
            any.as_array().is_some_and(|any| !any.is_empty() && any.iter().all(is_closed_value))
        })
        && schema
            .get("$defs")
            .is_none_or(|defs| defs.as_object().is_some_and(|defs| defs.values().all(is_closed_value)))
        && schema
            .get("enum")
            .is_none_or(|values| values.as_array().is_some_and(|all| all.iter().all(is_plain)))
        && schema.get("const").is_none_or(is_plain)
        && schema.get("$ref").is_none_or(|to| {
            let is_inner = to
                .as_str()
                .and_then(|to| to.strip_prefix(DEFINITION))
                .is_some_and(|name| !name.contains('/'));
            // What stands beside a reference is not sent, so it must say nothing of the value.
            is_inner && schema.keys().all(|key| ["$ref", "title", "description"].contains(&key.as_str()))
        })
}

fn is_closed_value(value: &Value) -> bool {
    value.as_object().is_some_and(is_closed)
}

/// Whether the fields are closed themselves, and `required` names each of them and nothing else.
fn names_all_fields(schema: &Map<String, Value>) -> bool {
    let fields = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let (Some(fields), Some(required)) = (fields, required) else {
        return false;
    };
    !fields.is_empty()
        && fields.values().all(is_closed_value)
        && fields.keys().all(|name| required.iter().any(|field| field == name))
        && required.iter().all(|field| field.as_str().is_some_and(|name| fields.contains_key(name)))
}

#[cfg(test)]
mod tests {
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

    /// An object whose only field is `a`.
    fn with_field(field: &Value) -> Value {
        json!({"type": "object", "properties": {"a": field}, "required": ["a"]})
    }

    #[test]
    fn a_schema_is_closed_when_every_object_in_it_names_and_requires_its_fields() {
        let text = json!({"type": "string", "description": "A word.", "enum": ["x", "y"]});
        let mut said_closed = with_field(&text);
        said_closed["additionalProperties"] = json!(false);
        let mut with_definition = with_field(&json!({"$ref": "#/$defs/x", "description": "One."}));
        with_definition["$defs"] = json!({"x": said_closed});
        let mut with_standard = with_field(&text);
        with_standard["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        for closed in [
            said_closed.clone(),
            with_definition,
            with_standard,
            with_field(&json!({"type": "array", "items": said_closed})),
            with_field(&json!({"anyOf": [said_closed, {"type": "null"}]})),
            with_field(&json!({"type": ["integer", "null"]})),
            with_field(&json!({"type": "string", "const": "x"})),
        ] {
            assert!(schema(&closed).is_closed(), "{closed}");
        }
    }

    #[test]
    fn a_schema_is_recursive_when_a_definition_leads_back_to_itself() {
        let to = |name: &str| with_field(&json!({"$ref": format!("#/$defs/{name}")}));
        let with = |definitions: Value| {
            let mut root = to("x");
            root["$defs"] = definitions;
            schema(&root)
        };
        let end = with_field(&json!({"type": "string"}));
        for straight in [json!({}), json!({"x": end}), json!({"x": to("xy"), "xy": to("z"), "z": end})] {
            assert!(!with(straight.clone()).is_recursive(), "{straight}");
        }
        for circle in [json!({"x": to("x")}), json!({"x": to("y"), "y": to("z"), "z": to("y"), "e": end})] {
            let circle = with(circle);
            assert!(circle.is_recursive() && circle.is_closed(), "{circle:?}");
        }
    }

    #[test]
    fn a_schema_is_open_when_a_field_may_be_left_out_or_others_may_come() {
        let text = json!({"type": "string"});
        for part in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {}, "required": []}),
            json!({"type": ["object", "null"]}),
            json!({}),
            json!(true),
            json!({"type": "object", "properties": {"a": text}}),
            json!({"type": "object", "properties": {"a": text, "b": text}, "required": ["a"]}),
            json!({"type": "object", "properties": {"a": text}, "required": ["a", "b"]}),
            json!({"type": "object", "properties": {"a": text}, "required": ["a"], "additionalProperties": true}),
            json!({"type": "object", "properties": {"a": text}, "required": ["a"], "additionalProperties": text}),
        ] {
            assert!(!schema(&with_field(&part)).is_closed(), "{part}");
            let listed = with_field(&json!({"type": "array", "items": part}));
            assert!(!schema(&listed).is_closed(), "{listed}");
            if part.is_object() {
                assert!(!schema(&part).is_closed(), "{part}");
            }
            let mut defined = with_field(&json!({"$ref": "#/$defs/x"}));
            defined["$defs"] = json!({"x": part});
            assert!(!schema(&defined).is_closed(), "{defined}");
        }
    }

    #[test]
    fn a_schema_with_what_some_service_refuses_is_not_closed() {
        let object = with_field(&json!({"type": "string"}));
        let mut forked = object.clone();
        forked["anyOf"] = json!([object]);
        for root in [forked, json!({"anyOf": [object]}), json!({"type": "array", "items": object})] {
            assert!(!schema(&root).is_closed(), "{root}");
        }
        for field in [
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "string", "minLength": 1}),
            json!({"type": "string", "pattern": "^a"}),
            json!({"type": "string", "format": "uri"}),
            json!({"type": "string", "default": "x"}),
            json!({"type": "array"}),
            json!({"type": "array", "items": [object]}),
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 3}),
            json!({"anyOf": []}),
            json!({"oneOf": [object]}),
            json!({"allOf": [object]}),
            json!({"enum": ["x"]}),
            json!({"type": "string", "enum": [{"x": 1}]}),
            json!({"$ref": "https://example.test/x"}),
            json!({"$ref": "#/$defs/x", "enum": ["x"]}),
        ] {
            assert!(!schema(&with_field(&field)).is_closed(), "{field}");
        }
    }
}
