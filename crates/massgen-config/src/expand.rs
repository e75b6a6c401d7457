//! `${NAME}` in texts: variables of the environment.

/// What became of a text after its variables were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The text with the values in it.
    pub(crate) text: String,
    /// Variables that were named, in order, each once.
    pub(crate) variables: Vec<String>,
    /// Those of them that are not set.
    pub(crate) unset: Vec<String>,
}

/// Replaces every `${NAME}` of `text`; `None` when it names no variable. Values are not looked at again, so a value
/// that holds `${…}` stays as it is.
pub(crate) fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<Expanded> {
    let mut out = Expanded { text: String::new(), variables: Vec::new(), unset: Vec::new() };
    let mut rest = text;
    while let Some((before, name, after)) = next_reference(rest) {
        out.text.push_str(before);
        if !out.variables.iter().any(|known| known == name) {
            out.variables.push(name.to_owned());
        }
        if let Some(value) = lookup(name) {
            out.text.push_str(&value);
        } else if !out.unset.iter().any(|known| known == name) {
            out.unset.push(name.to_owned());
        }
        rest = after;
    }
    out.text.push_str(rest);
    if out.variables.is_empty() { None } else { Some(out) }
}

/// The name in a text that is one `${NAME}` and nothing else.
pub(crate) fn only_reference(text: &str) -> Option<&str> {
    let (before, name, after) = next_reference(text.trim())?;
    if before.is_empty() && after.is_empty() { Some(name) } else { None }
}

/// The text before the first `${NAME}`, the name, and the text after it.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = text.get(from..)?.find("${")? + from;
        let inner = text.get(start + 2..)?;
        let length = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
        let name = inner.get(..length)?;
        let after = inner.get(length..)?;
        let starts_well = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        if let Some(after) = after.strip_prefix('}').filter(|_| starts_well) {
            return Some((text.get(..start)?, name, after));
        }
        from = start + 2;
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "NESTED" => Some("${A}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_and_unset_ones_named() {
        let done = expand("x ${A} ${B} ${A} $A ${} ${1} ${NESTED} ${", &lookup).unwrap();
        assert_eq!(done.text, "x 1  1 $A ${} ${1} ${A} ${");
        assert_eq!(done.variables, ["A", "B", "NESTED"]);
        assert_eq!(done.unset, ["B"]);
        assert_eq!(expand("no variable", &lookup), None);
    }

    #[test]
    fn a_lone_reference_is_told_from_a_text_around_one() {
        assert_eq!(only_reference(" ${MY_KEY} "), Some("MY_KEY"));
        assert_eq!(only_reference("Bearer ${MY_KEY}"), None);
        assert_eq!(only_reference("sk-1"), None);
    }
}
