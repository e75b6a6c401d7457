//! Block-style YAML of JSON values, readable by YAML 1.1 and 1.2 alike: whatever a reader could take for something
//! else than the text that it is stands in quotes.

use std::fmt::Write;

use serde_json::Value;

/// `value` as a YAML document; maps keep their order, Unicode stays as it is.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => map_lines(map, 0, &mut out),
        Value::Array(items) if !items.is_empty() => list_lines(items, 0, &mut out),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            scalar(value, &mut out);
            out.push('\n');
        }
    }
    out
}

fn map_lines(map: &serde_json::Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in map {
        push_indent(indent, out);
        text(key, out);
        out.push(':');
        nested(value, indent, out);
    }
}

fn list_lines(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        push_indent(indent, out);
        out.push('-');
        match item {
            // The first key stands behind the dash, so the rest is indented by its width.
            Value::Object(map) if !map.is_empty() => {
                let mut lines = String::new();
                map_lines(map, indent + 2, &mut lines);
                out.push(' ');
                out.push_str(lines.trim_start());
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                nested(item, indent, out);
            }
        }
    }
}

/// What follows a key or a dash, with the end of the line.
fn nested(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            map_lines(map, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            list_lines(items, indent + 2, out);
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            out.push(' ');
            scalar(value, out);
            out.push('\n');
        }
    }
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&float_with_point(&number.to_string())),
        Value::String(string) => text(string, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 reads `1e-7` as a text; it wants a point and a sign.
fn float_with_point(number: &str) -> String {
    match number.split_once('e') {
        Some((mantissa, exponent)) => {
            let point = if mantissa.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
            format!("{mantissa}{point}e{sign}{exponent}")
        }
        None => number.to_owned(),
    }
}

fn text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Controls, and what one version of YAML or another takes for a line break or refuses.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether `text` means itself without quotes in every version of YAML.
fn is_plain(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let starts = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/');
    text.starts_with(starts)
        && text.chars().all(fits)
        && !text.ends_with(' ')
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str())
}

fn push_indent(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_block_style_and_quote_what_could_be_misread() {
        let value = json!({
            "query": "wie geht's?\nzweite Zeile",
            "config": {"agents": [{"id": "a", "backend": {"type": "openai", "temperature": 0.5}}, {"id": "b"}], "none": []},
            "plain": "gpt-5.4 mini", "yes": "yes", "number": "012", "time": "12:30", "small": 1e-7, "none": null,
            "list": ["x", ["y", 1], {}], "control": "\u{1b}[0m\u{85}", "é ": true
        });
        insta::assert_snapshot!(document(&value), @r#"
        query: "wie geht's?\nzweite Zeile"
        config:
          agents:
            - id: a
              backend:
                type: openai
                temperature: 0.5
            - id: b
          none: []
        plain: gpt-5.4 mini
        "yes": "yes"
        number: "012"
        time: "12:30"
        small: 1.0e-7
        none: null
        list:
          - x
          -
            - "y"
            - 1
          - {}
        control: "\u001b[0m\u0085"
        "é ": true
        "#);
    }
}
