//! Which tools a hook is about.

/// Whether `patterns` name the tool `name`: patterns of shells with `|` between them, where `*` is any text, `?` any
/// character, `[ab-d]` one of these and `[!ab]` none of them.
pub fn matches(patterns: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    patterns.split('|').any(|pattern| matches_one(&parts(pattern.trim()), &name))
}

/// One part of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Plain(char),
    /// From and to, of characters that are wanted, or not.
    Set {
        ranges: Vec<(char, char)>,
        wanted: Wanted,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Inside,
    Outside,
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Plain(own) => *own == c,
            Self::Set { ranges, wanted } => {
                let inside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                match wanted {
                    Wanted::Inside => inside,
                    Wanted::Outside => !inside,
                }
            }
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '[' => match set(rest.as_str()) {
                Some((part, after)) => {
                    rest = after.chars();
                    part
                }
                // Without its end it is a character like others.
                None => Part::Plain('['),
            },
            c => Part::Plain(c),
        });
    }
    parts
}

/// What stands after `[`, and what follows the end of it.
fn set(text: &str) -> Option<(Part, &str)> {
    let (wanted, text) = match text.strip_prefix('!') {
        Some(text) => (Wanted::Outside, text),
        None => (Wanted::Inside, text),
    };
    // `]` at the beginning belongs to the set.
    let first = text.chars().next()?.len_utf8();
    let end = first + text.get(first..)?.find(']')?;
    let inside: Vec<char> = text.get(..end)?.chars().collect();
    let mut ranges = Vec::new();
    let mut left = inside.as_slice();
    while let Some((from, after)) = left.split_first() {
        left = match after {
            ['-', to, after @ ..] => {
                ranges.push((*from, *to));
                after
            }
            after => {
                ranges.push((*from, *from));
                after
            }
        };
    }
    Some((Part::Set { ranges, wanted }, text.get(end + 1..)?))
}

/// Goes back to the last `*` only, so the time is at most the product of both lengths.
fn matches_one(parts: &[Part], name: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(at) {
        match parts.get(part) {
            Some(Part::Any) => {
                star = Some((part, at));
                part += 1;
                continue;
            }
            Some(wanted) if wanted.takes(*c) => {
                part += 1;
                at += 1;
                continue;
            }
            Some(_) | None => {}
        }
        let Some((back, from)) = star else { return false };
        star = Some((back, from + 1));
        part = back + 1;
        at = from + 1;
    }
    parts.get(part..).unwrap_or_default().iter().all(|part| *part == Part::Any)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_those_of_shells_with_bars_between_them() {
        for (patterns, name, expected) in [
            ("*", "anything", true),
            ("Write|Edit*", "Edit_file", true),
            ("Write|Edit*", "Write_file", false),
            ("Write | Edit", "Edit", true),
            ("mcp__*__read_*", "mcp__filesystem__read_text_file", true),
            ("mcp__*__read_*", "mcp__filesystem__write_file", false),
            ("t?st", "test", true),
            ("t?st", "tst", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[-a]", "-", true),
            ("[x", "[x", true),
            ("", "x", false),
            ("write", "Write", false),
            ("{a,b}", "a", false),
        ] {
            assert_eq!(matches(patterns, name), expected, "{patterns} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern = format!("{}b", "*a".repeat(2_000));
        assert!(!matches(&pattern, &"a".repeat(4_000)));
    }

    proptest! {
        #[test]
        fn any_pattern_is_read_without_harm_and_every_name_matches_itself(
            pattern in ".{0,20}",
            name in "[a-z_]{1,20}",
        ) {
            let _ = matches(&pattern, &name);
            prop_assert!(matches(&name, &name));
            let around = format!("{}*", name.chars().next().unwrap_or_default());
            prop_assert!(matches(&around, &name));
        }
    }
}
