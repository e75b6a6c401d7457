use std::os::unix::fs::{PermissionsExt, symlink};

use massgen_protocol::tooling::HookFailure;
use massgen_protocol::workspace::{ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec};
use massgen_workspace::access::Contexts;

use super::*;

/// A project with programs, and an agent that may write to `given` of it.
struct Project {
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        for file in [
            "p/hooks/check.sh",
            "p/hooks/check.py",
            "p/check.sh",
            "p/check.py",
            "p/src/rules.py",
            "p/.massgen/own.sh",
            "other/check.sh",
        ] {
            let file = root.join(file);
            fs_err::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs_err::write(&file, "").expect("written");
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("set");
        }
        for name in ["p/.massgen/ws", "peers"] {
            fs_err::create_dir_all(root.join(name)).expect("made");
        }
        symlink("../other/check.sh", root.join("p/link.sh")).expect("linked");
        Self { root, _folder: folder }
    }

    fn managed(&self, given: &str) -> Managed {
        let name = |name: &str| self.root.join(name).display().to_string();
        let spec = WorkspaceSpec {
            folder: name("p/.massgen/ws"),
            peers: name("peers"),
            contexts: vec![ContextPath { path: name(given), access: Access::Write, protected: Vec::new() }],
            isolation: Isolation::Direct,
            drift: DriftPolicy::Skip,
            deletion: Deletion::AfterReading,
        };
        let managed = Managed::of(&spec, Contexts::AsWritten).expect("all are there");
        managed.with_hidden(&self.root.join("p/.massgen"))
    }

    fn told(&self, guarded: &Guarded, given: &str) -> String {
        match guarded.place(&self.managed(given)) {
            Place::OutOfReach => "out of reach".to_owned(),
            Place::Kept(path) => {
                format!("kept {}", path.strip_prefix(&self.root).expect("inside").display())
            }
            Place::Open => "open".to_owned(),
        }
    }
}

#[test]
fn programs_are_kept_with_what_lies_beside_them_or_are_out_of_reach_or_the_run_does_not_begin() {
    let project = Project::new();
    for (file, given, of_a_hook, of_a_tool) in [
        ("p/hooks/check.sh", "p", "kept p/hooks", "kept p/hooks"),
        ("p/hooks/check.py", "p", "kept p/hooks", "kept p/hooks"),
        // The folder beside is all that was given: a script stands for itself, Python looks beside it.
        ("p/check.sh", "p", "kept p/check.sh", "kept p/check.sh"),
        ("p/check.py", "p", "open", "kept p/check.py"),
        ("p/hooks/check.sh", "p/hooks", "kept p/hooks/check.sh", "kept p/hooks/check.sh"),
        ("p/hooks/check.sh", "p/src", "out of reach", "out of reach"),
        ("p/.massgen/own.sh", "p", "out of reach", "out of reach"),
        ("other/check.sh", "p", "out of reach", "out of reach"),
        // The agent could put another link there.
        ("p/link.sh", "p", "open", "out of reach"),
    ] {
        let place = |rights| {
            let guarded = Guarded::new("a hook", project.root.join(file), rights);
            project.told(&guarded, given)
        };
        assert_eq!(place(Rights::OfTheUser), of_a_hook, "{file} with {given}");
        assert_eq!(place(Rights::Confined), of_a_tool, "{file} with {given}");
    }
}

#[test]
fn functions_are_guarded_with_all_places_where_their_modules_are_looked_for() {
    let project = Project::new();
    let handler = HookHandler::Python {
        function: "src.rules.before".to_owned(),
        folder: project.root.join("p").display().to_string(),
    };
    let hook = Hook {
        matcher: "*".to_owned(),
        handler,
        time: std::time::Duration::from_secs(1),
        on_failure: HookFailure::Allow,
    };
    let guarded = of_hook(&hook, &project.root, OsStr::new("")).remove(0);
    assert_eq!(guarded.file, project.root.join("p/src/rules.py"));
    assert_eq!(project.told(&guarded, "p"), "open");
    assert_eq!(project.told(&guarded, "p/src"), "open");
    assert_eq!(project.told(&guarded, "p/hooks"), "out of reach");
}

#[test]
fn all_files_that_a_command_names_are_guarded_and_its_program_wherever_it_is_found() {
    let project = Project::new();
    let command = ["check.sh", "hooks/check.py", "--strict", "hooks", "gone.sh"].map(str::to_owned);
    let search = project.root.join("other");
    let files = files_of(&command, &project.root.join("p"), search.as_os_str());
    assert_eq!(files, [search.join("check.sh"), project.root.join("p/hooks/check.py")]);
}
