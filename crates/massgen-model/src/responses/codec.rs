//! Requests of the protocol, in the dialect of the provider.

use std::borrow::Cow;

use bytes::Bytes;
use massgen_protocol::message::ReplyItem;
use massgen_protocol::spec::{BackendSpec, Protocol};
use massgen_protocol::{ModelRequest, OutputSchema};
use reqwest::Url;
use rig_core::completion::CompletionRequest;
use rig_core::message::{Api, Origin};
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::responses_api::wire::Responses;
use serde_json::{Map, Value, json};

use super::decoder::Decoder;
use super::settings::Settings;
use super::stored_files::stored_files;
use crate::provider::body::{arrange_changed, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;
use crate::provider::fetched::StoredFile;
use crate::provider::files::Files;
use crate::provider::form::{self, Tools};

/// Responses as one endpoint speaks it.
#[derive(Debug, Clone)]
pub(crate) struct ResponsesCodec {
    wire: Responses,
    origin: Origin,
    settings: Settings,
}

impl ResponsesCodec {
    /// The protocol for `backend` behind `url`.
    pub(crate) fn new(url: &Url, backend: &BackendSpec) -> Self {
        let settings = Settings::new(url, backend);
        // The key goes into a header, not through rig.
        let config = OpenAIConfig::with_key(&settings.dialect, "");
        let wire = Responses::new(config, backend.model.as_str()).with_tools(settings.tools.clone());
        let origin = Origin::new(Api::from_static("openai.responses"), settings.dialect.name, &backend.model);
        Self { wire, origin, settings }
    }
}

impl Codec for ResponsesCodec {
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let mut said = rig_request(request, &self.origin)?;
        said.max_tokens = request.max_output_tokens.map(u64::from).or(self.settings.max_output_tokens);
        let mut parameters = self.settings.parameters_of(request);
        if let Some(output) = &request.output {
            shape(output, &mut said, &mut parameters)?;
        }
        said.additional_params = Some(Value::Object(parameters));
        let body = written(&self.wire, said)?;
        let files = Files::of(request, Protocol::Responses, "");
        let arranged = self.settings.changes().and_then(|changes| {
            arrange_changed(&body, &changes, &["tools", "instructions"], "input", |item| {
                files.placed(vec![Cow::Borrowed(item.get())])
            })
        });
        arranged.map_err(|error| error.to_string())
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }

    fn stored_files(&self, items: &[ReplyItem]) -> Vec<StoredFile> {
        stored_files(items)
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }
}

/// Asks for text that follows `output`: to the letter where the schema is closed, else as well as the model can.
fn shape(
    output: &OutputSchema,
    said: &mut CompletionRequest,
    parameters: &mut Map<String, Value>,
) -> Result<(), String> {
    if output.is_closed() {
        return form::ask(said, output, Tools::Kept);
    }
    form::write_only(said, Tools::Kept);
    let format =
        json!({"type": "json_schema", "name": output.name(), "schema": output.to_value(), "strict": false});
    if let Value::Object(text) = parameters.entry("text").or_insert_with(|| json!({})) {
        text.insert("format".to_owned(), format);
    }
    Ok(())
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
