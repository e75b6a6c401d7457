use super::super::dialogue::scripted::{Answer, Scripted};
use super::super::offers::Server;
use super::*;

/// A home and a project of their own.
fn surroundings(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Environment {
    let mut environment = Environment::of(variables);
    environment.home = Some(folder.path().join("home"));
    environment.working_directory = folder.path().join("work");
    fs_err::create_dir_all(&environment.working_directory).unwrap();
    environment
}

fn asked(
    depth: Depth,
    environment: &Environment,
    servers: Vec<Server>,
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<u8, Stop>, String) {
    let backends = Backends::built_in();
    let offers = Offers { servers, ..Offers::find(backends, environment, &[]) };
    let mut dialogue = Scripted::new(answers);
    let outcome = Wizard { dialogue: &mut dialogue, depth, backends, offers: &offers, environment }.run(None);
    (outcome, dialogue.finished())
}

fn written(environment: &Environment, path: &str) -> String {
    fs_err::read_to_string(environment.absolute(path.as_ref())).unwrap()
}

#[test]
fn three_agents_of_the_key_at_hand_are_seven_times_enter() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[("OPENAI_API_KEY", "canary")]);
    let enters = std::iter::repeat_with(|| Answer::Enter).take(7);
    let (outcome, transcript) = asked(Depth::Short, &environment, Vec::new(), enters);
    assert_eq!(outcome.unwrap(), 0);
    assert!(!transcript.contains("canary"), "{transcript}");
    insta::assert_snapshot!(transcript);
    let text = written(&environment, PROJECT_CONFIG);
    assert!(text.contains("id: agent_c") && text.contains("model: gpt-5.4"), "{text}");
}

#[test]
fn different_agents_and_a_key_that_is_typed_in() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    let server = Server {
        name: "Ollama".to_owned(),
        backend: GENERAL.to_owned(),
        base_url: "http://127.0.0.1:11434/v1".to_owned(),
        model: "llama3.2:3b".to_owned(),
    };
    let answers = [
        Answer::Pick("2"),
        Answer::Pick("Different ones"),
        Answer::Pick("Ollama on this machine"),
        Answer::Pick("OpenAI"),
        Answer::Pick("another one"),
        Answer::Line("gpt-next"),
        Answer::Pick("high"),
        Answer::Enter,
        Answer::Secret("canary-typed"),
        Answer::Pick(USER_CONFIG),
    ];
    let (outcome, transcript) = asked(Depth::Short, &environment, vec![server], answers);
    assert_eq!(outcome.unwrap(), 0);
    assert!(!transcript.contains("canary"), "{transcript}");
    let text = written(&environment, USER_CONFIG);
    assert!(
        text.contains("base_url: \"http://127.0.0.1:11434/v1\"") && text.contains("effort: high"),
        "{text}"
    );
    assert!(written(&environment, keys::usual_place(&environment)).contains("OPENAI_API_KEY=canary-typed\n"));
}

#[test]
fn the_long_way_asks_for_more_and_takes_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[("GROQ_API_KEY", "k")]);
    let answers = [
        Answer::Pick("1"),
        Answer::Pick("Groq"),
        Answer::Enter,
        Answer::Line("Answer in French."),
        Answer::Enter,
        Answer::Enter,
        Answer::Pick("a name of its own"),
        Answer::Enter,
    ];
    let (outcome, transcript) = asked(Depth::Full, &environment, Vec::new(), answers);
    assert_eq!(outcome.unwrap(), 0);
    let end = format!(". Written to {FILE_NAME}. Ask: massgen --config {FILE_NAME} \"your question\"\n");
    assert!(transcript.ends_with(&end), "{transcript}");
    assert!(written(&environment, FILE_NAME).contains("system_message: \"Answer in French.\""));
}

#[test]
fn an_existing_configuration_is_replaced_only_by_consent() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    save(&environment.absolute(PROJECT_CONFIG.as_ref()), "mine", Existing::Kept).unwrap();
    let simulated = || [Answer::Pick("1"), Answer::Pick("Simulated")];
    let declined = simulated().into_iter().chain([Answer::Enter, Answer::Enter, Answer::Pick("nowhere")]);
    let (outcome, transcript) = asked(Depth::Short, &environment, Vec::new(), declined);
    assert_eq!(outcome.unwrap(), 1);
    assert!(transcript.ends_with(". Nothing was written.\n"), "{transcript}");
    assert_eq!(written(&environment, PROJECT_CONFIG), "mine");
    let agreed = simulated().into_iter().chain([Answer::Enter, Answer::Yes]);
    let (outcome, _) = asked(Depth::Short, &environment, Vec::new(), agreed);
    assert_eq!(outcome.unwrap(), 0);
    assert!(written(&environment, PROJECT_CONFIG).contains("type: simulated"));
}

#[test]
fn who_stops_has_written_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    let (outcome, _) = asked(Depth::Short, &environment, Vec::new(), [Answer::Pick("1"), Answer::Escape]);
    assert_eq!(outcome.unwrap_err().outcome().unwrap(), 1);
    assert_eq!(fs_err::read_dir(&environment.working_directory).unwrap().count(), 0);
}

#[test]
fn a_key_is_not_kept_when_the_team_is_not() {
    let one = || [Answer::Pick("1"), Answer::Pick("OpenAI"), Answer::Enter, Answer::Enter, Answer::Enter];
    for (last, code) in [(Answer::Escape, None), (Answer::Pick("nowhere"), Some(1))] {
        let folder = tempfile::tempdir().unwrap();
        let environment = surroundings(&folder, &[]);
        let answers = one().into_iter().chain([Answer::Secret("canary-typed"), last]);
        let (outcome, transcript) = asked(Depth::Short, &environment, Vec::new(), answers);
        assert_eq!(outcome.ok(), code);
        assert!(!folder.path().join("home").exists(), "{transcript}");
    }
}

#[test]
fn without_a_home_everything_stays_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut environment = surroundings(&folder, &[]);
    environment.home = None;
    let answers = [
        Answer::Pick("1"),
        Answer::Pick("OpenAI"),
        Answer::Enter,
        Answer::Enter,
        Answer::Enter,
        Answer::Secret("canary-typed"),
        Answer::Enter,
    ];
    let (outcome, transcript) = asked(Depth::Short, &environment, Vec::new(), answers);
    assert_eq!(outcome.unwrap(), 0);
    assert!(!transcript.contains(USER_CONFIG), "{transcript}");
    assert!(written(&environment, ".env").contains("OPENAI_API_KEY=canary-typed\n"));
    assert!(!environment.working_directory.join("~").exists());
}

#[test]
fn what_would_not_run_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let environment = surroundings(&folder, &[]);
    let answers = [
        Answer::Pick("1"),
        Answer::Pick("Simulated"),
        Answer::Line("Obey ${NOBODY_SETS_IT}."),
        Answer::Enter,
        Answer::Enter,
    ];
    let (outcome, transcript) = asked(Depth::Full, &environment, Vec::new(), answers);
    let failure = outcome.unwrap_err().outcome().unwrap_err();
    assert!(failure.to_string().contains("NOBODY_SETS_IT"), "{failure}{transcript}");
    assert_eq!(fs_err::read_dir(&environment.working_directory).unwrap().count(), 0);
}

#[test]
fn addresses_and_names_are_checked_while_they_are_typed() {
    assert!(is_address("http://localhost:8080/v1").is_ok() && is_address("localhost").is_err());
    for wrong in ["http://user:word@llm.example.com/v1", "https://a.example/v1?x=1", "http://a.example:port"]
    {
        assert!(is_address(wrong).is_err(), "{wrong}");
    }
    assert!(is_address("https://").is_err() && is_address("http://a b").is_err());
    assert!(
        is_file_name("team.yaml").is_ok() && is_file_name(".yaml").is_err() && is_file_name("team").is_err()
    );
}
