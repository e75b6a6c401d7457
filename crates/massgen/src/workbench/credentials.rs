//! Keys in the home folder of the user. Who opens a folder around them means the other files: agents see keys only where a
//! context path names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use massgen_protocol::spec::RunSpec;
use massgen_protocol::workspace::WorkspaceSpec;
use massgen_view::clean::clean_line;

/// Where programs keep keys, seen from the home folder. The guide of the sandbox lists the same.
const PLACES: [&str; 29] = [
    ".aws",
    ".azure",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".claude",
    ".claude.json",
    ".codex",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".config/github-copilot",
    ".config/glab-cli",
    ".config/hub",
    ".config/op",
    ".config/rclone",
    ".docker",
    ".gemini",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".local/share/keyrings",
    ".netrc",
    ".npmrc",
    ".password-store",
    ".pgpass",
    ".pypirc",
    ".ssh",
    ".terraform.d",
    ".vault-token",
];

/// Why an agent does not see one.
pub(super) const REASON: &str = "it holds keys";

/// Keys below `home` that an agent with `workspace` would see, because they lie in a context path and are none themselves.
/// They are there, and without links.
pub(super) fn within(workspace: &WorkspaceSpec, home: Option<&Path>) -> BTreeSet<PathBuf> {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    let contexts: Vec<PathBuf> =
        workspace.contexts.iter().filter_map(|context| real(Path::new(&context.path))).collect();
    let there = home.into_iter().flat_map(|home| PLACES.map(|place| home.join(place)));
    there
        .filter_map(|place| real(&place))
        .filter(|place| {
            contexts.iter().any(|context| place.starts_with(context)) && !contexts.contains(place)
        })
        .collect()
}

/// What people are to know of it.
pub(super) fn told(spec: &RunSpec, home: Option<&Path>) -> Option<String> {
    let workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_deref());
    let places: BTreeSet<PathBuf> = workspaces.flat_map(|workspace| within(workspace, home)).collect();
    let names: Vec<String> =
        places.iter().map(|place| format!("`{}`", clean_line(&place.display().to_string()))).collect();
    (!names.is_empty()).then(|| {
        format!(
            "agents do not see {}, where keys are; to show one to them, name it in `context_paths`",
            names.join(", ")
        )
    })
}
