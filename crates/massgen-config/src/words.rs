//! Command lines in words, as a shell parts them: at white space, with quotes and backslashes, and nothing else.

/// The words of `line`; `None` when a quote is not closed.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(chars.next()?),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_a_shell_parts_them() {
        for (line, words) in [
            ("npx -y  server", &["npx", "-y", "server"][..]),
            ("run 'a b' \"c d\"e", &["run", "a b", "c de"]),
            (r#"say "a \" b" it\'s '\'"#, &["say", "a \" b", "it's", "\\"]),
            ("x ''", &["x", ""]),
            ("  ", &[]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for open in ["a 'b", "a \"b", "a\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }
}
