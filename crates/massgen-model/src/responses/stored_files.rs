//! Files in containers that a reply refers to.

use massgen_protocol::message::ReplyItem;
use serde_json::Value;

use crate::provider::fetched::StoredFile;

/// The files that the text of `items` refers to, in order.
pub(super) fn stored_files(items: &[ReplyItem]) -> Vec<StoredFile> {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned();
    let messages = items.iter().filter_map(|item| item.provider.as_ref());
    let parts = messages.filter_map(|message| list(message, "content")).flatten();
    let references = parts.filter_map(|part| list(&part, "annotations")).flatten();
    references.filter_map(|reference| stored_file(&reference)).collect()
}

fn stored_file(reference: &Value) -> Option<StoredFile> {
    let field = |key: &str| reference.get(key).and_then(Value::as_str);
    if field("type") != Some("container_file_citation") {
        return None;
    }
    let place = ["containers", field("container_id")?, "files", field("file_id")?, "content"];
    Some(StoredFile {
        place: place.map(str::to_owned).to_vec(),
        name: field("filename").map(str::to_owned),
        header: None,
    })
}
