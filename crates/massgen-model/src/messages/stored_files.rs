//! Files that code made which the provider ran.

use massgen_protocol::message::ReplyItem;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::provider::fetched::StoredFile;

/// The header that names what of the protocol is asked for before it is there for all, and the part of it with files.
const FILES_BETA: (&str, &str) = ("anthropic-beta", "files-api-2025-04-14");

/// How the kinds of blocks end that hold what became of code.
const RESULT: &str = "code_execution_tool_result";

/// The files that the results of code in `items` name, in order.
pub(super) fn stored_files(items: &[ReplyItem]) -> Vec<StoredFile> {
    let is_result =
        |block: &&Value| block.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with(RESULT));
    let results = items.iter().filter_map(|item| item.provider.as_ref()).filter(is_result);
    let outputs = results.filter_map(|block| block.pointer("/content/content")?.as_array()).flatten();
    outputs.filter_map(|output| output.get("file_id")?.as_str()).map(stored_file).collect()
}

fn stored_file(id: &str) -> StoredFile {
    StoredFile {
        place: ["files", id, "content"].map(str::to_owned).to_vec(),
        name: None,
        header: Some((HeaderName::from_static(FILES_BETA.0), HeaderValue::from_static(FILES_BETA.1))),
    }
}
