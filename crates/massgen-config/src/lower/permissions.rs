//! Rules for what tools may do (`permissions`).

use std::num::NonZeroU32;

use massgen_protocol::tooling::{Approval, Audit, Permissions, Role, Tooling, Unattended};

use super::Lower;
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::hint::nearest;
use crate::node::Node;

/// What rules speak of: `*` is all of them.
const ACTIONS: [&str; 6] = ["command", "read_file", "write_file", "read_url", "mcp", "*"];

/// Folder of questions and replies when none is named.
const APPROVALS: &str = ".massgen/approvals";

/// File of remembered replies when none is named.
const REMEMBERED: &str = ".massgen/settings.local.json";

impl Lower<'_> {
    /// The rules in the `backend` `node`, at `path`; `None` when there are none or they are switched off.
    pub(super) fn permissions(&mut self, node: &Node, path: &str) -> Option<Permissions> {
        let node = node.get("permissions").filter(|node| node.entries().is_some())?;
        let path = join(path, "permissions");
        let rules = |lower: &mut Self, list: &str| lower.rules(node, &path, list);
        let (allow, ask, deny) = (rules(self, "allow"), rules(self, "ask"), rules(self, "deny"));
        if node.get("enabled").and_then(Node::bool) == Some(false) {
            return None;
        }
        let text = |key: &str| node.get(key).and_then(Node::text);
        let place = |key: &str, default: &str| {
            let written = text(key).filter(|text| !text.trim().is_empty());
            self.by.absolute(written.unwrap_or(default))
        };
        let is_off = |key: &str| node.get(key).and_then(Node::bool) == Some(false);
        Some(Permissions {
            role: match text("role") {
                Some("read-only") => Some(Role::ReadOnly),
                Some("researcher") => Some(Role::Researcher),
                Some("read-write") => Some(Role::ReadWrite),
                Some("implementer") => Some(Role::Implementer),
                _ => None,
            },
            allow,
            ask,
            deny,
            approval: match text("approval_mode") {
                Some("file") => Approval::Files { folder: place("approval_dir", APPROVALS) },
                _ => Approval::Policy,
            },
            unattended: match text("automation_default") {
                Some("allow-all") => Unattended::AllowAll,
                Some("deny-all") => Unattended::DenyAll,
                _ => Unattended::RiskBased,
            },
            remembered: (!is_off("persist_approvals")).then(|| place("settings_path", REMEMBERED)),
            audit: if is_off("audit") { Audit::Off } else { Audit::On },
            unasked_in_a_row: node.get("max_consecutive_auto").and_then(Node::int).and_then(NonZeroU32::new),
        })
    }

    /// Tells of rules for paths that hold for tools which say what they touch, and not for programs.
    pub(super) fn loose_rules(&mut self, tooling: &Tooling, node: &Node, path: &str) {
        let starts_programs =
            tooling.commands.is_some() || !tooling.servers.is_empty() || !tooling.custom.is_empty();
        let Some(permissions) = tooling.permissions.as_ref().filter(|_| starts_programs) else { return };
        let loose: Vec<_> = permissions.loose_path_rules().map(|rule| format!("`{rule}`")).collect();
        let written = node.at(&["permissions", "rules", "deny"]);
        if let (Some(written), false) = (written, loose.is_empty()) {
            let message =
                format!("commands and other programs of this agent are not held to {}", loose.join(", "));
            self.report(
                Finding::notice(join(path, "permissions.rules.deny"), message)
                    .hint("name a file or a folder, for example `read_file(secrets/**)`: the sandbox keeps that")
                    .at(&written.origin),
            );
        }
    }

    /// The rules of one list. One that cannot be read is an error: it would allow what it is to refuse.
    fn rules(&mut self, node: &Node, path: &str, list: &str) -> Vec<String> {
        let mut rules = Vec::new();
        let written = node.at(&["rules", list]).and_then(Node::list).unwrap_or_default();
        for (i, item) in written.iter().enumerate() {
            let Some(rule) = item.text().map(str::trim).filter(|text| !self.waits(text)) else { continue };
            let problem = match rule.split_once('(') {
                Some((action, rest)) if ACTIONS.contains(&action.trim()) => match rest.strip_suffix(')') {
                    Some(pattern) if !pattern.trim().is_empty() => {
                        rules.push(format!("{}({})", action.trim(), pattern.trim()));
                        continue;
                    }
                    Some(_) => ("says nothing between its brackets".to_owned(), example(list)),
                    None => ("is not closed by `)`".to_owned(), example(list)),
                },
                Some((action, _)) => {
                    let hint = nearest(action, ACTIONS.into_iter()).map_or_else(
                        || format!("actions are `{}`", ACTIONS.join("`, `")),
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    (format!("speaks of `{}`, which is no action", shortened(action)), hint)
                }
                None => ("is no rule".to_owned(), example(list)),
            };
            let (problem, hint) = problem;
            self.report(
                Finding::error(
                    format!("{path}.rules.{list}[{i}]"),
                    format!("`{}` {problem}", shortened(rule)),
                )
                .hint(hint)
                .at(&item.origin),
            );
        }
        rules
    }
}

/// What a rule looks like.
fn example(list: &str) -> String {
    format!("for example `{list}: [\"command(git push *)\"]`")
}
