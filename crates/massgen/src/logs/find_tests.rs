use super::*;

/// A home and a project with runs.
struct Runs(tempfile::TempDir);

impl Runs {
    /// Runs with these attempts, each with a `status.json` or only begun.
    fn of(complete: &[&str], begun: &[&str]) -> Self {
        let runs = Self(tempfile::tempdir().unwrap());
        for attempt in complete {
            let folder = runs.base().join(attempt);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("status.json"), "{}").unwrap();
        }
        for attempt in begun {
            fs_err::create_dir_all(runs.base().join(attempt)).unwrap();
        }
        runs
    }

    fn project(&self) -> PathBuf {
        fs_err::canonicalize(self.0.path()).unwrap()
    }

    fn base(&self) -> PathBuf {
        self.project().join(".massgen/massgen_logs")
    }

    fn environment(&self) -> Environment {
        let mut environment = Environment::of(&[]);
        environment.working_directory = self.project();
        environment
    }

    /// The attempt that `log_dir` means, seen from the folder of logs.
    fn find(&self, log_dir: &str) -> Option<String> {
        let found = attempt(Path::new(log_dir), &self.environment()).ok()?;
        assert_eq!(found.folder.parent(), Some(found.root.join(format!("turn_{}", found.turn)).as_path()));
        Some(found.folder.strip_prefix(self.base()).unwrap().display().to_string())
    }
}

#[test]
fn the_newest_attempt_of_the_newest_turn_is_meant() {
    let runs = Runs::of(
        &[
            "log_1/turn_1/attempt_1",
            "log_1/turn_2/attempt_1",
            "log_1/turn_10/attempt_2",
            "log_1/turn_10/attempt_10",
        ],
        // Nothing is known of these yet, or they are no turns and attempts.
        &["log_1/turn_11", "log_1/turn_10/attempt_11", "log_1/turn_10/final", "log_1/turn_x"],
    );
    for stranger in ["turn_012", "turn_+13", "turn_0", "turn_9999999999", "turn_10/attempt_011"] {
        let folder = runs.base().join("log_1").join(stranger).join("attempt_1");
        for folder in [&folder, folder.parent().unwrap()] {
            fs_err::create_dir_all(folder).unwrap();
            fs_err::write(folder.join("status.json"), "{}").unwrap();
        }
    }
    let newest = Some("log_1/turn_10/attempt_10".to_owned());
    for log_dir in ["latest", "log_1", "1", "log_1/turn_10", "log_1/turn_2/../turn_10"] {
        assert_eq!(runs.find(log_dir), newest, "{log_dir}");
    }
    assert_eq!(runs.find("log_1/turn_2").as_deref(), Some("log_1/turn_2/attempt_1"));
    assert_eq!(runs.find("log_1/turn_10/attempt_2").as_deref(), Some("log_1/turn_10/attempt_2"));
    for nothing in ["log_1/turn_11", "log_1/turn_10/attempt_11", "log_1/turn_012", "log_1/turn_0", "log_2"] {
        assert_eq!(runs.find(nothing), None, "{nothing}");
    }
}

#[test]
fn a_turn_without_files_gives_way_to_the_one_before_and_a_run_without_them_too() {
    let runs = Runs::of(
        &["log_1/turn_1/attempt_1", "log_2/turn_1/attempt_1"],
        &["log_2/turn_2/attempt_1", "log_3/turn_1/attempt_1"],
    );
    assert_eq!(runs.find("latest").as_deref(), Some("log_2/turn_1/attempt_1"));
    let names: Vec<String> = super::runs(&runs.environment()).iter().map(|root| name(root)).collect();
    assert_eq!(names, ["log_3", "log_2", "log_1"]);
}
