//! Parameters of a configuration as the fields of a request that they mean.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What no parameter replaces.
const OURS: [&str; 5] = ["model", "contents", "tools", "systemInstruction", "stream"];

/// Fields of `generationConfig`; a parameter of that name goes there.
const GENERATION: [&str; 20] = [
    "audioTimestamp",
    "candidateCount",
    "enableEnhancedCivicAnswers",
    "frequencyPenalty",
    "imageConfig",
    "logprobs",
    "maxOutputTokens",
    "mediaResolution",
    "presencePenalty",
    "responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "seed",
    "speechConfig",
    "stopSequences",
    "temperature",
    "topK",
    "topP",
];

/// Fields beside `generationConfig` that have a second spelling.
const BESIDE: [&str; 3] = ["cachedContent", "safetySettings", "serviceTier"];

/// Parts of the names of models that show their thoughts unless they are told not to.
const THINKERS: [&str; 4] = ["gemini-2.5", "gemini-3", "gemini-exp", "gemini-2.0-flash-thinking"];

/// The fields of a request that `parameters` mean for `model`, or what is wrong with them. Names may be written as the
/// interface writes them (`topP`) or as Python does (`top_p`). What nobody knows goes to the service as it is.
pub(super) fn settings(
    model: &str,
    parameters: &BTreeMap<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    let mut generation = Map::new();
    let mut tools = Map::new();
    let mut thinking = Thinking::default();
    for (name, value) in parameters {
        let field = camel_case(name);
        if value.is_null() || OURS.contains(&field.as_str()) {
            continue;
        }
        match field.as_str() {
            "generationConfig" => generation.extend(object(name, value)?),
            "toolConfig" => tools.extend(object(name, value)?),
            "functionCallingMode" => {
                let mode = value.as_str().ok_or_else(|| format!("`{name}` must be a word"))?;
                tools
                    .insert("functionCallingConfig".to_owned(), json!({ "mode": mode.to_ascii_uppercase() }));
            }
            "thinking" | "thinkingConfig" => thinking.take(name, value)?,
            "includeThoughts" => thinking.include = Some(value.clone()),
            "maxTokens" => {
                generation.insert("maxOutputTokens".to_owned(), value.clone());
            }
            known if GENERATION.contains(&known) => {
                generation.insert(field, value.clone());
            }
            known if BESIDE.contains(&known) => {
                fields.insert(field, value.clone());
            }
            _ => {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(config) = thinking.config(model) {
        generation.entry("thinkingConfig").or_insert(config);
    }
    for (field, value) in [("generationConfig", generation), ("toolConfig", tools)] {
        if !value.is_empty() {
            fields.insert(field.to_owned(), Value::Object(value));
        }
    }
    Ok(fields)
}

/// What the parameters say of thinking.
#[derive(Default)]
struct Thinking {
    fields: Map<String, Value>,
    include: Option<Value>,
}

impl Thinking {
    fn take(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match value {
            Value::Bool(_) => self.include = Some(value.clone()),
            Value::Object(_) => self.fields.extend(object(name, value)?),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(format!("`{name}` must be `true`, `false` or a map"));
            }
        }
        Ok(())
    }

    fn config(self, model: &str) -> Option<Value> {
        let mut fields = self.fields;
        let thinks = THINKERS.iter().any(|family| model.contains(family));
        let include = self.include.or_else(|| thinks.then_some(Value::Bool(true)));
        if let Some(include) = include {
            fields.entry("includeThoughts").or_insert(include);
        }
        (!fields.is_empty()).then_some(Value::Object(fields))
    }
}

/// The fields of a parameter that must be a map, named as the interface names them.
fn object(name: &str, value: &Value) -> Result<Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| format!("`{name}` must be a map"))?;
    Ok(fields.iter().map(|(name, value)| (camel_case(name), value.clone())).collect())
}

/// `top_p` as `topP`. Other names stay as they are.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        joined.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        joined.push_str(letters.as_str());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(model: &str, parameters: Value) -> Result<Value, String> {
        let parameters: BTreeMap<String, Value> = serde_json::from_value(parameters).unwrap();
        settings(model, &parameters).map(Value::Object)
    }

    #[test]
    fn parameters_go_where_the_interface_reads_them_in_either_spelling() {
        let read = read(
            "gemma-4",
            json!({"temperature": 0.5, "top_p": 0.9, "topK": 40, "max_tokens": 100, "seed": 7, "stop_sequences": ["x"],
                   "response_mime_type": "application/json", "responseSchema": {"type": "STRING"}, "presence_penalty": null,
                   "safety_settings": [{"category": "c", "threshold": "t"}], "cached_content": "cachedContents/1",
                   "function_calling_mode": "any", "labels": {"team_name": "a"}, "x_own": 1, "_x": 2,
                   "model": "other", "contents": [], "tools": [], "system_instruction": "no", "stream": false}),
        );
        let expected = json!({
            "generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 100, "seed": 7,
                "stopSequences": ["x"], "responseMimeType": "application/json", "responseSchema": {"type": "STRING"}},
            "safetySettings": [{"category": "c", "threshold": "t"}], "cachedContent": "cachedContents/1",
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}, "labels": {"team_name": "a"}, "x_own": 1, "_x": 2});
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn models_that_think_show_it_unless_they_are_told_not_to() {
        let config = |model: &str, parameters: Value| {
            read(model, parameters).unwrap().pointer("/generationConfig/thinkingConfig").cloned()
        };
        for model in
            ["gemini-2.5-pro", "gemini-3-flash-preview", "gemini-exp-1206", "gemini-2.0-flash-thinking-x"]
        {
            assert_eq!(config(model, json!({})), Some(json!({"includeThoughts": true})), "{model}");
        }
        let old = "gemini-2.0-flash";
        let new = "gemini-3-pro";
        for (model, parameters, expected) in [
            (old, json!({}), None),
            (old, json!({"thinking": true}), Some(json!({"includeThoughts": true}))),
            (
                new,
                json!({"thinking": {"thinking_level": "high"}}),
                Some(json!({"thinkingLevel": "high", "includeThoughts": true})),
            ),
            (
                new,
                json!({"thinking_config": {"thinkingBudget": -1, "include_thoughts": false}}),
                Some(json!({"thinkingBudget": -1, "includeThoughts": false})),
            ),
            (new, json!({"include_thoughts": false}), Some(json!({"includeThoughts": false}))),
            (new, json!({"thinking": false}), Some(json!({"includeThoughts": false}))),
            (
                new,
                json!({"generation_config": {"thinking_config": {"thinkingBudget": 1}}}),
                Some(json!({"thinkingBudget": 1})),
            ),
        ] {
            assert_eq!(config(model, parameters.clone()), expected, "{model} {parameters}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (parameters, problem) in [
            (json!({"thinking": "high"}), "`thinking` must be `true`, `false` or a map"),
            (json!({"tool_config": 1}), "`tool_config` must be a map"),
            (json!({"function_calling_mode": true}), "`function_calling_mode` must be a word"),
        ] {
            assert_eq!(read("gemini-3", parameters), Err(problem.to_owned()));
        }
    }
}
