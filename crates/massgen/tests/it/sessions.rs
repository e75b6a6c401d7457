//! Several questions, one after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use massgen_testkit::model_server::{RequestRecord, ScriptedReply};
use serde_json::Value;

use crate::program::{MASSGEN, Running, Told, World, files};
use crate::server::{Asked, Server, answer, asked, team, vote};

/// One agent that answers and votes for itself.
pub(crate) const ALONE: &str =
    "agents: {default: {replies: [[{answer: one}], [{vote: agent_a}]], present: [[{answer: the end}]]}}";

/// One agent that answers and then hangs.
pub(crate) const STUCK: &str = "agents: {default: {replies: [[{answer: half an answer}], [{hang: true}]]}}";

fn registry(world: &World) -> Vec<Value> {
    let text = fs_err::read_to_string(world.home().join(".massgen/sessions.json")).unwrap();
    let registry: Value = serde_json::from_str(&text).unwrap();
    registry["sessions"].as_array().unwrap().clone()
}

/// The id of the only session of the working directory.
fn only_session(world: &World) -> String {
    let sessions = fs_err::read_dir(world.work().join(".massgen/sessions")).unwrap();
    let ids: Vec<String> = sessions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids[0].clone()
}

fn metadata(world: &World, id: &str, turn: u32) -> Value {
    let text = world.read(format!(".massgen/sessions/{id}/turn_{turn}/metadata.json"));
    serde_json::from_str(&text).unwrap()
}

/// The messages of a request, the system text left out, each as its role and its text.
fn messages(request: &RequestRecord) -> Vec<(String, String)> {
    let json = request.json();
    let messages = json["messages"].as_array().unwrap().iter().filter(|message| message["role"] != "system");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    messages.map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

fn said(role: &str, text: &str) -> (String, String) {
    (role.to_owned(), text.to_owned())
}

/// Runs the program in another folder of the same person.
fn run_in(world: &World, folder: &Path, arguments: &[&str]) -> Told {
    let mut command = world.command(MASSGEN, &[]);
    command.current_dir(folder).args(arguments);
    Running::start(command).wait()
}

/// A server of a team, and a switch: while it is set, only first answers are given.
pub(crate) fn server_that_can_hang() -> (Server, Arc<AtomicBool>) {
    let is_stuck = Arc::new(AtomicBool::new(false));
    let stuck = Arc::clone(&is_stuck);
    let server = Server::start(move |request| {
        let hangs = stuck.load(Ordering::SeqCst) && asked(request) != Asked::First;
        if hangs { ScriptedReply::Hang } else { team(request) }
    });
    (server, is_stuck)
}

#[test]
fn three_turns_know_each_other_and_each_prints_its_lines() {
    let server = Server::start(team);
    let world = server.world(2);
    let first = world.run(&["--automation", "What is a tide?"]).exits(0);
    let id = only_session(&world);
    assert_eq!(world.read(".massgen/.session_id"), id);
    let before_second = server.requests().len();
    let second = world.run(&["--automation", "--output-file", "a.md", "--continue", "And why?"]).exits(0);
    let before_third = server.requests().len();
    let third = world.run(&["--automation", "--session-id", &id, "Since when?"]).exits(0);
    let log_dir = world.log_dir().display().to_string();
    for (told, turn) in [(&first, 1), (&second, 2), (&third, 3)] {
        assert_eq!(told.value("LOG_DIR"), Some(log_dir.as_str()), "{told}");
        let status = format!("{log_dir}/turn_{turn}/attempt_1/status.json");
        assert_eq!(told.value("STATUS"), Some(status.as_str()));
        let answer = told.value("ANSWER").unwrap();
        assert_eq!(answer, format!("{log_dir}/turn_{turn}/final/agent_a/answer.txt"));
        assert_eq!(fs_err::read_to_string(answer).unwrap(), "the final words");
        assert_eq!(told.stderr, "", "{told}");
    }
    assert_eq!(second.value("OUTPUT_FILE"), world.work().join("a.md").to_str());
    assert_eq!(world.read("a.md"), "the final words");

    let requests = server.requests();
    let (first_turn, later) = requests.split_at(before_second);
    let (second_turn, third_turn) = later.split_at(before_third - before_second);
    assert!(first_turn.iter().all(|request| messages(request)[0].1.starts_with("<task>\n")));
    let past = [said("user", "What is a tide?"), said("assistant", "the final words")];
    for request in second_turn {
        let messages = messages(request);
        assert_eq!(messages[..2], past);
        assert!(messages[2].1.contains("<task>\nAnd why?\n</task>"), "{messages:?}");
    }
    let past = [&past[..], &[said("user", "And why?"), said("assistant", "the final words")]].concat();
    for request in third_turn {
        assert_eq!(messages(request)[..4], past);
    }
    // Each call of an agent begins with the bytes of the one before.
    for agent in ["agent1", "agent2"] {
        let call = |number: u32| {
            let name = format!("{agent}-call-{number}");
            third_turn.iter().find(|request| request.call.as_deref() == Some(&name))
        };
        let (one, other) = (messages(call(1).unwrap()), messages(call(2).unwrap()));
        assert_eq!(other[..one.len()], one);
        assert_eq!(call(1).unwrap().json()["tools"], call(2).unwrap().json()["tools"]);
    }

    let contexts = files(&world.log_dir().join("turn_3/attempt_1/agent_b"));
    let mut contexts = contexts.iter().filter(|(path, _)| path.ends_with("context.txt"));
    assert!(contexts.all(|(_, text)| String::from_utf8_lossy(text).contains("\"content\": \"And why?\"")));
    for (turn, task) in [(1, "What is a tide?"), (2, "And why?"), (3, "Since when?")] {
        let metadata = metadata(&world, &id, turn);
        assert_eq!((&metadata["task"], &metadata["turn"]), (&task.into(), &turn.into()));
        assert_eq!(
            (&metadata["winning_agent"], &metadata["winning_model"]),
            (&"agent_a".into(), &"m".into())
        );
        assert_eq!(metadata["session_id"], id.as_str());
        let answer = world.read(format!(".massgen/sessions/{id}/turn_{turn}/answer.txt"));
        assert_eq!(answer, "the final words");
    }
    let [entry] = registry(&world).try_into().unwrap();
    assert_eq!((&entry["session_id"], &entry["status"]), (&id.as_str().into(), &"completed".into()));
    assert_eq!((&entry["log_directory"], &entry["model"]), (&log_dir.as_str().into(), &"m".into()));
    let config = world.work().join(".massgen/config.yaml");
    assert_eq!(entry["config_path"], config.to_str().unwrap());
    assert_eq!(
        fs_err::read_link(world.log_dir().join("status.json")).unwrap(),
        Path::new("turn_3/attempt_1/status.json")
    );
}

#[test]
fn a_turn_that_was_killed_is_finished_by_resume_and_known_to_the_next_one() {
    let (server, is_stuck) = server_that_can_hang();
    let world = server.world(1);
    world.run(&["first?"]).exits(0);
    let id = only_session(&world);
    is_stuck.store(true, Ordering::SeqCst);
    let mut running = world.start(&["--stream-events", "--continue", "second?"]);
    running.hear("answer_submitted");
    let listed = world.run(&["--list-sessions"]).exits(0);
    assert!(listed.stdout.contains("○ active"), "{listed}");
    running.signal("-KILL");
    assert_eq!(running.wait().code, None);
    let listed = world.run(&["--list-sessions"]).exits(0);
    assert!(listed.stdout.contains(&id) && listed.stdout.contains("! interrupted"), "{listed}");

    is_stuck.store(false, Ordering::SeqCst);
    let before = server.requests().len();
    let log_dir = world.log_dir();
    let told = world.run(&["--automation", "--resume", log_dir.to_str().unwrap()]).exits(0);
    assert!(told.value("STATUS").unwrap().ends_with("/turn_2/attempt_1/status.json"), "{told}");
    assert_eq!(told.value("QUESTION"), Some("second?"));
    let requests = server.requests();
    assert!(requests.len() > before);
    for request in &requests[before..] {
        assert_eq!(messages(request)[..2], [said("user", "first?"), said("assistant", "the final words")]);
    }
    assert_eq!(metadata(&world, &id, 2)["task"], "second?");
    assert_eq!(registry(&world)[0]["status"], "completed");
    let before = server.requests().len();
    world.run(&["--continue", "third?"]).exits(0);
    let asked = messages(&server.requests()[before]);
    assert_eq!(asked[2..4], [said("user", "second?"), said("assistant", "the final words")]);
    assert!(log_dir.join("turn_3/journal.db").is_file());
}

#[test]
fn a_killed_turn_that_nobody_finishes_is_remembered_with_what_there_was() {
    let (server, is_stuck) = server_that_can_hang();
    let world = server.world(1);
    world.run(&["first?"]).exits(0);
    let id = only_session(&world);
    is_stuck.store(true, Ordering::SeqCst);
    let mut running = world.start(&["--stream-events", "--continue", "second?"]);
    running.hear("answer_submitted");
    running.signal("-KILL");
    running.wait();
    is_stuck.store(false, Ordering::SeqCst);
    let before = server.requests().len();
    let told = world.run(&["--automation", "--continue", "third?"]).exits(0);
    assert!(told.stderr.contains("turn 2 of the session was cut short; `massgen --resume "), "{told}");
    assert!(told.value("STATUS").unwrap().ends_with("/turn_3/attempt_1/status.json"));
    let asked = messages(&server.requests()[before]);
    assert_eq!(asked[2], said("user", "second?"));
    assert!(asked[3].1.starts_with("[This exchange ended without a final answer"), "{asked:?}");
    assert!(asked[3].1.contains("agent_a (ahead): the answer of "), "{asked:?}");
    assert_eq!(metadata(&world, &id, 2)["finish_reason"], "killed");
    // The killed turn can still be finished, by its own name.
    let turn = world.log_dir().join("turn_2");
    world.run(&["--resume", turn.to_str().unwrap()]).exits(0);
    assert_eq!(metadata(&world, &id, 2)["status"], Value::Null);
    assert!(world.read(world.log_dir().join("status.json")).contains("\"question\": \"third?\""));
}

#[test]
fn an_interrupted_turn_is_kept_and_the_session_goes_on() {
    let world = World::scripted(1, STUCK);
    let mut running = world.start(&["first?"]);
    running.hear("answered agent1.1");
    running.interrupt();
    running.wait().exits(4);
    let id = only_session(&world);
    let metadata = metadata(&world, &id, 1);
    assert_eq!(metadata["status"], "incomplete");
    assert_eq!((&metadata["phase"], &metadata["voting_complete"]), (&"coordinating".into(), &false.into()));
    let folder = format!(".massgen/sessions/{id}/turn_1");
    let partial: Value = serde_json::from_str(&world.read(format!("{folder}/partial_answers.json"))).unwrap();
    assert_eq!(partial["agent_a"]["answer"], "half an answer");
    let answer = world.read(format!("{folder}/answer.txt"));
    assert!(
        answer.starts_with("[PARTIAL ANSWER - interrupted while coordinating; best so far: agent_a]\n\nhalf")
    );
    world.write("script.yaml", ALONE);
    let told = world.run(&["--continue", "second?"]).exits(0);
    assert_eq!(told.stdout, "the end\n");
    assert!(world.log_dir().join("turn_2/final/agent_a/answer.txt").is_file());
}

#[test]
fn sessions_that_are_begun_at_once_are_all_kept_and_listed() {
    let world = World::scripted(1, ALONE);
    let running: Vec<Running> = (0..6).map(|number| world.start(&[&format!("question {number}")])).collect();
    for running in running {
        running.wait().exits(0);
    }
    let entries = registry(&world);
    assert_eq!(entries.len(), 6, "{entries:?}");
    let mut tasks: Vec<String> = Vec::new();
    for entry in &entries {
        let task = metadata(&world, entry["session_id"].as_str().unwrap(), 1)["task"].clone();
        tasks.push(task.as_str().unwrap().to_owned());
        assert_eq!(entry["status"], "completed");
    }
    tasks.sort();
    assert_eq!(tasks, (0..6).map(|number| format!("question {number}")).collect::<Vec<_>>());
}

#[test]
fn a_broken_list_of_sessions_is_set_aside_with_a_warning() {
    let world = World::scripted(1, ALONE);
    let list = world.home().join(".massgen/sessions.json");
    fs_err::create_dir_all(list.parent().unwrap()).unwrap();
    fs_err::write(&list, "{\"sessions\": [{\"session_id\": \"precious\"").unwrap();
    let told = world.run(&["q"]).exits(0);
    let aside = world.home().join(".massgen/sessions.json.broken-1");
    assert!(
        told.stderr.contains(&format!(
            "warning: the list of sessions cannot be used and is now `{}`",
            aside.display()
        )),
        "{told}"
    );
    assert!(fs_err::read_to_string(aside).unwrap().contains("precious"));
    assert_eq!(registry(&world).len(), 1);
}

#[test]
fn a_session_that_nobody_knows_is_refused_with_the_newest_ones() {
    let world = World::scripted(1, ALONE);
    for flags in [&["--continue", "q"][..], &["--session-id", "session_1", "q"]] {
        world.run(flags).exits(1);
    }
    insta::assert_snapshot!(world.run(&["--continue", "q"]).exits(1).stderr, @r"
    error: there is no session in this folder to go on with
    hint: ask a question to begin one; `massgen --list-sessions` lists those of other folders
    ");
    assert_eq!(
        world.run(&["--list-sessions"]).exits(0).stdout,
        "no sessions yet; a question begins one: massgen \"your question\"\n"
    );
    world.run(&["q"]).exits(0);
    let id = only_session(&world);
    for bad in ["session_1", "../../etc", "", "turn_1"] {
        let told = world.run(&["--session-id", bad, "q"]).exits(1);
        let expected = format!(
            "error: there is no session `{bad}`\nhint: the newest are {id}; `massgen --list-sessions --all` lists all\n"
        );
        assert_eq!(told.stderr, expected);
    }
    assert_eq!(world.log_dirs().len(), 1, "nothing was run");
}

#[test]
fn a_session_goes_on_from_another_folder_when_it_is_named() {
    let server = Server::start(team);
    let world = server.world(1);
    world.run(&["first?"]).exits(0);
    let id = only_session(&world);
    let other = world.home().join("other");
    fs_err::create_dir(&other).unwrap();
    assert_eq!(run_in(&world, &other, &["--continue", "second?"]).code, Some(1));
    let told = run_in(&world, &other, &["--automation", "--session-id", &id, "second?"]).exits(0);
    assert_eq!(told.value("LOG_DIR"), world.log_dir().to_str());
    assert_eq!(metadata(&world, &id, 2)["task"], "second?");
    assert_eq!(files(&other).len(), 0, "it is kept where it began");
    let request = server.requests().last().map(|request| messages(request)).unwrap();
    assert_eq!(request[0], said("user", "first?"));
}

#[test]
fn the_configuration_is_remembered_until_another_one_is_named() {
    let server = Server::start(team);
    let world = World::new();
    world.write("team.json", &server.config(1).to_string());
    world.write("other.json", &server.config(2).to_string());
    world.run(&["--config", "team.json", "first?"]).exits(0);
    let told = world.run(&["--automation", "--continue", "second?"]).exits(0);
    assert!(told.stdout.contains("COMPLETED: 1 agents") && told.stderr.is_empty(), "{told}");
    let told = world.run(&["--automation", "--continue", "--config", "other.json", "third?"]).exits(0);
    let warning = format!(
        "warning: the session was run with `{}`; it goes on as the command line says\n",
        world.work().join("team.json").display()
    );
    assert_eq!(told.stderr, warning);
    assert!(told.stdout.contains("COMPLETED: 2 agents"));
    let told = world.run(&["--automation", "--continue", "fourth?"]).exits(0);
    assert!(told.stdout.contains("COMPLETED: 2 agents"), "the newest one is remembered: {told}");
    fs_err::remove_file(world.work().join("other.json")).unwrap();
    let told = world.run(&["--continue", "fifth?"]).exits(1);
    assert!(told.stderr.starts_with("error: there is no configuration `"), "{told}");
}

#[test]
fn flags_that_stood_in_for_a_configuration_are_remembered() {
    let world = World::new();
    world.run(&["--backend", "simulated", "first?"]).exits(0);
    let told = world.run(&["--automation", "--continue", "second?"]).exits(0);
    assert_eq!(told.stderr, "", "nobody has to be told that nothing is configured");
    assert_eq!(told.value("QUESTION"), Some("second?"));
}

#[test]
fn a_run_may_stay_out_of_the_list_and_can_be_named_in_its_folder() {
    let world = World::scripted(1, ALONE);
    world.run(&["--no-session-registry", "first?"]).exits(0);
    assert!(!world.home().join(".massgen/sessions.json").exists());
    let id = only_session(&world);
    assert_eq!(world.read(".massgen/.session_id"), id);
    world.run(&["--continue", "second?"]).exits(1);
    world.run(&["--session-id", &id, "second?"]).exits(0);
    assert_eq!(metadata(&world, &id, 2)["task"], "second?");
    assert!(!world.home().join(".massgen/sessions.json").exists());
}

#[test]
fn every_turn_is_rebuilt_and_the_link_stays_at_the_newest() {
    let world = World::scripted(1, ALONE);
    world.run(&["first?"]).exits(0);
    world.run(&["--continue", "second?"]).exits(0);
    let log_dir = world.log_dir();
    let before = files(&log_dir);
    let remove = || {
        fs_err::remove_file(log_dir.join("status.json")).unwrap();
        fs_err::remove_dir_all(log_dir.join("turn_1")).unwrap();
        fs_err::remove_dir_all(log_dir.join("turn_2/attempt_1")).unwrap();
        fs_err::remove_dir_all(log_dir.join("turn_2/final")).unwrap();
    };
    let same = || {
        let is_projection = |path: &&std::path::PathBuf| !path.to_string_lossy().contains("journal.");
        let after = files(&log_dir);
        let names = |files: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
            files.keys().filter(is_projection).cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&before), names(&after));
        for path in names(&before) {
            assert!(before[&path] == after[&path], "{}", path.display());
        }
        let link = fs_err::read_link(log_dir.join("status.json")).unwrap();
        assert_eq!(link, Path::new("turn_2/attempt_1/status.json"));
    };
    remove();
    let told = world.run(&["logs", "rebuild", "latest"]).exits(0);
    assert_eq!(told.stdout.lines().count(), 2, "{told}");
    same();
    remove();
    for turn in ["turn_2", "turn_1/attempt_1"] {
        let folder = log_dir.join(turn);
        if !folder.exists() {
            fs_err::create_dir_all(&folder).unwrap();
        }
        let told = world.run(&["logs", "rebuild", folder.to_str().unwrap()]).exits(0);
        assert_eq!(told.stdout.lines().count(), 1, "{told}");
    }
    same();
}

#[test]
fn the_latest_run_is_the_one_whose_newest_turn_began_last() {
    let world = World::scripted(1, ALONE);
    world.run(&["first?"]).exits(0);
    let id = only_session(&world);
    world.run(&["another session"]).exits(0);
    world.run(&["--session-id", &id, "second?"]).exits(0);
    let told = world.run(&["--automation", "--resume", "latest"]).exits(0);
    assert_eq!(told.value("QUESTION"), Some("second?"));
    let told = world.run(&["logs"]).exits(0);
    assert!(told.stdout.contains(", turn 2\n  question  second?\n"), "{told}");
    let listed = world.run(&["logs", "list"]).exits(0).stdout;
    assert!(listed.find("second?") < listed.find("another session"), "{listed}");
    let first = world.log_dirs()[0].join("turn_1");
    let told = world.run(&["--automation", "--resume", first.to_str().unwrap()]).exits(0);
    assert_eq!(told.value("QUESTION"), Some("first?"));
    let told = world.run(&["--resume", world.log_dirs()[0].join("turn_9").to_str().unwrap()]).exits(1);
    assert!(told.stderr.starts_with("error: there is no journal in "), "{told}");
}

#[test]
fn a_run_folder_of_somebody_else_changes_no_session() {
    let world = World::scripted(1, STUCK);
    let mut running = world.start(&["first?"]);
    running.hear("answered agent1.1");
    running.interrupt();
    running.wait().exits(4);
    let id = only_session(&world);
    world.write("script.yaml", ALONE);
    // The same run, in another place.
    let copy = world.home().join("log_copy");
    for (path, content) in files(&world.log_dir()) {
        let path = copy.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }
    world.run(&["--resume", copy.to_str().unwrap()]).exits(0);
    assert_eq!(metadata(&world, &id, 1)["status"], "incomplete");
    world.run(&["--resume", "latest"]).exits(0);
    assert_eq!(metadata(&world, &id, 1)["status"], Value::Null);
}

#[test]
fn next_turn_and_the_user_read_no_folder_of_a_turn_that_is_over() {
    let server = Server::start(|request| {
        let body = request.json().to_string();
        let folder = body.split("Your folder is ").nth(1).unwrap().split(':').next().unwrap().to_owned();
        let files = format!("{folder}/out.txt and {folder}/.worktree/ctx_1/a.txt");
        if asked(request) == Asked::Present {
            answer(&format!("Look at {files}."))
        } else if request.last_text().contains("Judge the current answers") {
            vote("agent1")
        } else {
            answer(&format!("It is in {files}."))
        }
    });
    let world = server.world(1);
    world.write("a.txt", "a");
    let rw = ["--automation", "--cwd-context", "rw"];
    let told = world.run(&[&rw[..], &["--output-file", "out.md", "first?"]].concat()).exits(0);
    let first_turn = server.requests().len();
    let kept = world.log_dir().join("turn_1/final/agent_a/workspace/out.txt");
    let expected = format!("Look at {} and {}.", kept.display(), world.work().join("a.txt").display());
    assert_eq!(world.read("out.md"), expected);
    assert!(!told.stdout.contains(".massgen/workspaces"), "{told}");
    let stored = world.work().join(".massgen/sessions").join(only_session(&world)).join("turn_1/answer.txt");
    assert_eq!(world.read(stored), expected);

    world.run(&[&rw[..], &["--continue", "second?"]].concat()).exits(0);
    let second = &server.requests()[first_turn];
    let past = format!("Look at out.txt and {}.", world.work().join("a.txt").display());
    assert!(messages(second).contains(&said("assistant", &past)), "{:?}", messages(second));
    let shown = world.run(&["--no-display", "--cwd-context", "rw", "third?"]).exits(0);
    assert!(shown.stdout.starts_with("Look at ") && !shown.stdout.contains(".massgen/workspaces"), "{shown}");
}
