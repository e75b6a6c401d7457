//! The judgement of a configuration: for a run, and for a person who wants to know whether it is right.

use std::fmt;
use std::path::Path;

use crate::backends::Backends;
use crate::check::{self, Checking, Lookup, Purpose, UnknownKeys};
use crate::finding::{ConfigError, Finding, Findings, Severity};
use crate::lower::{self, Lower, Lowered};
use crate::needed::{self, There};
use crate::node::{self, Node, Origin, Value};
use crate::registry::{self, Effect};
use crate::rules::rules;
use crate::secrets::Secrets;
use crate::source::Source;

/// Everything that is wrong with a configuration or worth knowing about it, whatever the machine is like.
///
/// Judged is the text as it stands: a variable that is not set, a key that is missing and a path that does not exist
/// are no findings. What is right but waits for a later version (a key, a backend type) is a notice here, though a run
/// refuses to start with such a type.
pub fn validate(source: &Source, backends: &Backends) -> Findings {
    let here = Here {
        environment: &|_| Some(String::new()),
        working_directory: Path::new("/"),
        there: &|_| There::Program,
    };
    validate_here(source, backends, &here)
}

/// The machine on which a configuration is checked.
pub struct Here<'a> {
    /// Its environment.
    pub environment: Lookup<'a>,
    /// Where a run would be started: short names are seen from there.
    pub working_directory: &'a Path,
    /// What there is at a path.
    pub there: &'a dyn Fn(&Path) -> There,
}

impl fmt::Debug for Here<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Here").field("working_directory", &self.working_directory).finish_non_exhaustive()
    }
}

/// The same for a person at this machine. Each variable that is not set there, and that a run needs, is a notice; it is no
/// more than that, because a key is often set where the run is. Files of the user that a run needs are
/// warnings when they are missing, for the same reason; all else that is missing is told as a run tells it.
pub fn validate_here(source: &Source, backends: &Backends, here: &Here<'_>) -> Findings {
    let mut root = match read(source) {
        Ok(root) => root,
        Err(findings) => return findings,
    };
    let secrets = Secrets::of(&root);
    let mut findings = Vec::new();
    let by = Checking {
        lookup: &|_| None,
        working_directory: here.working_directory,
        instance: None,
        backends,
        unknown: UnknownKeys::Refused,
        purpose: Purpose::Judge { environment: here.environment },
    };
    let mut lowered = examine(&mut root, by, &mut findings);
    findings.extend(needed::missing(&lowered.needed, &mut lowered.agents, here.there, Severity::Warning));
    Findings::new(findings, Some(source), &secrets)
}

/// Whether a file of this name can be a configuration.
///
/// # Errors
/// When its name does not end in `.yaml`, `.yml` or `.json`.
pub fn check_file_name(path: &Path) -> Result<(), ConfigError> {
    let suffix = path.extension().map(|suffix| suffix.to_string_lossy().to_ascii_lowercase());
    match suffix.as_deref() {
        Some("yaml" | "yml" | "json") => Ok(()),
        Some(_) | None => Err(ConfigError::Suffix { name: path.to_string_lossy().into_owned() }),
    }
}

/// Reads the text of a configuration into a map.
pub(crate) fn read(source: &Source) -> Result<Node, Findings> {
    let root = node::parse(source).map_err(|error| {
        Findings::new(vec![unreadable(error)], Some(source), &Secrets::of_unreadable(source.text()))
    })?;
    let refused = if root.entries().is_none() { Some(not_a_map(&root)) } else { old_format(&root) };
    match refused {
        Some(finding) => Err(Findings::new(vec![finding], Some(source), &Secrets::of(&root))),
        None => Ok(root),
    }
}

/// Checks every key, then what must hold between keys, then makes of it what can be made.
pub(crate) fn examine(root: &mut Node, by: Checking<'_>, findings: &mut Vec<Finding>) -> Lowered {
    findings.extend(check::check(root, by));
    let lowered = lower::lower(root, &mut Lower { by, findings });
    match by.unknown {
        UnknownKeys::Refused => rules(root, by.backends, findings),
        UnknownKeys::Tolerated => {}
    }
    lowered
}

/// The finding about a text that cannot be read.
pub(crate) fn unreadable(error: node::SyntaxError) -> Finding {
    let mut finding = Finding::error("file", error.message).hint(error.hint);
    finding.origin = error.span.map(Origin::File);
    finding
}

fn not_a_map(root: &Node) -> Finding {
    let message = match root.value {
        Value::Null => "the configuration is empty".to_owned(),
        _ => format!("a configuration is a map of keys, not {}", root.describe()),
    };
    Finding::error("root", message)
        .hint("for example `agents: [{id: a, backend: {type: simulated}}]`")
        .at(&root.origin)
}

/// A file of the format before agents were a list: nothing else in it is worth a finding.
fn old_format(root: &Node) -> Option<Finding> {
    let mut names = Vec::new();
    let mut first = None;
    for entry in root.entries().unwrap_or_default() {
        if let Some(key) = registry::key(&entry.key)
            && let Effect::Refused { use_instead } = key.effect
        {
            names.push(format!("`{}`", key.name()));
            first.get_or_insert((entry, use_instead));
        }
    }
    let (entry, use_instead) = first?;
    let message = format!("the file is in the format of an early MassGen, with {}", names.join(", "));
    let finding = Finding::error(&entry.key, message);
    Some(finding.hint(format!("it can no longer be read; use {use_instead}")).at(&entry.key_origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yaml_and_json_are_configurations() {
        for name in ["a.yaml", "b/a.yml", "A.YAML", "x.json"] {
            assert_eq!(check_file_name(Path::new(name)), Ok(()), "{name}");
        }
        for name in ["a.toml", "a", "a.yaml.bak", ".yaml"] {
            let error = check_file_name(Path::new(name)).unwrap_err();
            assert_eq!(error.to_string(), format!("`{name}` is neither YAML nor JSON by its name"));
        }
    }
}
