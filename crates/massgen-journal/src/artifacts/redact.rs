//! Takes what looks like a secret out of what is written for people. The journal holds no key of ours; this is for
//! keys that a user wrote into a configuration, or that a model or a tool printed.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// What stands in the place of a secret.
const REDACTED: &str = "[REDACTED]";

/// Ends of names, in lower case, whose values are secrets.
const SECRET_NAMES: [&str; 8] = [
    "api_key",
    "access_token",
    "refresh_token",
    "token",
    "secret",
    "password",
    "private_key",
    "authorization",
];

/// Beginnings of keys that providers give out, with the least number of characters that follow in a real one.
const KEY_PREFIXES: [(&str, usize); 9] = [
    ("sk-", 16),
    ("AIza", 30),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("Bearer ", 16),
];

/// Shortest value of `NAME=value` that is taken for a secret.
const ASSIGNED_VALUE_BYTES: usize = 8;

/// `text` without keys of known providers, bearer tokens and values of `..._KEY=value` and the like.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(step) =
            rest.bytes().position(|byte| matches!(byte, b's' | b'A' | b'g' | b'B' | b'b' | b'='))
        else {
            break;
        };
        let here = at + step;
        match secret_at(text, here) {
            Some((start, end)) => {
                out.push_str(text.get(copied..start).unwrap_or_default());
                out.push_str(REDACTED);
                copied = end;
                at = end;
            }
            None => at = here + 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// `value` without the values of keys that name secrets. References to variables stay: they are no secrets.
pub(super) fn value(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, inner)| (key.clone(), entry(key, inner))).collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(self::value).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn entry(key: &str, inner: &Value) -> Value {
    match inner {
        Value::String(text) if names_secret(key) && !text.is_empty() && !text.starts_with('$') => {
            REDACTED.into()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value(inner),
    }
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|end| name.ends_with(end))
}

/// The bytes of the secret that `here` points to: its first byte, or the `=` before it.
fn secret_at(text: &str, here: usize) -> Option<(usize, usize)> {
    let rest = text.get(here..)?;
    if let Some(assigned) = rest.strip_prefix('=') {
        return assigned_secret(text.get(..here)?, assigned, here + 1);
    }
    if text.get(..here)?.ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_') {
        return None;
    }
    KEY_PREFIXES.iter().find_map(|(prefix, least)| {
        let head = rest.get(..prefix.len())?;
        let is_scheme = prefix.ends_with(' ');
        if head != *prefix && !(is_scheme && head.eq_ignore_ascii_case(prefix)) {
            return None;
        }
        let body = token_length(rest.get(prefix.len()..)?);
        let start = if is_scheme { here + prefix.len() } else { here };
        (body >= *least).then_some((start, here + prefix.len() + body))
    })
}

/// The value of an assignment to an upper-case name that ends like a secret's.
fn assigned_secret(before: &str, after: &str, after_at: usize) -> Option<(usize, usize)> {
    let name_start = before
        .rfind(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .map_or(0, |at| at + before.get(at..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8));
    let name = before.get(name_start..)?;
    if name.is_empty() || !names_secret(name) {
        return None;
    }
    let quotes = after.bytes().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\')).count();
    let value = after.get(quotes..)?;
    let length =
        value.bytes().take_while(|byte| byte.is_ascii_graphic() && !b"\"'\\,;".contains(byte)).count();
    let is_reference = value.starts_with(['$', '<', '[']);
    (length >= ASSIGNED_VALUE_BYTES && !is_reference)
        .then_some((after_at + quotes, after_at + quotes + length))
}

fn token_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(byte)).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_tokens_are_taken_out_and_the_rest_stays() {
        for (with, without) in [
            ("use sk-proj-abcdefghijklmnop1234 now", "use [REDACTED] now"),
            ("AIzaSyA1234567890123456789012345678901", "[REDACTED]"),
            ("ghp_abcdefghijklmnopqrst12, github_pat_11ABCDEFG0123456789ab", "[REDACTED], [REDACTED]"),
            ("authorization: bearer abcdef0123456789.xyz!", "authorization: bearer [REDACTED]!"),
            (r#"OPENAI_API_KEY=\"hunter2hunter2\" é"#, r#"OPENAI_API_KEY=\"[REDACTED]\" é"#),
            ("é MY_TOKEN=12345678 x", "é MY_TOKEN=[REDACTED] x"),
        ] {
            assert_eq!(text(with), without);
        }
        for harmless in [
            "risk-averse task-based sk-learn",
            "API_KEY=$OTHER_VARIABLE",
            "max_token=1234567890",
            "bearer of good news to everybody",
            "TOKEN=short",
            "==",
        ] {
            assert_eq!(text(harmless), harmless);
        }
    }

    #[test]
    fn values_of_secret_keys_are_taken_out_but_counters_and_references_stay() {
        let config =
            json!({"backend": [{"api_key": "abc", "max_token": 3, "base_api_key": "${KEY}", "type": "x"}]});
        let expected = json!({"backend": [{"api_key": "[REDACTED]", "max_token": 3, "base_api_key": "${KEY}", "type": "x"}]});
        assert_eq!(value(&config), expected);
    }
}
