//! The artifact files of runs that sessions really made: tools, refusals, retries, notes, interrupts, deadlines, deaths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use massgen_journal::artifacts::{Flush, Projector, RunFolder, rebuild};
use massgen_ports::workspaces::NoWorkspaces;
use massgen_protocol::Envelope;

use crate::lives::{Fate, dice, whole_run};
use crate::random::random_spec;

/// Runs that are projected.
const RUNS: u64 = 60;

/// All files and links below `folder` with their content.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            let below = tree(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content));
            files.extend(below);
        } else {
            files.insert(name, fs_err::read(&path).unwrap());
        }
    }
    files
}

/// Projects one life as a running program does: event by event, with files written now and then.
fn project(projector: &mut Projector, seed: u64, events: &[Envelope]) {
    for envelope in events {
        projector.apply(envelope).unwrap();
        projector.flush(Flush::Urgent).unwrap();
        if dice((seed, envelope.seq.0)).is_multiple_of(5) {
            projector.flush(Flush::Everything).unwrap();
        }
    }
}

fn assert_same(live: &BTreeMap<String, Vec<u8>>, again: &BTreeMap<String, Vec<u8>>, what: &str) {
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(live), names(again), "{what}");
    for (name, content) in live {
        let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
        assert_eq!(text(content), text(&again[name]), "{what}: {name}");
    }
}

#[test]
fn projections_of_real_runs_never_fail_and_come_back_byte_for_byte() {
    let mut kinds = BTreeSet::new();
    for seed in 0..RUNS {
        let fates: Vec<Fate> = (0..dice((seed, "deaths")) % 4)
            .map(|n| match dice((seed, "fate", n)) % 3 {
                0 => Fate::DiesAfter(1 + dice((seed, "at", n)) % 30),
                1 => Fate::DiesBefore(1 + dice((seed, "at", n)) % 30),
                _ => Fate::IsInterrupted,
            })
            .collect();
        let lives = whole_run(seed, &random_spec(seed), &fates);
        let home = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(home.path().canonicalize().unwrap().join("log_20260101_000000_000000"));
        let mut past: Vec<Envelope> = Vec::new();
        for life in &lives {
            // A killed program leaves its files as they are, and the next one goes on from the journal.
            let stored = life.stored();
            let mut projector = Projector::resume(folder.clone(), Arc::new(NoWorkspaces), &past).unwrap();
            project(&mut projector, seed, &stored[past.len()..]);
            if life.end.is_some() {
                projector.flush(Flush::Everything).unwrap();
            }
            past = stored;
        }
        let live = tree(&folder.root);
        let report = rebuild(&folder, Arc::new(NoWorkspaces), &past).unwrap();
        assert_eq!((report.events, report.removed), (past.len(), 0), "seed {seed}");
        assert_same(&live, &tree(&folder.root), &format!("seed {seed}, rebuilt in place"));
        fs_err::remove_dir_all(&folder.root).unwrap();
        rebuild(&folder, Arc::new(NoWorkspaces), &past).unwrap();
        assert_same(&live, &tree(&folder.root), &format!("seed {seed}, rebuilt from nothing"));
        kinds.extend(past.iter().map(|envelope| envelope.event.kind()));
    }
    // The runs were eventful: everything that can happen has happened in some of them.
    let expected = [
        "run_started",
        "run_resumed",
        "run_interrupted",
        "execution_started",
        "prompt_extended",
        "model_call_started",
        "model_call_retried",
        "model_call_finished",
        "tool_call_started",
        "tool_call_finished",
        "answer_accepted",
        "vote_cast",
        "vote_ignored",
        "submission_refused",
        "no_decision",
        "agent_state_changed",
        "note_received",
        "round_limit_reached",
        "coordination_ended",
        "winner_selected",
        "presentation_started",
        "final_answer_ready",
        "run_finished",
        "degraded",
    ];
    let missing: Vec<_> = expected.iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}
