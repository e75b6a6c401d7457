use std::os::unix::fs::{PermissionsExt, symlink};

use massgen_protocol::workspace::{
    ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};
use massgen_workspace::access::Contexts;
use massgen_workspace::changes::{Status, Text};
use massgen_workspace::{Digest, Mode};

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
            "p/package/__main__.py",
            "p/package/index.js",
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
            contexts: vec![ContextPath {
                path: name(given),
                access: Access::Write,
                kind: ContextKind::Folder,
                protected: Vec::new(),
            }],
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
    let guarded = of_function("src.rules.before", &project.root.join("p"));
    assert_eq!(guarded.file, project.root.join("p/src/rules.py"));
    assert_eq!(project.told(&guarded, "p"), "open");
    assert_eq!(project.told(&guarded, "p/src"), "open");
    assert_eq!(project.told(&guarded, "p/hooks"), "out of reach");
}

#[test]
fn all_files_that_a_command_names_are_guarded_and_its_program_wherever_it_is_found() {
    let project = Project::new();
    let search = project.root.join("other");
    let folder = project.root.join("p");
    let files = |words: &[&str]| {
        let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let seen = Seen { command: &command, folder: &folder, search_path: search.as_os_str() };
        let files = seen.files().into_iter().chain(seen.module().map(|name| file_of_module(name, &folder)));
        let name = |file: PathBuf| file.strip_prefix(&project.root).expect("inside").display().to_string();
        files.map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        files(&["check.sh", "hooks/check.py", "--strict", "hooks", "gone.sh"]),
        ["other/check.sh", "p/hooks/check.py"]
    );
    assert_eq!(
        files(&["sh", "-c", "x=1 sh 'hooks/check.sh'; . ./check.sh>&2"]),
        ["p/hooks/check.sh", "p/./check.sh"]
    );
    assert_eq!(files(&["tool", "--rules=src/rules.py"]), ["p/src/rules.py"]);
    assert_eq!(files(&["python3", "-B", "-m", "src.rules", "--strict"]), ["p/src/rules.py"]);
    assert_eq!(files(&["env", "/usr/bin/python3.12", "-m", "gone"]), ["p/gone.py"]);
    assert_eq!(files(&["tool", "-m", "src.rules"]), [""; 0]);
    for words in [&["python3", "-msrc.rules"][..], &["python3", "-W", "error", "-Bm", "src.rules"]] {
        assert_eq!(files(words), ["p/src/rules.py"]);
    }
    // What follows a script, or a program in one word, are its own words.
    assert_eq!(files(&["python3", "hooks/check.py", "-m", "src.rules"]), ["p/hooks/check.py"]);
    assert_eq!(files(&["python3", "-c", "pass", "-m", "src.rules"]), [""; 0]);
    for (words, file) in [
        (&["python3", "-B", "package"][..], "p/package/__main__.py"),
        (&["node", "--no-warnings", "package/"], "p/package/index.js"),
        (&["node", "package/index"], "p/package/index.js"),
        (&["env", "-C", "hooks", "./check.sh"], "p/hooks/./check.sh"),
        (&["env", "-Chooks", "./check.sh"], "p/hooks/./check.sh"),
        (&["env", "--chdir=hooks", "sh", "-c", "./check.sh"], "p/hooks/./check.sh"),
    ] {
        assert_eq!(files(words), [file], "{words:?}");
    }
    // A folder that a program works at is not run.
    assert_eq!(files(&["python3", "check.py", "package"]), ["p/check.py"]);
}

#[test]
fn what_a_program_starts_that_runs_others_is_known_or_told() {
    let project = Project::new();
    let folder = project.root.join("p");
    let told = |words: &[&str]| {
        let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut guards = Guards::default();
        let seen = Seen { command: &command, folder: &folder, search_path: OsStr::new("") };
        guards.add_hook(&seen);
        guards.unknown().collect::<Vec<_>>()
    };
    assert!(told(&["sh", "-c", "sh hooks/check.sh"]).is_empty());
    assert!(told(&["./check.sh", "-c", "x"]).is_empty());
    for known in [
        &["sh", "-c", "--", "hooks/check.sh"][..],
        &["bash", "hooks/check.sh"],
        &["python3", "package"],
        &["python3", "-mhooks.check"],
        &["env", "-C", "hooks", "./check.sh"],
        &["timeout", "5", "./check.sh"],
        &["jq", "."],
    ] {
        assert!(told(known).is_empty(), "{known:?}");
    }
    let unknown = [
        &["/bin/bash", "-ec", "cd hooks && ./lint.sh"][..],
        &["python3", "-c", "import hooks.check"],
        &["python3", "-m", "pytest"],
        &["make", "check"],
        &["env", "/usr/bin/make"],
        &["npm", "run", "check"],
    ];
    let unknown: Vec<String> = unknown.iter().flat_map(|words| told(words)).collect();
    insta::assert_snapshot!(unknown.join("\n"));
}

/// A change of `path`, which is a file or a link there now.
fn change(path: &str, after: Entry) -> FileChange {
    let path = TreePath::new(path).expect("a path");
    FileChange { status: Status::Added, path, from: None, before: None, after: Some(after), text: Text::Same }
}

#[test]
fn what_the_next_run_would_do_with_all_rights_is_not_taken_from_a_copy() {
    let project = Project::new();
    let target = project.root.join("p");
    let refused = |guarded: Guarded, path: &str, after: Entry| {
        let replies = BTreeSet::from([project.root.join("p/replies/perms.json")]);
        let guards = Guards { programs: vec![guarded], replies, ..Guards::default() };
        !guards.refused(&target, &[change(path, after)]).is_empty()
    };
    let at = |file: &str| Guarded::new("a hook", project.root.join(file), Rights::OfTheUser);
    let function = |name: &str| of_function(name, &project.root.join("p"));
    let file = || Entry::File { digest: Digest::of(b""), mode: Mode::Plain, size: 0 };
    for (guarded, path, is_refused) in [
        (at("p/hooks/check.sh"), "hooks/check.sh", true),
        (at("p/hooks/check.sh"), "hooks/lib.sh", true),
        (at("p/hooks/check.sh"), "hooks/deep/lib.sh", true),
        (at("p/hooks/check.sh"), "hooks2/lib.sh", false),
        // Beside it is the whole project.
        (at("p/check.sh"), "check.sh", true),
        (at("p/check.sh"), "lib.sh", false),
        (at("p/check.sh"), "lib.py", false),
        // What the link leads to is elsewhere, the link is not.
        (at("p/link.sh"), "link.sh", true),
        (at("p/check.py"), "colorsys.py", true),
        (function("check.before"), "colorsys.py", true),
        (function("check.before"), "colorsys.cpython-312-x86_64-linux-gnu.so", true),
        (function("check.before"), "colorsys/__init__.py", true),
        (function("check.before"), "__pycache__/check.cpython-312.pyc", true),
        (function("check.before"), "lib/colorsys.py", false),
        (function("check.before"), "notes.md", false),
        (function("src.rules.before"), "src/other.py", true),
        (function("src.rules.before"), "src/data.txt", true),
        (function("src.rules.before"), "colorsys.py", true),
        (at("other/check.sh"), "replies/perms.json", true),
        (at("other/check.sh"), "replies/other.json", false),
        // A link or file there would be the folder that replies are read from.
        (at("other/check.sh"), "replies", true),
    ] {
        assert_eq!(refused(guarded.clone(), path, file()), is_refused, "{guarded:?} {path}");
    }
    let link = || Entry::Link { target: b"lib/deep".to_vec() };
    assert!(refused(function("check.before"), "colorsys", link()));
    assert!(!refused(at("p/check.sh"), "colorsys", link()));
    // The configuration stands alone.
    let configuration = || Guarded::configuration(&project.root.join("p/ci/team.yaml"));
    assert!(refused(configuration(), "ci/team.yaml", file()));
    assert!(!refused(configuration(), "ci/other.yaml", file()));
    // In the sandbox, there is nothing to gain.
    let confined = Guarded::new("a tool server", project.root.join("p/hooks/check.sh"), Rights::Confined);
    assert!(!refused(confined, "hooks/check.sh", file()));
}

#[test]
fn a_program_that_is_found_by_its_name_is_not_taken_from_a_copy_wherever_it_would_be() {
    let project = Project::new();
    let folder = project.root.join("p");
    let refused = |command: &str, rights, path: &str, after: Entry| {
        let command = [command.to_owned()];
        let mut guards = Guards::default();
        guards.add(
            "a hook runs",
            &Seen { command: &command, folder: &folder, search_path: OsStr::new("") },
            rights,
        );
        !guards.refused(&folder, &[change(path, after)]).is_empty()
    };
    let file = |mode| Entry::File { digest: Digest::of(b""), mode, size: 0 };
    let program = || file(Mode::Executable);
    assert!(refused("mycheck", Rights::OfTheUser, "bin/mycheck", program()));
    assert!(refused("mycheck", Rights::OfTheUser, "bin/mycheck", Entry::Link { target: b"evil".to_vec() }));
    assert!(!refused("mycheck", Rights::OfTheUser, "src/mycheck", file(Mode::Plain)));
    assert!(!refused("mycheck", Rights::OfTheUser, "bin/other", program()));
    assert!(!refused("./mycheck", Rights::OfTheUser, "bin/mycheck", program()));
    assert!(!refused("mycheck", Rights::Confined, "bin/mycheck", program()));
}

#[test]
fn the_configuration_is_kept_alone_where_agents_write_to_the_project() {
    let project = Project::new();
    let file = |name: &str| Guarded::configuration(&project.root.join(name));
    assert_eq!(project.told(&file("p/hooks/check.sh"), "p"), "kept p/hooks/check.sh");
    assert_eq!(project.told(&file("p/.massgen/own.sh"), "p"), "out of reach");
    assert_eq!(project.told(&file("p/link.sh"), "p"), "open");
}
