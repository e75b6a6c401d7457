//! Pictures of a reply: OpenRouter and those like it send them beside the text.

use std::collections::HashSet;

use massgen_protocol::message::{ItemContent, ReplyItem};
use serde_json::Value;

use crate::provider::draft::Draft;

/// What a picture adds to a reply besides its bytes; bounds the number of empty ones.
const IMAGE_OVERHEAD: usize = 256;

/// Places of the address of a picture: as the protocol has it, and as some servers write it.
const PLACES: [&str; 2] = ["/image_url/url", "/image_url"];

/// The pictures so far, each as it came.
#[derive(Debug, Default)]
pub(super) struct Images {
    entries: Vec<Value>,
}

impl Images {
    /// Takes an entry: a picture, or more of the address of the last one.
    pub(super) fn take(&mut self, entry: Value, draft: &mut Draft) {
        draft.weigh(IMAGE_OVERHEAD);
        let Some((_, address)) = address(&entry) else {
            return;
        };
        if !is_whole(address)
            && let Some(last) = self.entries.last_mut()
        {
            let more = address.to_owned();
            if last.get("index") == entry.get("index")
                && let Some(Value::String(begun)) = place(last).and_then(|at| last.pointer_mut(at))
            {
                begun.push_str(&more);
            }
            return;
        }
        self.entries.push(entry);
    }

    /// The pictures as parts of the reply, each once: some servers repeat the message at its end. One that is elsewhere
    /// is told by its address: nobody fetches what a model names. What is neither is nothing.
    pub(super) fn into_items(self) -> impl Iterator<Item = ReplyItem> {
        let mut known = HashSet::new();
        self.entries.into_iter().filter_map(move |entry| {
            let (at, address) = address(&entry)?;
            if !known.insert(blake3::hash(address.as_bytes())) {
                return None;
            }
            if is_link(address) {
                return Some(ItemContent::Text { text: format!("\n{address}\n") }.into());
            }
            let item = ReplyItem::with_file(entry, at, None);
            item.file().is_some().then_some(item)
        })
    }
}

fn place(entry: &Value) -> Option<&'static str> {
    PLACES.into_iter().find(|at| entry.pointer(at).is_some_and(Value::is_string))
}

fn address(entry: &Value) -> Option<(&'static str, &str)> {
    let at = place(entry)?;
    Some((at, entry.pointer(at)?.as_str()?))
}

fn is_whole(address: &str) -> bool {
    address.starts_with("data:") || is_link(address)
}

fn is_link(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
