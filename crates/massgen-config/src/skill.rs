//! The head of a skill: what `SKILL.md` says of itself between its first two lines of `---`.

use massgen_protocol::limits;

use crate::finding::ConfigError;
use crate::node::{self, Node};
use crate::source::Source;

/// The line around the head.
const FENCE: &str = "---";

/// What a skill says of itself. Written by whoever made the skill: one line each, bounded, and no instruction to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillHead {
    /// Its name: letters, digits, `-`, `_`, `.`, `:` and single spaces.
    pub name: String,
    /// What it is good for. At most [`limits::SKILL_DESCRIPTION_BYTES`] bytes.
    pub description: String,
}

/// Reads the head of the text of a `SKILL.md`.
///
/// # Errors
/// [`ConfigError::Skill`]: there is none, it is no YAML, or it lacks a name or a description.
pub fn skill_head(text: &str) -> Result<SkillHead, ConfigError> {
    let source = Source::new("SKILL.md", head_of(text)?);
    let root = node::parse(&source).map_err(|error| {
        // The fence is the first line of the file.
        let line =
            error.span.map(|span| format!(" in line {}", span.line.saturating_add(1))).unwrap_or_default();
        problem(format!("its head is no YAML{line}: {}", error.message))
    })?;
    let name = text_of(&root, "name")?;
    if !is_name(&name) {
        let most = limits::SKILL_NAME_BYTES;
        return Err(problem(format!(
            "its `name` is none: at most {most} bytes of letters, digits, `-`, `_`, `.`, `:` and spaces"
        )));
    }
    let description = cut(text_of(&root, "description")?);
    Ok(SkillHead { name, description })
}

/// What stands between the fences.
fn head_of(text: &str) -> Result<String, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines();
    if lines.next().map(str::trim_end) != Some(FENCE) {
        return Err(problem(format!("it does not begin with a line `{FENCE}`")));
    }
    let mut head = String::new();
    for line in lines {
        if line.trim_end() == FENCE {
            return Ok(head);
        }
        head.push_str(line);
        head.push('\n');
    }
    Err(problem(format!("its head has no end: there is no second line `{FENCE}`")))
}

/// The text at `key`, on one line.
fn text_of(root: &Node, key: &str) -> Result<String, ConfigError> {
    let node = root.get(key).ok_or_else(|| problem(format!("its head has no `{key}`")))?;
    let text = node
        .text()
        .ok_or_else(|| problem(format!("its `{key}` is {}; put it into quotes", node.describe())))?;
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(visible).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { Err(problem(format!("its `{key}` is empty"))) } else { Ok(text) }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | ' ');
    name.len() <= limits::SKILL_NAME_BYTES && name.chars().all(is_plain)
}

fn cut(mut text: String) -> String {
    const MARK: char = '…';
    if text.len() > limits::SKILL_DESCRIPTION_BYTES {
        let mut end = limits::SKILL_DESCRIPTION_BYTES.saturating_sub(MARK.len_utf8());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push(MARK);
    }
    text
}

fn problem(problem: String) -> ConfigError {
    ConfigError::Skill { problem }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Result<(String, String), String> {
        let head = skill_head(text).map_err(|error| error.to_string())?;
        Ok((head.name, head.description))
    }

    #[test]
    fn a_head_is_read_with_all_kinds_of_line_ends_and_other_keys() {
        let expected = Ok(("pdf".to_owned(), "Reads PDF files. Use it for forms.".to_owned()));
        for text in [
            "---\nname: pdf\ndescription: Reads PDF files. Use it for forms.\n---\n# Body\n---\n",
            "\u{feff}---\r\nname: pdf\r\ndescription: Reads PDF files. Use it for forms.\r\n---\r\n",
            "--- \nname: 'pdf'\nlicense: X\nmetadata: {a: [1]}\ndescription: >\n  Reads PDF files.\n  Use it for forms.\n---",
        ] {
            assert_eq!(head(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_head_is_told() {
        let texts = [
            "# Title\n",
            "---\nname: a\n",
            "---\nname: a\n---\n",
            "---\ndescription: a\n---\n",
            "---\nname: 1\ndescription: a\n---\n",
            "---\nname: ''\ndescription: a\n---\n",
            "---\nname: <b>\ndescription: a\n---\n",
            "---\nname: a\ndescription: use it for: forms\n---\n",
            "---\n- a\n---\n",
        ];
        let told: Vec<String> = texts.map(|text| head(text).expect_err("it is wrong")).into_iter().collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn texts_of_a_head_are_on_one_line_and_bounded() {
        let text = format!(
            "---\nname: \"a  b\"\ndescription: \"x\\n\\e[31m{}\"\n---\n",
            "ä".repeat(limits::SKILL_DESCRIPTION_BYTES)
        );
        let (name, description) = head(&text).expect("read");
        assert_eq!(name, "a b");
        assert!(description.starts_with("x [31mää") && description.ends_with("ä…"), "{description}");
        assert!(description.len() <= limits::SKILL_DESCRIPTION_BYTES);
        assert!(head(&format!("---\nname: {}\ndescription: a\n---\n", "n".repeat(65))).is_err());
        // Aliases that grow without end are noticed by the reader.
        let mut bomb = "---\nname: a\ndescription: b\na: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            use std::fmt::Write;
            writeln!(
                bomb,
                "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]"
            )
            .expect("written");
        }
        assert!(head(&format!("{bomb}---\n")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "(---\n)?[a-z:\\- \n\"'*&{}\\[\\]]{0,200}(\n---\n)?") {
            let _ = skill_head(&text);
        }
    }
}
