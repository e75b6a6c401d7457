//! Requests of the protocol, in the dialect of the provider.

use std::borrow::Cow;

use bytes::Bytes;
use massgen_protocol::ModelRequest;
use massgen_protocol::spec::BackendSpec;
use reqwest::Url;
use rig_core::message::{Api, Origin};
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::responses_api::wire::Responses;

use super::decoder::Decoder;
use super::settings::Settings;
use crate::provider::body::{arrange_changed, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;

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
        said.additional_params = Some(self.settings.parameters_of(request));
        let body = written(&self.wire, said)?;
        let arranged = self.settings.changes().and_then(|changes| {
            arrange_changed(&body, &changes, &["tools", "instructions"], "input", |item| {
                Ok(vec![Cow::Borrowed(item.get())])
            })
        });
        arranged.map_err(|error| error.to_string())
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
