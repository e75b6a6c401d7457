//! Which skills are offered.

use fs_err::os::unix::fs::symlink;
use tempfile::TempDir;

use super::*;

/// A project and a home folder.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project/.git", "project/part", "home"] {
            fs_err::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        fs_err::canonicalize(self.folder.path()).unwrap().join(path)
    }

    /// Adds a skill in the folder `path`, which says that it comes from there.
    fn skill(&self, path: &str, name: &str) {
        self.file(path, &format!("---\nname: {name}\ndescription: from {path}\n---\n"));
    }

    fn file(&self, path: &str, text: &str) {
        fs_err::create_dir_all(self.at(path)).unwrap();
        fs_err::write(self.at(path).join(FILE), text).unwrap();
    }

    fn trusting(&self, project: &str) -> Trusted {
        let mut trusted = Trusted::default();
        trusted.trust_project(&self.at(project));
        trusted
    }

    fn discover(&self, configured: Option<&str>, trusted: &Trusted) -> Skills {
        let (working_directory, home) = (self.at("project/part"), self.at("home"));
        let configured = configured.map(|folder| self.at(folder));
        let places = Places {
            working_directory: &working_directory,
            configured: configured.as_deref(),
            home: Some(&home),
            shipped: &[],
            earlier: &[],
        };
        discover(places, trusted)
    }

    /// Name, place and origin of what is found in a project that is trusted, and the warnings.
    fn found(&self) -> (Vec<String>, Vec<String>) {
        let trusted = self.trusting("project");
        self.shown(self.discover(None, &trusted))
    }

    fn shown(&self, skills: Skills) -> (Vec<String>, Vec<String>) {
        let base = self.at("").display().to_string();
        let short = |text: String| text.replace(&base, "");
        let line =
            |skill: &Skill| short(format!("{} {} {:?}", skill.name, skill.path.display(), skill.origin));
        (skills.found.iter().map(line).collect(), skills.warnings.into_iter().map(short).collect())
    }
}

#[test]
fn the_nearest_folder_of_the_project_wins_then_the_user() {
    let world = World::new();
    world.skill("home/.claude/skills/one", "one");
    world.skill("home/.agents/skills/mine", "mine");
    world.skill("project/.claude/skills/one", "ONE");
    world.skill("project/.agent/skills/b", "b");
    world.skill("project/.agents/skills/a", "a");
    world.skill("project/part/.claude/skills/b", "b");
    let (found, warnings) = world.found();
    assert_eq!(
        found,
        [
            "b project/part/.claude/skills/b Project",
            "a project/.agents/skills/a Project",
            "ONE project/.claude/skills/one Project",
            "mine home/.agents/skills/mine User",
        ]
    );
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn skills_of_a_project_that_is_not_trusted_are_counted_and_not_read() {
    let world = World::new();
    world.skill("home/.agent/skills/mine", "mine");
    world.file("project/.claude/skills/bad", "---\nname: evil\n");
    world.skill("project/part/.agents/skills/other", "other");
    let (found, warnings) = world.shown(world.discover(None, &Trusted::default()));
    assert_eq!(found, ["mine home/.agent/skills/mine User"]);
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn what_is_no_skill_is_told_and_the_rest_is_found() {
    let world = World::new();
    let skills = "project/.agents/skills";
    world.skill(&format!("{skills}/good"), "good");
    world.file(&format!("{skills}/headless"), "# Title\n");
    world.file(&format!("{skills}/huge"), &"x".repeat(limits::SKILL_FILE_BYTES + 1));
    fs_err::create_dir_all(world.at(skills).join("folder").join(FILE)).unwrap();
    fs_err::create_dir_all(world.at(skills).join("empty")).unwrap();
    fs_err::write(world.at(skills).join("README.md"), "x").unwrap();
    world.skill("elsewhere/linked", "linked");
    symlink(world.at("elsewhere/linked"), world.at(skills).join("linked")).unwrap();
    fs_err::create_dir_all(world.at(skills).join("leak")).unwrap();
    symlink(world.at("elsewhere/linked").join(FILE), world.at(skills).join("leak").join(FILE)).unwrap();
    let (found, warnings) = world.found();
    assert_eq!(found, ["good project/.agents/skills/good Project"]);
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn links_in_the_folders_of_the_user_are_followed_and_a_skill_is_found_once() {
    let world = World::new();
    world.skill("home/.agents/skills/one", "one");
    world.skill("elsewhere/two", "two");
    fs_err::create_dir_all(world.at("home/.claude")).unwrap();
    symlink("../.agents/skills", world.at("home/.claude/skills")).unwrap();
    symlink(world.at("elsewhere/two"), world.at("home/.agents/skills/two")).unwrap();
    let (found, warnings) = world.found();
    assert_eq!(found, ["one home/.agents/skills/one User", "two elsewhere/two User"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn a_folder_that_the_configuration_names_comes_first_and_needs_trust_if_it_is_the_projects() {
    let world = World::new();
    world.skill("project/shared/a", "a");
    world.skill("project/.agents/skills/a", "a");
    world.skill("elsewhere/a", "a");
    let trusted = world.trusting("project");
    let found = |configured: &str, trusted: &Trusted| world.shown(world.discover(Some(configured), trusted));
    assert_eq!(found("project/shared", &trusted).0, ["a project/shared/a Project"]);
    assert_eq!(found("elsewhere", &trusted).0, ["a elsewhere/a User"]);
    let nobody = Trusted::default();
    assert_eq!(found("project/shared", &nobody).0, [""; 0]);
    assert_eq!(found("elsewhere", &nobody).0, ["a elsewhere/a User"]);
    assert_eq!(found("gone", &trusted).1, ["the skill folder `gone` cannot be used: it is not there"]);
}

#[test]
fn in_the_home_folder_there_are_the_skills_of_the_user_only() {
    let world = World::new();
    world.skill("home/.agents/skills/one", "one");
    world.skill("elsewhere/two", "two");
    let (home, elsewhere) = (world.at("home"), world.at("elsewhere"));
    let places = Places {
        working_directory: &home,
        configured: Some(&elsewhere),
        home: Some(&home),
        shipped: &[],
        earlier: &[],
    };
    let (found, warnings) = world.shown(discover(places, &Trusted::default()));
    assert_eq!(found, ["two elsewhere/two User", "one home/.agents/skills/one User"]);
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn there_are_so_many_skills_and_no_more() {
    let world = World::new();
    for number in 0..=limits::SKILLS {
        world.skill(&format!("home/.agents/skills/s{number}"), &format!("s{number}"));
    }
    world.skill("home/.claude/skills/one", "one");
    let (found, warnings) = world.found();
    assert_eq!((found.len(), warnings.len()), (limits::SKILLS, 2));
    assert!(warnings[0].ends_with("it has more than 256 entries; the rest is left out"), "{warnings:?}");
    assert!(warnings[1].ends_with("there are 256 skills already"), "{warnings:?}");
}
