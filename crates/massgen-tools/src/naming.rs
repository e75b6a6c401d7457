//! Names of tools, and which of them an agent has.

use massgen_protocol::tooling::Tooling;

use crate::files::present_name;

/// The name by which a model knows the tool `tool` of the server `server`.
pub(crate) fn wire_name(server: &str, tool: &str) -> String {
    format!("mcp__{server}__{tool}")
}

/// Which of its tools an agent has (`allowed_tools`, `exclude_tools`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    allowed: Option<Vec<String>>,
    excluded: Vec<String>,
}

impl Selection {
    /// What `tooling` says.
    pub fn of(tooling: &Tooling) -> Self {
        Self { allowed: tooling.allowed.clone(), excluded: tooling.excluded.clone() }
    }

    /// Whether the tool of this name is among them. Configurations name it whole or without what stands before it, and
    /// some by an older name.
    pub fn has(&self, name: &str) -> bool {
        let is_it = |entry: &str| entry == name || entry == bare(name);
        let is_named = |list: &[String]| list.iter().any(|entry| is_it(entry) || is_it(present_name(entry)));
        self.allowed.as_ref().is_none_or(|allowed| is_named(allowed)) && !is_named(&self.excluded)
    }
}

/// `name` without the server or the family that stands before it.
pub(crate) fn bare(name: &str) -> &str {
    if let Some(rest) = name.strip_prefix("mcp__") {
        return rest.split_once("__").map_or(rest, |(_, tool)| tool);
    }
    name.strip_prefix("custom_tool__").unwrap_or(name)
}

/// The server and the tool in a name, `server/tool`, as rules write it.
pub(crate) fn server_and_tool(name: &str) -> String {
    match name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
        Some((server, tool)) => format!("{server}/{tool}"),
        None => bare(name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_chosen_by_their_whole_name_or_the_short_one() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let all = Selection::default();
        assert!(all.has("mcp__filesystem__write_file"));
        let some = Selection { allowed: Some(list(&["write_file", "mcp__x__y"])), excluded: list(&["y"]) };
        assert!(some.has("mcp__filesystem__write_file"));
        assert!(!some.has("mcp__filesystem__edit_file"));
        assert!(!some.has("mcp__x__y"));
        for old in ["read_file", "mcp__filesystem__read_file"] {
            let old = Selection { allowed: Some(list(&[old])), excluded: Vec::new() };
            assert!(old.has("mcp__filesystem__read_text_file") && !old.has("mcp__filesystem__write_file"));
        }
        assert_eq!(server_and_tool("mcp__a__b__c"), "a/b__c");
        assert_eq!(server_and_tool("custom_tool__b"), "b");
    }
}
