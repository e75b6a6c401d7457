//! Tool calls out of their fragments.
//!
//! The protocol tells parallel calls apart by `index`. Servers leave it out, use one index for all calls, give no id,
//! or a fresh id with every fragment; what a fragment belongs to is decided here, once, for all of them.

use std::collections::{BTreeSet, HashMap};

use massgen_protocol::CallId;
use massgen_protocol::message::ToolCall;
use serde_json::{Map, Value};

/// A complete call with what the provider said besides.
#[derive(Debug, PartialEq)]
pub(super) struct Assembled {
    pub(super) call: ToolCall,
    /// Fields that the protocol does not know, for the way back.
    pub(super) extra: Map<String, Value>,
}

/// The calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: Vec<Open>,
    /// The last call of each index.
    by_index: HashMap<u64, usize>,
    /// The calls that have each id now.
    by_id: HashMap<String, BTreeSet<usize>>,
}

#[derive(Debug, Default)]
struct Open {
    id: String,
    name: String,
    arguments: Arguments,
    extra: Map<String, Value>,
}

impl Calls {
    /// Takes one entry of `tool_calls` and gives the arguments that it adds.
    pub(super) fn fragment(&mut self, mut fragment: Map<String, Value>) -> String {
        let index = fragment.remove("index").and_then(|index| index.as_u64());
        let id = match fragment.remove("id") {
            Some(Value::String(id)) if id != "null" => id,
            Some(Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        let mut function = match fragment.remove("function") {
            Some(Value::Object(function)) => function,
            _ => Map::new(),
        };
        let name = match function.remove("name") {
            Some(Value::String(name)) => name,
            _ => String::new(),
        };
        let arguments = match function.remove("arguments") {
            Some(Value::String(text)) => text,
            None | Some(Value::Null) => String::new(),
            Some(whole) => whole.to_string(),
        };
        let at = self.owner(index, &id, &name, &arguments);
        self.rename(at, id);
        let call = self.at(at);
        if !name.is_empty() {
            call.name = name;
        }
        call.arguments.push(&arguments);
        if fragment.get("type").is_some_and(|kind| kind == "function") {
            fragment.remove("type");
        }
        call.extra.extend(fragment.into_iter().filter(|(_, value)| !value.is_null()));
        arguments
    }

    /// The call that a fragment continues, or a new one.
    fn owner(&mut self, index: Option<u64>, id: &str, name: &str, arguments: &str) -> usize {
        let other_id = |call: &Open| !id.is_empty() && !call.id.is_empty() && call.id != id;
        let continues = |call: &Open| match index {
            // Only a fragment that calls itself otherwise can begin another call under the same index.
            Some(_) if !other_id(call) => !call.is_followed_by(name, arguments),
            Some(_) => !call.ends_before(name),
            None => (name.is_empty() && arguments.is_empty()) || !call.ends_before(name),
        };
        let candidate = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => match self.by_id.get(id).and_then(BTreeSet::last) {
                Some(same) => return *same,
                None => self.open.len().checked_sub(1),
            },
        };
        let known = candidate.filter(|at| self.open.get(*at).is_some_and(continues));
        known.unwrap_or_else(|| {
            let at = self.open.len();
            self.open.push(Open::default());
            if let Some(index) = index {
                self.by_index.insert(index, at);
            }
            at
        })
    }

    /// Gives a call the id that a fragment of it tells, if it tells one.
    fn rename(&mut self, at: usize, id: String) {
        let call = self.at(at);
        if id.is_empty() || call.id == id {
            return;
        }
        let before = std::mem::replace(&mut call.id, id.clone());
        if let Some(calls) = self.by_id.get_mut(&before) {
            calls.remove(&at);
            if calls.is_empty() {
                self.by_id.remove(&before);
            }
        }
        self.by_id.entry(id).or_default().insert(at);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "callers found the position in this list, which never shrinks"
    )]
    fn at(&mut self, position: usize) -> &mut Open {
        &mut self.open[position]
    }

    /// The calls in the order of their first fragments, each with an id of its own, or what is wrong with them. An id
    /// that is missing or taken is made from the number of the model call.
    pub(super) fn finish(self, call_id: CallId) -> Result<Vec<Assembled>, String> {
        let mut calls: Vec<Assembled> = Vec::with_capacity(self.open.len());
        // The first call of each id.
        let mut firsts: HashMap<String, usize> = HashMap::with_capacity(self.open.len());
        for (position, open) in self.open.into_iter().enumerate() {
            if open.name.is_empty() {
                return Err("a tool call without a name".to_owned());
            }
            let arguments = open.arguments.finish();
            let twin = firsts.get(&open.id).and_then(|at| calls.get(*at));
            if twin.is_some_and(|known| known.call.name == open.name && known.call.arguments == arguments) {
                continue;
            }
            let id = if open.id.is_empty() || twin.is_some() {
                format!("{call_id}-tool-{position}")
            } else {
                open.id
            };
            firsts.entry(id.clone()).or_insert(calls.len());
            let call = ToolCall { id, name: open.name, arguments };
            calls.push(Assembled { call, extra: open.extra });
        }
        Ok(calls)
    }
}

impl Open {
    /// Whether a fragment without another id, that names `name`, begins the next call.
    fn is_followed_by(&self, name: &str, arguments: &str) -> bool {
        self.arguments.is_complete() && !name.is_empty() && (self.name != name || !arguments.is_empty())
    }

    /// Whether a fragment that names `name` cannot belong to this call any more.
    fn ends_before(&self, name: &str) -> bool {
        let renames = !name.is_empty() && !self.name.is_empty();
        self.arguments.is_complete() || (renames && (self.name != name || self.arguments.text.is_empty()))
    }
}

/// Arguments as they arrive, with the state of a scanner that knows when their object closes.
#[derive(Debug, Default)]
struct Arguments {
    text: String,
    depth: u32,
    in_string: bool,
    escaped: bool,
    closed: bool,
}

impl Arguments {
    fn push(&mut self, fragment: &str) {
        // Some servers send `null` before the first real fragment.
        if self.text == "null" && !fragment.is_empty() {
            self.text.clear();
        }
        for byte in fragment.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => self.depth += 1,
                b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed |= self.depth == 0;
                }
                _ => {}
            }
        }
        self.text.push_str(fragment);
    }

    fn is_complete(&self) -> bool {
        self.closed
    }

    fn finish(self) -> String {
        let blank = matches!(self.text.trim(), "" | "null");
        if blank { "{}".to_owned() } else { self.text }
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
