use super::super::dialogue::scripted::{Answer, Scripted};
use super::*;

/// A home and a project of their own.
fn surroundings(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Environment {
    let mut environment = Environment::of(variables);
    environment.home = Some(folder.path().join("home"));
    environment.working_directory = folder.path().join("work");
    fs_err::create_dir_all(&environment.working_directory).unwrap();
    environment
}

fn asked(environment: &Environment, answers: impl IntoIterator<Item = Answer>) -> (Result<u8, Stop>, String) {
    let mut dialogue = Scripted::new(answers);
    let outcome = ask(&mut dialogue, environment, Backends::built_in());
    (outcome, dialogue.finished())
}

#[test]
fn keys_are_saved_for_all_projects_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[("GROQ_API_KEY", "canary-old")]);
    let (outcome, transcript) = asked(
        &environment,
        [
            Answer::Picks(&["OpenAI", "Groq"]),
            Answer::Secret("canary-one $'\"\\"),
            Answer::Secret("canary-two"),
            Answer::Enter,
        ],
    );
    assert_eq!(outcome.unwrap(), 0);
    assert!(!transcript.contains("canary"), "{transcript}");
    insta::assert_snapshot!(transcript);
    let text = fs_err::read_to_string(folder.path().join("home/.config/massgen/.env")).unwrap();
    let read: Vec<_> = dotenvy::from_read_iter(text.as_bytes()).map(Result::unwrap).collect();
    let expected = [("OPENAI_API_KEY", "canary-one $'\"\\"), ("GROQ_API_KEY", "canary-two")];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_key_in_a_repository_comes_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    fs_err::create_dir(environment.working_directory.join(".git")).unwrap();
    let answers = || [Answer::Picks(&["OpenAI"]), Answer::Secret("k"), Answer::Pick("./.env")];
    let (_, transcript) = asked(&environment, answers());
    assert!(transcript.contains("put `.env` into .gitignore"), "{transcript}");
    assert!(environment.working_directory.join(".env").exists());
    fs_err::write(environment.working_directory.join(".gitignore"), "target\n.env\n").unwrap();
    let (_, transcript) = asked(&environment, answers());
    assert!(!transcript.contains(".gitignore"), "{transcript}");
}

#[test]
fn keys_that_are_left_out_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    let (outcome, transcript) = asked(&environment, [Answer::Picks(&["OpenAI"]), Answer::Secret("")]);
    assert_eq!(outcome.unwrap(), 1);
    assert!(transcript.ends_with(". Nothing was changed.\n"), "{transcript}");
    assert!(!folder.path().join("home").exists());
}

#[test]
fn who_stops_has_saved_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    let (outcome, _) =
        asked(&environment, [Answer::Picks(&["OpenAI"]), Answer::Secret("canary"), Answer::Escape]);
    assert_eq!(outcome.unwrap_err().outcome().unwrap(), 1);
    assert!(!folder.path().join("home").exists());
}
