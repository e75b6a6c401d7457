//! Sessions whose processes were killed, whose files are broken or gone, and that two processes go on with at once.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;

use massgen_testkit::crash_point::Side;
use serde_json::Value;

use crate::kill::crashing;
use crate::program::{Told, World};
use crate::sessions::{ALONE, STUCK, server_that_can_hang};

fn entries(world: &World) -> Vec<Value> {
    let text = fs_err::read_to_string(world.home().join(".massgen/sessions.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["sessions"].as_array().unwrap().clone()
}

fn session_folders(world: &World) -> Vec<PathBuf> {
    let sessions = fs_err::read_dir(world.work().join(".massgen/sessions")).unwrap();
    sessions.map(|entry| entry.unwrap().path()).collect()
}

fn session_folder(world: &World) -> PathBuf {
    let [folder] = session_folders(world).try_into().unwrap();
    folder
}

/// Questions and answers that the newest turn of the only run was asked with.
fn history(world: &World, turn: u32) -> Vec<(String, String)> {
    let folder = massgen_journal::artifacts::RunFolder::of_turn(world.log_dir(), turn);
    let start = massgen_journal::read_start(&folder.journal_dir()).unwrap().unwrap();
    let massgen_protocol::Event::RunStarted { spec, .. } = start.event else { panic!("no start") };
    spec.history.iter().map(|past| (past.question.clone(), past.answer.clone())).collect()
}

fn answered(question: &str) -> (String, String) {
    (question.to_owned(), "the end".to_owned())
}

#[test]
fn a_session_whose_first_turn_was_killed_goes_on() {
    let world = World::scripted(1, STUCK);
    let mut running = world.start(&["first?"]);
    running.hear("answered agent1.1");
    running.signal("-KILL");
    running.wait();
    world.write("script.yaml", ALONE);
    let turn = world.log_dir().join("turn_1");
    let told = world.run(&["--automation", "--continue", "second?"]).exits(0);
    let remark = format!(
        "turn 1 of the session was cut short; `massgen --resume {}` would finish it\n",
        turn.display()
    );
    assert_eq!(told.stderr, remark);
    let [(question, answer)] = history(&world, 2).try_into().unwrap();
    assert_eq!(question, "first?");
    assert!(answer.contains("half an answer"), "{answer}");
    world.run(&["--resume", turn.to_str().unwrap()]).exits(0);
    assert_eq!(world.run(&["--automation", "--continue", "third?"]).exits(0).stderr, "");
    assert_eq!(history(&world, 3), [answered("first?"), answered("second?")]);
}

#[test]
fn a_turn_at_work_is_not_gone_on_from() {
    let (server, is_stuck) = server_that_can_hang();
    let world = server.world(1);
    is_stuck.store(true, Ordering::SeqCst);
    let mut running = world.start(&["--stream-events", "first?"]);
    running.hear("answer_submitted");
    let id = session_folder(&world).file_name().unwrap().to_str().unwrap().to_owned();
    for flags in [&["--continue"][..], &["--session-id", &id]] {
        let told = world.run(&[flags, &["second?"]].concat()).exits(1);
        let begin = format!(
            "error: turn 1 of the session `{id}` is still at work: process {}, started ",
            running.id()
        );
        assert!(told.stderr.starts_with(&begin), "{told}");
        assert!(told.stderr.ends_with(
            "\nhint: wait for its end; a question without `--continue` and `--session-id` begins a new session\n"
        ));
    }
    running.signal("-KILL");
    running.wait();
    is_stuck.store(false, Ordering::SeqCst);
    world.run(&["--continue", "second?"]).exits(0);
    assert_eq!(history(&world, 2).len(), 1);
}

#[test]
fn of_processes_that_go_on_at_once_none_loses_a_turn() {
    let world = World::scripted(1, ALONE);
    world.run(&["question 0"]).exits(0);
    let running: Vec<_> =
        (1..6).map(|number| world.start(&["--continue", &format!("question {number}")])).collect();
    let told: Vec<Told> = running.into_iter().map(crate::program::Running::wait).collect();
    let mut expected = vec!["question 0".to_owned()];
    for (number, told) in (1..6).zip(&told) {
        match told.code {
            Some(0) => expected.push(format!("question {number}")),
            Some(1) => assert!(told.stderr.contains(" is still at work: "), "{told}"),
            _ => panic!("{told}"),
        }
    }
    assert!(expected.len() > 1);
    world.run(&["--continue", "the last one"]).exits(0);
    let logged = massgen_journal::artifacts::RunFolder::turns_in(&world.log_dir()).unwrap();
    let newest = logged.last().unwrap().turn;
    let mut known: Vec<String> = history(&world, newest).into_iter().map(|(question, _)| question).collect();
    known.sort();
    assert_eq!(known, expected);
}

#[test]
fn what_was_lost_of_a_session_is_written_again_from_its_journals() {
    let damages: [fn(&std::path::Path); 5] = [
        |session| fs_err::remove_dir_all(session).unwrap(),
        |session| fs_err::remove_dir_all(session.join("turn_1")).unwrap(),
        |session| fs_err::write(session.join("turn_1/metadata.json"), "{").unwrap(),
        |session| fs_err::remove_file(session.join("turn_1/answer.txt")).unwrap(),
        |session| fs_err::write(session.join("turn_1/answer.txt"), [0xff, 0xfe]).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let world = World::scripted(1, ALONE);
        world.run(&["first?"]).exits(0);
        world.run(&["--continue", "second?"]).exits(0);
        damage(&session_folder(&world));
        let told = world.run(&["--automation", "--continue", "third?"]).exits(0);
        let remark =
            "turn 1 of the session was missing or not whole; it was written again from its journal\n";
        assert!(told.stderr.starts_with(remark), "{number}: {told}");
        assert_eq!(history(&world, 3), [answered("first?"), answered("second?")], "{number}");
        assert_eq!(world.run(&["--automation", "--continue", "fourth?"]).exits(0).stderr, "");
    }
}

#[test]
fn a_turn_that_cannot_be_understood_is_told_and_the_others_are_remembered() {
    let world = World::scripted(1, ALONE);
    world.run(&["first?"]).exits(0);
    world.run(&["--continue", "second?"]).exits(0);
    fs_err::remove_dir_all(world.log_dir()).unwrap();
    let broken = session_folder(&world).join("turn_1/metadata.json");
    fs_err::write(&broken, "{").unwrap();
    let flags = ["--automation", "--continue", "--config", ".massgen/config.yaml"];
    let told = world.run(&[&flags[..], &["third?"]].concat()).exits(0);
    let warning = format!("warning: turn 1 of the session is not remembered: `{}` is not ", broken.display());
    assert!(told.stderr.starts_with(&warning) && told.stderr.lines().count() == 1, "{told}");
    assert_eq!(history(&world, 3), [answered("second?")]);
}

#[test]
fn a_session_of_which_nothing_is_left_is_told_before_an_older_one_goes_on() {
    let world = World::scripted(1, ALONE);
    world.run(&["older?"]).exits(0);
    let older = world.read(".massgen/.session_id");
    world.run(&["newer?"]).exits(0);
    let newer = world.read(".massgen/.session_id");
    fs_err::remove_dir_all(world.work().join(".massgen/sessions").join(&newer)).unwrap();
    fs_err::remove_dir_all(&world.log_dirs()[1]).unwrap();
    let told = world.run(&["--automation", "--continue", "next?"]).exits(0);
    let warning = format!(
        "warning: nothing is left of `{newer}`, the newest session of this folder; this goes on from `{older}`\n"
    );
    assert_eq!(told.stderr, warning);
    let told = world.run(&["--session-id", &newer, "next?"]).exits(1);
    insta::assert_snapshot!(told.stderr.replace(&newer, "ID"), @r"
    error: the session `ID` has no turn to go on from
    hint: its folder and its logs were removed, or it belongs to another directory
    ");
}

#[test]
fn a_list_that_cannot_be_written_costs_no_session() {
    let world = World::scripted(1, ALONE);
    fs_err::create_dir_all(world.home().join(".massgen/sessions.json.tmp")).unwrap();
    let told = world.run(&["--automation", "first?"]).exits(0);
    assert!(told.stderr.starts_with("warning: the list of sessions is not up to date: "), "{told}");
    assert_eq!(told.stderr.lines().count(), 1, "{told}");
    let session = session_folder(&world);
    let id = session.file_name().unwrap().to_str().unwrap();
    world.run(&["--session-id", id, "second?"]).exits(0);
    assert!(session.join("turn_2/answer.txt").is_file());
}

#[test]
fn wherever_a_turn_is_killed_the_session_goes_on_and_knows_it() {
    let first = ["--automation", "first?"];
    let second = ["--automation", "--continue", "second?"];
    let third = ["--automation", "--continue", "third?"];
    let mut kills = 0;
    for append in 1.. {
        let world = World::scripted(1, ALONE);
        world.run(&first).exits(0);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.current_dir(world.work()).env_clear().env("HOME", world.home()).env("TZ", "UTC");
        let output = crashing(command, &second, Some((append, Side::After))).output().unwrap();
        if output.status.signal() != Some(9) {
            assert!(output.status.success());
            break;
        }
        kills += 1;
        let told = world.run(&third).exits(0);
        let known = history(&world, 3);
        assert_eq!(known.len(), 2, "append {append}: {told}");
        assert_eq!((&known[0], known[1].0.as_str()), (&answered("first?"), "second?"), "append {append}");
        let is_whole = known[1] == answered("second?");
        let remark = if is_whole {
            "turn 2 of the session was missing or not whole; it was written again from its journal".to_owned()
        } else {
            let turn = world.log_dir().join("turn_2");
            format!(
                "turn 2 of the session was cut short; `massgen --resume {}` would finish it",
                turn.display()
            )
        };
        assert_eq!(told.stderr, format!("{remark}\n"), "append {append}");
        let has_been_answered = massgen_journal::read(&world.log_dir().join("turn_2"))
            .unwrap()
            .iter()
            .any(|envelope| matches!(envelope.event, massgen_protocol::Event::FinalAnswerReady { .. }));
        assert_eq!(is_whole, has_been_answered, "append {append}");
        assert_eq!(entries(&world).len(), 1);
        assert_eq!(entries(&world)[0]["status"], "completed");
    }
    assert!(kills > 5, "{kills}");
}

#[test]
fn a_resumed_turn_that_is_killed_behind_its_final_answer_is_remembered_with_it() {
    let world = World::scripted(1, STUCK);
    let mut running = world.start(&["first?"]);
    running.hear("answered agent1.1");
    running.interrupt();
    running.wait().exits(4);
    assert!(session_folder(&world).join("turn_1/partial_answers.json").is_file());
    world.write("script.yaml", ALONE);
    let is_answered = || {
        let events = massgen_journal::read(&world.log_dir()).unwrap();
        events
            .iter()
            .any(|envelope| matches!(envelope.event, massgen_protocol::Event::FinalAnswerReady { .. }))
    };
    for _ in 0..20 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.current_dir(world.work()).env_clear().env("HOME", world.home()).env("TZ", "UTC");
        let output = crashing(command, &["--resume", "latest"], Some((3, Side::After))).output().unwrap();
        assert_eq!(output.status.signal(), Some(9));
        if is_answered() {
            break;
        }
    }
    assert!(is_answered());
    let told = world.run(&["--automation", "--continue", "second?"]).exits(0);
    assert_eq!(history(&world, 2), [answered("first?")], "{told}");
    assert!(!session_folder(&world).join("turn_1/partial_answers.json").exists());
}
