//! What must hold in tool filters.

use super::Rules;
use crate::check::join;
use crate::finding::Finding;
use crate::node::{Node, Value};

impl Rules<'_> {
    pub(super) fn tools(&mut self, path: &str, node: &Node) {
        self.filters(path, node);
        let Some(servers) = node.get("mcp_servers") else { return };
        let path = join(path, "mcp_servers");
        for (i, server) in servers.list().unwrap_or_default().iter().enumerate() {
            self.filters(&format!("{path}[{i}]"), server);
        }
        for entry in servers.entries().unwrap_or_default() {
            self.filters(&join(&path, &entry.key), &entry.node);
        }
    }

    fn filters(&mut self, path: &str, node: &Node) {
        let (Some(_), Some(excluded)) = (node.get("allowed_tools"), node.entry("exclude_tools")) else {
            return;
        };
        if excluded.node.value == Value::Null {
            return;
        }
        self.report(
            Finding::warning(
                format!("{path}.exclude_tools"),
                "`allowed_tools` and `exclude_tools` are both given",
            )
            .hint("a tool must pass both; one of the two lists is enough")
            .at(&excluded.key_origin),
        );
    }
}
