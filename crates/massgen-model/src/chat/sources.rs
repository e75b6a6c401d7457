//! Sources that a service names beside the text: what its search found.

use massgen_protocol::message::{ItemContent, ReplyItem};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::provider::draft::Draft;

/// The type of the item that holds them. It is ours, and stays here: not every service takes it back.
const KIND: &str = "sources";

/// Most sources that are kept of a reply.
const MOST: usize = 256;

/// The sources of a reply, each once, in the order in which they were named.
#[derive(Debug, Default)]
pub(super) struct Sources {
    found: Vec<Value>,
    /// The list as it came last: some services repeat it with every chunk.
    last: String,
}

impl Sources {
    /// Takes a list of sources.
    pub(super) fn take(
        &mut self,
        list: Option<&RawValue>,
        draft: &mut Draft,
    ) -> Result<(), serde_json::Error> {
        let Some(list) = list.map(RawValue::get).filter(|list| *list != self.last) else { return Ok(()) };
        if let Value::Array(sources) = serde_json::from_str(list)? {
            list.clone_into(&mut self.last);
            for source in sources {
                self.add(source, draft);
            }
        }
        Ok(())
    }

    /// Takes one source.
    pub(super) fn add(&mut self, source: Value, draft: &mut Draft) {
        if self.found.len() < MOST && !self.found.contains(&source) {
            draft.weigh(source.to_string().len());
            self.found.push(source);
        }
    }

    /// The item that keeps them; none when nothing was named.
    pub(super) fn into_item(self) -> Option<ReplyItem> {
        let provider = (!self.found.is_empty()).then(|| json!({"type": KIND, "sources": self.found}));
        provider.map(|provider| ReplyItem { content: ItemContent::Opaque, provider: Some(provider) })
    }
}

/// Whether `item` holds sources.
pub(super) fn holds_sources(item: &ReplyItem) -> bool {
    let kind = item.provider.as_ref().and_then(|provider| provider.get("type"));
    item.content == ItemContent::Opaque && kind.and_then(Value::as_str) == Some(KIND)
}
