//! Paths as text, without loss: as git writes them, names with odd bytes in quotes.

use std::fmt::Write as _;

use crate::tree::TreePath;

/// The path as text. A name that is not UTF-8, or holds a control character, a quote or a backslash, comes in quotes,
/// with the escapes of C. [`read`] gives the same path back.
pub fn spell(path: &TreePath) -> String {
    spell_bytes(path.as_bytes())
}

/// The path that [`spell`] wrote, or that a person wrote plainly; a `/` at the end (an empty folder) does not count.
pub fn read(text: &str) -> Option<TreePath> {
    let bytes = match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unquote(quoted)?,
        None => text.as_bytes().to_vec(),
    };
    let bytes = match bytes.strip_suffix(b"/") {
        Some(folder) => folder.to_vec(),
        None => bytes,
    };
    TreePath::new(bytes)
}

/// Bytes of a path or of a link's target as text.
pub(crate) fn spell_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() || c == '"' || c == '\\') => text.to_owned(),
        Ok(_) | Err(_) => quote(bytes),
    }
}

/// The bytes that [`spell_bytes`] wrote.
pub(crate) fn read_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unquote(quoted),
        None => Some(text.as_bytes().to_vec()),
    }
}

fn quote(bytes: &[u8]) -> String {
    let mut out = String::from('"');
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\r' => out.push_str("\\r"),
            0x20..=0x7e => out.push(char::from(*byte)),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\{other:03o}");
            }
        }
    }
    out.push('"');
    out
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            plain @ (b'"' | b'\\') => plain,
            first @ b'0'..=b'3' => {
                let digit = |byte: u8| (b'0'..=b'7').contains(&byte).then(|| byte - b'0');
                let (second, third) = (digit(rest.next()?)?, digit(rest.next()?)?);
                (first - b'0') * 64 + second * 8 + third
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TreePath, read, spell};

    proptest! {
        #[test]
        fn every_path_comes_back_from_its_spelling(bytes in proptest::collection::vec(1_u8.., 1..20)) {
            if let Some(path) = TreePath::new(bytes) {
                prop_assert_eq!(read(&spell(&path)), Some(path));
            }
        }
    }

    #[test]
    fn plain_names_stay_as_they_are_and_odd_ones_are_quoted() {
        let spelled = |bytes: &[u8]| spell(&TreePath::new(bytes).unwrap());
        assert_eq!(spelled("src/größe 1.rs".as_bytes()), "src/größe 1.rs");
        assert_eq!(spelled(b"caf\xe9"), r#""caf\351""#);
        assert_eq!(spelled(b"a\tb\"c\\d\x1b"), r#""a\tb\"c\\d\033""#);
    }
}
