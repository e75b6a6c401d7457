//! The order of a body. Providers cache the beginning of a request that they have seen before, so what changes least
//! stands first, and a longer conversation only adds bytes at the end.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use rig_core::completion::CompletionRequest;
use rig_core::operation::Completion;
use rig_core::wire::{Body, Encoded, Mode, Operation, Wire};
use serde_json::value::RawValue;

/// The bytes that `wire` writes for `request`, or why it writes none.
pub(crate) fn written<W>(wire: &W, request: CompletionRequest) -> Result<Vec<u8>, String>
where
    W: Wire<Op = Completion, Payload = Encoded>,
{
    let request = Completion::prepare(request, &wire.describe()).map_err(|error| error.to_string())?;
    let encoded = wire.encode(request, Mode::Streaming).map_err(|error| error.to_string())?;
    match encoded.request.into_body() {
        Body::Bytes(body) => Ok(body),
        Body::Multipart(_) => Err("the body is a form".to_owned()),
    }
}

/// As [`arrange`], with fields of `body` that get another value or, for `None`, are left out.
pub(crate) fn arrange_changed(
    body: &[u8],
    changes: &[(&str, Option<Box<RawValue>>)],
    fixed: &[&str],
    growing: &str,
    each: impl Fn(&RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error>,
) -> Result<Bytes, serde_json::Error> {
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body)?;
    for (key, value) in changes {
        match value {
            Some(value) => fields.insert(Cow::Borrowed(*key), value),
            None => fields.remove(*key),
        };
    }
    arranged(fields, body.len(), fixed, growing, each)
}

/// Puts the fields of `body` into order: the settings by name, then the fields `fixed` in their order, then the list
/// `growing`, each entry of which goes through `each`. Fields that are null say nothing and are left out.
pub(crate) fn arrange(
    body: &[u8],
    fixed: &[&str],
    growing: &str,
    each: impl Fn(&RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error>,
) -> Result<Bytes, serde_json::Error> {
    arranged(serde_json::from_slice(body)?, body.len(), fixed, growing, each)
}

fn arranged<'a>(
    mut fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
    size: usize,
    fixed: &[&'a str],
    growing: &str,
    each: impl Fn(&RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error>,
) -> Result<Bytes, serde_json::Error> {
    fields.retain(|_, value| value.get() != "null");
    let entries: Vec<&RawValue> = match fields.remove(growing) {
        Some(entries) => serde_json::from_str(entries.get())?,
        None => Vec::new(),
    };
    let fixed: Vec<_> =
        fixed.iter().filter_map(|key| Some((Cow::Borrowed(*key), fields.remove(*key)?))).collect();
    let mut out = String::with_capacity(size);
    out.push('{');
    for (key, value) in fields.into_iter().chain(fixed) {
        out.push_str(&serde_json::to_string(&key)?);
        out.push(':');
        out.push_str(value.get());
        out.push(',');
    }
    out.push_str(&serde_json::to_string(growing)?);
    out.push_str(":[");
    let mut separator = "";
    for entry in entries {
        for entry in each(entry)? {
            out.push_str(separator);
            out.push_str(&entry);
            separator = ",";
        }
    }
    out.push_str("]}");
    Ok(Bytes::from(out))
}
