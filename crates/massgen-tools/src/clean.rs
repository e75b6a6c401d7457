//! Text of tools without the codes that steer terminals.

/// `text` without terminal sequences and control characters. Line breaks and tabs stay; a carriage return before a line
/// break goes, any other starts a new line, as a progress bar that is drawn over itself would.
pub(crate) fn clean(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\r' => {
                if rest.peek() != Some(&'\n') && !clean.ends_with('\n') {
                    clean.push('\n');
                }
            }
            '\u{1b}' => match rest.next() {
                Some('[') => skip_parameters(&mut rest),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut rest),
                Some(' '..='/') => {
                    // A sequence with one more character: the choice of a character set.
                    rest.next();
                }
                Some('\n') => clean.push('\n'),
                Some(_) | None => {}
            },
            '\u{9b}' => skip_parameters(&mut rest),
            '\u{9d}' | '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// To the end of a sequence like `[1;31m`. A line break ends a broken one.
fn skip_parameters(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| (' '..='~').contains(c)) {
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

/// To the end of a sequence that holds text, such as the title of a window. A line break ends a broken one.
fn skip_string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = rest.next_if(|c| *c != '\n') {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_that_steer_a_terminal_are_gone_and_the_text_stays() {
        for (dirty, expected) in [
            ("plain\n\ttext ä", "plain\n\ttext ä"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("a\u{8}\u{0}\u{7f}b", "ab"),
            ("\u{9b}2Jx\u{1b}(By\u{1b}cz", "xyz"),
            ("\u{1b}]broken\nnext", "\nnext"),
            ("\u{1b}[12", ""),
        ] {
            assert_eq!(clean(dirty), expected, "{dirty:?}");
        }
    }

    proptest! {
        #[test]
        fn no_control_character_is_left_and_cleaning_twice_is_cleaning_once(text in "(\\PC|[\u{0}-\u{20}\u{7f}-\u{9f}]|\u{1b}[\\[\\]P(]){0,60}") {
            let once = clean(&text);
            prop_assert!(once.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert_eq!(clean(&once), once);
        }
    }
}
