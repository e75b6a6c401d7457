//! Commands that are shown to be typed.

/// A word as a shell reads it back; `~/` at its beginning keeps its meaning.
pub(crate) fn quoted(word: &str) -> String {
    let (home, rest) = match word.strip_prefix("~/") {
        Some(rest) => ("~/", rest),
        None => ("", word),
    };
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | '@');
    if rest.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        for (word, typed) in [
            ("a/b-c_1.yaml", "a/b-c_1.yaml"),
            ("~/runs/x", "~/runs/x"),
            ("~/my runs", "~/'my runs'"),
            ("it's $HOME", r"'it'\''s $HOME'"),
            ("~other", "'~other'"),
        ] {
            assert_eq!(quoted(word), typed);
        }
    }
}
