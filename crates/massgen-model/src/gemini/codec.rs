//! Requests of the protocol.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use massgen_protocol::ModelRequest;
use massgen_protocol::spec::{Protocol, ProviderTool};
use rig_core::message::{Api, Origin};
use rig_core::providers::gemini::GeminiConfig;
use rig_core::providers::gemini::completion::{GenerateContent, PROVIDER_NAME};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::decoder::Decoder;
use super::settings::settings;
use crate::provider::body::{arrange, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;
use crate::provider::files::Files;
use crate::provider::form::{self, Tools};

/// The first generation of models that uses tools of the provider, functions and JSON in one call.
const COMBINES: u32 = 3;

/// The protocol for one model.
#[derive(Clone)]
pub(crate) struct GeminiCodec {
    wire: GenerateContent,
    origin: Origin,
    /// The fields that the parameters mean, or why they mean none.
    settings: Result<Map<String, Value>, String>,
    tools: Vec<ProviderTool>,
    max_output_tokens: Option<u32>,
}

impl GeminiCodec {
    /// The protocol for `model`, with the parameters of its configuration and the `tools` that the provider runs.
    pub(crate) fn new(
        model: &str,
        parameters: &BTreeMap<String, Value>,
        tools: &[ProviderTool],
        max_output_tokens: Option<u32>,
    ) -> Self {
        Self {
            // The key goes into a header, not through rig.
            wire: GenerateContent::new(GeminiConfig::new(""), model),
            origin: Origin::new(Api::from_static("gemini.generate_content"), PROVIDER_NAME, model),
            settings: settings(model, parameters),
            tools: tools.to_vec(),
            max_output_tokens,
        }
    }

    /// Models before Gemini 3 refuse JSON together with tools of any kind.
    fn tools_beside_a_form(&self) -> Tools {
        match generation(&self.wire.model) {
            Some(number) if number < COMBINES => Tools::LeftOut,
            Some(_) | None => Tools::Kept,
        }
    }

    /// The entries of the tools that the provider runs, or which of them cannot be had beside functions.
    fn provider_tools(&self, request: &ModelRequest) -> Result<Vec<Value>, String> {
        let model = &self.wire.model;
        let entry = |tool: &ProviderTool| {
            let (key, entry) = match tool {
                ProviderTool::WebSearch => ("enable_web_search", json!({"googleSearch": {}})),
                ProviderTool::CodeExecution => ("enable_code_execution", json!({"codeExecution": {}})),
                ProviderTool::XSearch => return Err("Gemini offers no `enable_x_search`".to_owned()),
            };
            if !request.tools.is_empty() && generation(model).is_some_and(|number| number < COMBINES) {
                return Err(format!(
                    "`{model}` cannot use `{key}` together with the tools of an agent; take a model of Gemini \
                     {COMBINES} or later, or leave `{key}` out"
                ));
            }
            Ok(entry)
        };
        self.tools.iter().map(entry).collect()
    }
}

impl Codec for GeminiCodec {
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let mut fields = self.settings.clone()?;
        let mut said = rig_request(request, &self.origin)?;
        let bound = request.max_output_tokens.or(self.max_output_tokens);
        if let Some(Value::Object(generation)) = fields.get_mut("generationConfig")
            && bound.is_some()
        {
            generation.remove("maxOutputTokens");
        }
        said.max_tokens = bound.map(u64::from);
        if let Some(output) = &request.output {
            form::ask(&mut said, output, self.tools_beside_a_form())?;
            // rig takes a choice in one place only, and the configuration may name one.
            match said.tool_choice.take() {
                Some(_) => {
                    if let Value::Object(config) = fields.entry("toolConfig").or_insert_with(|| json!({})) {
                        config.insert("functionCallingConfig".to_owned(), json!({"mode": "NONE"}));
                    }
                }
                None => {
                    fields.remove("toolConfig");
                }
            }
        }
        let tools = match (&request.output, self.tools_beside_a_form()) {
            (Some(_), Tools::LeftOut) => Vec::new(),
            (Some(_), Tools::Kept) | (None, _) => self.provider_tools(request)?,
        };
        if !tools.is_empty() {
            if !said.tools.is_empty()
                && let Value::Object(config) = fields.entry("toolConfig").or_insert_with(|| json!({}))
            {
                // Without it such a request is refused.
                config.entry("includeServerSideToolInvocations").or_insert(true.into());
            }
            fields.insert("tools".to_owned(), tools.into());
        }
        said.additional_params = Some(Value::Object(fields));
        let body = written(&self.wire, said)?;
        let files = Files::of(request, Protocol::Gemini, "");
        let body = arrange(&body, &["tools", "systemInstruction"], "contents", |content| {
            files.placed(turns(content)?)
        });
        body.map_err(|error| error.to_string())
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }
}

/// The generation that the name of a model tells; names such as `gemini-flash-latest` tell none.
fn generation(model: &str) -> Option<u32> {
    let name = model.strip_prefix("models/").unwrap_or(model).strip_prefix("gemini-")?;
    name.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// The content with one content for each text of the user; any other content as it is.
///
/// rig joins neighbouring user messages into one, which would change bytes that were sent before.
fn turns(content: &RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Content<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow)]
        parts: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(default, borrow)]
        text: Option<&'a RawValue>,
    }
    let Content { role, parts } = serde_json::from_str(content.get())?;
    if role != "user" {
        return Ok(vec![Cow::Borrowed(content.get())]);
    }
    let mut turns: Vec<String> = Vec::new();
    for part in parts {
        let is_text = serde_json::from_str::<Part<'_>>(part.get())?.text.is_some();
        match turns.last_mut().filter(|_| !is_text) {
            Some(turn) => {
                turn.push(',');
                turn.push_str(part.get());
            }
            None => turns.push(part.get().to_owned()),
        }
    }
    let whole = |parts: String| Cow::Owned(format!("{{\"role\":\"user\",\"parts\":[{parts}]}}"));
    Ok(turns.into_iter().map(whole).collect())
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
