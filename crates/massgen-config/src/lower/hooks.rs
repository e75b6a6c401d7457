//! Programs that are asked before and told after calls of tools (`hooks`).

use std::time::Duration;

use massgen_protocol::tooling::{Hook, HookFailure, HookHandler, Hooks};

use super::Lower;
use super::custom::is_identifier;
use super::servers::{script_of, seconds};
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::hint::nearest;
use crate::needed::{Needed, NeededKind};
use crate::node::{Entry, Node, Value};

/// Keys of one hook.
const KEYS: &[&str] = &["handler", "matcher", "type", "timeout", "fail_closed"];

/// How long a hook may take when it does not say.
const TIME: Duration = Duration::from_secs(30);

/// What runs scripts of Python.
const PYTHON: &str = "python3";

/// What a hook looks like.
const EXAMPLE: &str = "for example `{handler: checks.before, matcher: \"write_*\", timeout: 30}`";

/// The hooks of one moment as one place names them.
#[derive(Default)]
struct Moment {
    hooks: Vec<Hook>,
    /// Whether they take the place of those of all agents (`override`).
    alone: bool,
}

impl Lower<'_> {
    /// The hooks of the agent whose `backend` is `node`: those of all agents (`common`) first, then its own.
    pub(super) fn hooks(
        &mut self,
        node: &Node,
        path: &str,
        common: Option<&Node>,
        needed: &mut Vec<Needed>,
    ) -> Hooks {
        let mut of = |moment: &str| {
            let all = self.moment(common, "hooks", moment, needed);
            let own = self.moment(node.get("hooks"), &join(path, "hooks"), moment, needed);
            let mut hooks = if own.alone { Vec::new() } else { all.hooks };
            hooks.extend(own.hooks);
            hooks
        };
        Hooks { before: of("PreToolUse"), after: of("PostToolUse") }
    }

    fn moment(&mut self, hooks: Option<&Node>, path: &str, name: &str, needed: &mut Vec<Needed>) -> Moment {
        let Some(node) = hooks.and_then(|hooks| hooks.get(name)) else { return Moment::default() };
        let path = join(path, name);
        let mut alone = false;
        let list = match &node.value {
            Value::List(list) => list.as_slice(),
            Value::Map(entries) => {
                for entry in entries {
                    self.group_key(&path, entry);
                }
                alone = node.get("override").and_then(Node::bool) == Some(true);
                node.get("hooks").and_then(Node::list).unwrap_or_default()
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => &[],
        };
        let mut hooks = Vec::new();
        for (i, node) in list.iter().enumerate() {
            hooks.extend(self.hook(&format!("{path}[{i}]"), node, needed));
        }
        Moment { hooks, alone }
    }

    fn group_key(&mut self, path: &str, entry: &Entry) {
        let place = join(path, &entry.key);
        let (wanted, hint) = match (entry.key.as_str(), &entry.node.value) {
            ("override", Value::Bool(_) | Value::Null) | ("hooks", Value::List(_)) => return,
            ("override", _) => ("`override` must be `true` or `false`", "for example `override: true`"),
            ("hooks", _) => ("`hooks` must be a list", "for example `hooks: [{handler: checks.before}]`"),
            _ => ("the map around hooks has only `override` and `hooks`", "remove it"),
        };
        self.report(Finding::error(place, wanted).hint(hint).at(&entry.key_origin));
    }

    fn hook(&mut self, path: &str, node: &Node, needed: &mut Vec<Needed>) -> Option<Hook> {
        let Value::Map(entries) = &node.value else {
            self.report(
                Finding::error(path, format!("a hook must be a map, not {}", node.describe()))
                    .hint("for example `{handler: checks.before, matcher: \"write_*\"}`")
                    .at(&node.origin),
            );
            return None;
        };
        let mut is_right = true;
        for entry in entries {
            is_right &= self.is_hook_key(path, entry);
        }
        let at = join(path, "handler");
        let Some(written) = node.get("handler") else {
            self.report(
                Finding::error(at, "the hook has no `handler`")
                    .hint("write `module.function` or the path of a script")
                    .at(&node.origin),
            );
            return None;
        };
        let handler = match node.get("type").and_then(Node::text) {
            Some("command") => self.command_handler(written, &at, needed)?,
            _ => self.python_handler(written, &at, needed)?,
        };
        let fails_closed = node.get("fail_closed").and_then(Node::bool) == Some(true);
        is_right.then(|| Hook {
            matcher: node.get("matcher").and_then(Node::text).unwrap_or("*").to_owned(),
            handler,
            time: seconds(node.get("timeout")).unwrap_or(TIME),
            on_failure: if fails_closed { HookFailure::Deny } else { HookFailure::Allow },
        })
    }

    /// Whether a key of a hook and its value are right.
    fn is_hook_key(&mut self, path: &str, entry: &Entry) -> bool {
        let node = &entry.node;
        let wanted = match (entry.key.as_str(), &node.value) {
            (_, Value::Null) | ("handler" | "matcher", Value::Text(_)) | ("fail_closed", Value::Bool(_)) => {
                return true;
            }
            ("handler", Value::List(items)) if items.iter().all(|item| item.text().is_some()) => return true,
            ("type", _) if matches!(node.text(), Some("python" | "command")) => return true,
            ("timeout", _) if node.number().is_some_and(|seconds| seconds > 0.0) => return true,
            ("handler" | "matcher", _) => "a text",
            ("fail_closed", _) => "`true` or `false`",
            ("type", _) => "`python` or `command`",
            ("timeout", _) => "a number of seconds above 0",
            _ => {
                let hint = nearest(&entry.key, KEYS.iter().copied()).map_or_else(
                    || format!("keys here are `{}`", KEYS.join("`, `")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("unknown key `{}` in a hook", shortened(&entry.key));
                self.report(Finding::error(join(path, &entry.key), message).hint(hint).at(&entry.key_origin));
                return false;
            }
        };
        if node.text().is_some_and(|text| self.waits(text)) {
            return true;
        }
        let message = format!("`{}` must be {wanted}, not {}", entry.key, node.describe());
        self.report(Finding::error(join(path, &entry.key), message).hint(EXAMPLE).at(&node.origin));
        false
    }

    /// A function of a module, or a script.
    fn python_handler(
        &mut self,
        written: &Node,
        path: &str,
        needed: &mut Vec<Needed>,
    ) -> Option<HookHandler> {
        let Some(text) = written.text().map(str::trim) else {
            if let Value::List(_) = written.value {
                self.report(
                    Finding::error(path, "a list is a command, and this hook is of the type `python`")
                        .hint("write `type: command` beside it")
                        .at(&written.origin),
                );
            }
            return None;
        };
        if self.waits(text) {
            return None;
        }
        if text.contains('/') || std::path::Path::new(text).extension().is_some_and(|end| end == "py") {
            if let Some(ending) = std::path::Path::new(text).extension().filter(|ending| *ending != "py") {
                let ending = shortened(&ending.to_string_lossy());
                let message = format!(
                    "a hook of the type `python` is run by Python, and this file ends in `.{ending}`"
                );
                self.report(
                    Finding::error(path, message).hint("write `type: command` beside it").at(&written.origin),
                );
                return None;
            }
            let script = self.needed_script(text, written, (path, NeededKind::Hook), needed);
            return Some(HookHandler::Command { command: vec![PYTHON.to_owned(), script] });
        }
        let parts: Vec<_> = text.split('.').collect();
        if parts.len() < 2 || !parts.iter().all(|part| is_identifier(part)) {
            let message = format!("`{}` names no function", shortened(text));
            self.report(
                Finding::error(path, message)
                    .hint("write `module.function`, the path of a script, or `type: command` beside it")
                    .at(&written.origin),
            );
            return None;
        }
        let folder = self.by.working_directory.to_string_lossy().into_owned();
        let module = parts.split_last().map(|(_, module)| module.join("/")).unwrap_or_default();
        self.needed_script(&format!("{module}.py"), written, (path, NeededKind::HookModule), needed);
        Some(HookHandler::Python { function: text.to_owned(), folder })
    }

    fn command_handler(
        &mut self,
        written: &Node,
        path: &str,
        needed: &mut Vec<Needed>,
    ) -> Option<HookHandler> {
        if written.text().is_some_and(|text| self.waits(text)) {
            return None;
        }
        let mut command = self.words(Some(written), path)?;
        let Some(program) = command.first_mut().filter(|program| !program.is_empty()) else {
            let hint = "for example `{type: command, handler: ./check.sh}`";
            self.report(Finding::error(path, "the command is empty").hint(hint).at(&written.origin));
            return None;
        };
        if program.contains('/') {
            *program = self.needed_script(program, written, (path, NeededKind::HookProgram), needed);
        } else if let Some(script) = script_of(&command).filter(|script| !script.contains("${")) {
            self.needed_script(script, written, (path, NeededKind::Hook), needed);
        }
        Some(HookHandler::Command { command })
    }

    fn needed_script(
        &self,
        text: &str,
        written: &Node,
        (path, kind): (&str, NeededKind),
        needed: &mut Vec<Needed>,
    ) -> String {
        let absolute = self.by.absolute(text);
        let is_known = |known: &Needed| known.at == path;
        // Hooks of all agents are lowered once for each.
        if !needed.iter().any(is_known) {
            needed.push(Needed {
                path: absolute.clone().into(),
                at: path.to_owned(),
                origin: written.origin.clone(),
                kind,
            });
        }
        absolute
    }
}
