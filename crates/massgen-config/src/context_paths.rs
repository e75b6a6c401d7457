//! Paths that agents are to see, as flags and questions put them into `orchestrator.context_paths`.

use std::path::{Path, PathBuf};

use massgen_protocol::plain;

use crate::node::{Node, Origin, Value};

/// Where they stand.
const PLACE: [&str; 2] = ["orchestrator", "context_paths"];

/// What may be done at a path. Writing is more than reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Reading.
    Read,
    /// Reading, and writing for the presenter.
    Write,
}

impl Permission {
    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A path that agents are to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextPath {
    /// The path, absolute.
    pub path: String,
    /// What may be done there.
    pub permission: Permission,
    /// What asks for it, as findings name it: `question`, or a flag with its dashes.
    pub flag: &'static str,
}

/// Adds `wanted`; if it is there, writing wins. What is no list is left to the check.
pub(crate) fn raise(root: &mut Node, wanted: &ContextPath, working_directory: &Path, home: Option<&str>) {
    let origin = Origin::Flag(wanted.flag);
    if root.at(&PLACE).is_none() {
        root.set(&PLACE, Value::List(Vec::new()), &origin);
    }
    let Some(Value::List(entries)) = at_mut(root, &PLACE).map(|node| &mut node.value) else {
        return;
    };
    let is_wanted = |entry: &Node| {
        let written = entry.get("path").and_then(Node::text);
        written.is_some_and(|written| absolute(written, working_directory, home) == Path::new(&wanted.path))
    };
    let text = |text: &str| Value::Text(text.to_owned());
    if let Some(entry) = entries.iter_mut().find(|entry| is_wanted(entry)) {
        let written = entry.get("permission").and_then(Node::text);
        let known =
            [Permission::Read, Permission::Write].into_iter().find(|known| written == Some(known.name()));
        let permission = wanted.permission.max(known.unwrap_or(Permission::Read));
        // What stands there already keeps its place in the file.
        if known != Some(permission) {
            entry.set(&["permission"], text(permission.name()), &origin);
        }
    } else {
        let mut entry = Node::new(Value::Map(Vec::new()), origin.clone());
        entry.set(&["path"], text(&wanted.path), &origin);
        entry.set(&["permission"], text(wanted.permission.name()), &origin);
        entries.push(entry);
    }
}

fn at_mut<'a>(root: &'a mut Node, path: &[&str]) -> Option<&'a mut Node> {
    path.iter().try_fold(root, |node, key| match &mut node.value {
        Value::Map(entries) => {
            entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
            None
        }
    })
}

/// A written path, from the root, without `.` and `..`.
pub(crate) fn absolute(written: &str, working_directory: &Path, home: Option<&str>) -> PathBuf {
    let path = match (written.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest.trim_start_matches('/')),
        (Some(_) | None, _) => working_directory.join(written),
    };
    plain(&path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::node::parse;
    use crate::source::Source;

    fn with(config: &str, paths: &[(&str, Permission)]) -> Value {
        let mut root = parse(&Source::new("c", config)).unwrap();
        for (path, permission) in paths {
            let wanted = ContextPath { path: (*path).to_owned(), permission: *permission, flag: "question" };
            raise(&mut root, &wanted, Path::new("/proj"), Some("/home"));
        }
        root.to_json()["orchestrator"]["context_paths"].clone()
    }

    #[test]
    fn paths_are_added_and_known_ones_only_gain_permission() {
        let entry = |path: &str, permission: &str| json!({ "path": path, "permission": permission });
        let (read, write) = (Permission::Read, Permission::Write);
        assert_eq!(
            with("{}", &[("/a", read), ("/b", write)]),
            json!([entry("/a", "read"), entry("/b", "write")])
        );
        assert_eq!(
            with("orchestrator: {context_paths: null}", &[("/a", read)]),
            json!([entry("/a", "read")])
        );
        let config = "orchestrator: {context_paths: [{path: ./src, permission: read}, {path: '~/n', permission: write}, {path: x}]}";
        assert_eq!(
            with(config, &[("/proj/src", write), ("/home/n", read), ("/proj/x", read)]),
            json!([entry("./src", "write"), entry("~/n", "write"), entry("x", "read")])
        );
        assert_eq!(with("orchestrator: {context_paths: text}", &[("/a", read)]), "text");
    }
}
