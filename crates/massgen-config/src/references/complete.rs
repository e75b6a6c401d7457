//! Completion of `@path` while a question is being typed.

use super::{LONGEST, PathKind, PathProbe, absolute};

/// Most completions that are offered for one reference.
pub const COMPLETIONS: usize = 100;

/// Where in `text`, which ends at the cursor, the reference begins that is still being typed: the byte of its `@`.
pub fn unfinished(text: &str) -> Option<usize> {
    let is_start = |at: usize| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c == '\\' || super::is_part_of_a_word(c))
    };
    let quoted = text.rfind("@\"").filter(|at| is_start(*at));
    if let Some(at) = quoted
        && let Some(inside) = text.get(at + 2..)
        && !inside.contains(['"', '\n'])
    {
        return Some(at);
    }
    let at = text.rfind('@').filter(|at| is_start(*at))?;
    let token = text.get(at + 1..)?;
    let is_open = !token.contains(|c: char| c.is_whitespace() || ",;!?)}]>:\"".contains(c));
    (is_open && token.len() <= LONGEST).then_some(at)
}

/// What `reference`, an `@` and what is typed behind it, may become: folders with a slash, files, and files with `:w`. In
/// order of their names; hidden ones only when a dot is typed.
pub fn complete(reference: &str, probe: &dyn PathProbe) -> Vec<String> {
    let Some(typed) = reference.strip_prefix('@') else {
        return Vec::new();
    };
    let typed = typed.strip_prefix('"').unwrap_or(typed);
    let (folder, start) = typed
        .rsplit_once('/')
        .map_or(("", typed), |(folder, start)| (typed.get(..=folder.len()).unwrap_or_default(), start));
    let mut entries = probe.entries(&absolute(folder, probe));
    entries.retain(|(name, _)| {
        name.starts_with(start)
            && (start.starts_with('.') || !name.starts_with('.'))
            && !name.contains(['"', '\n'])
    });
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let offered = entries.iter().flat_map(|(name, kind)| {
        let path = format!("{folder}{name}");
        let is_quoted = reference.starts_with("@\"") || !super::is_bare(&path);
        let written = |path: &str| if is_quoted { format!("@\"{path}\"") } else { format!("@{path}") };
        match kind {
            // More is typed behind a folder, so its quotes stay open.
            PathKind::Folder if is_quoted => vec![format!("@\"{path}/")],
            PathKind::Folder => vec![format!("@{path}/")],
            PathKind::File => vec![written(&path), format!("{}:w", written(&path))],
        }
    });
    offered.take(COMPLETIONS).collect()
}
