use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::ids::AgentId;
use crate::spec::{AgentSpec, BackendSpec, SimulatedSpec, VotingSensitivity, Wire};
use crate::workspace::{Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation};

fn no(index: usize) -> AgentNo {
    AgentNo::from_index(index)
}

fn agent(id: &str, workspace: Option<WorkspaceSpec>) -> AgentSpec {
    let simulated = SimulatedSpec { seed: 7, latency: Duration::ZERO, tokens_per_second: None, script: None };
    AgentSpec {
        id: AgentId::new(id).unwrap(),
        backend: BackendSpec {
            kind: "simulated".to_owned(),
            wire: Wire::Simulated(simulated),
            model: "simulated".to_owned(),
            max_output_tokens: None,
            context_window: None,
            price: None,
            parameters: BTreeMap::new(),
            output_schema: None,
        },
        fallback: Vec::new(),
        system_message: None,
        voting_sensitivity: VotingSensitivity::Lenient,
        attachments: Vec::new(),
        workspace: workspace.map(Box::new),
        tooling: Box::default(),
    }
}

fn workspace(id: &str) -> WorkspaceSpec {
    let context = |path: &str, access| ContextPath {
        path: path.to_owned(),
        access,
        kind: ContextKind::Folder,
        protected: Vec::new(),
    };
    WorkspaceSpec {
        folder: format!("/w/{id}"),
        peers: format!("/t/{id}/"),
        contexts: vec![context("/notes", Access::Read), context("/project", Access::Write)],
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    }
}

#[test]
fn a_copy_of_a_single_file_is_named_as_the_file_is() {
    let mut own = workspace("a");
    own.contexts[1] = ContextPath {
        path: "/project/notes.md".to_owned(),
        kind: ContextKind::File,
        ..own.contexts[1].clone()
    };
    let seen = own.seen().last().unwrap();
    assert_eq!(own.copy_of(seen).as_deref(), Some("/w/a/.worktree/ctx_1/notes.md"));
    let mut spec = team();
    spec.agents[1].workspace = Some(Box::new(own));
    let told = for_people(&spec, no(0), None).apply("I changed /w/a/.worktree/ctx_1/notes.md.").into_owned();
    assert_eq!(told, "I changed /project/notes.md.");
}

/// `a` and `b` have workspaces, `c` has none.
fn team() -> RunSpec {
    let with = |id| agent(id, Some(workspace(id)));
    RunSpec {
        question: "What?".to_owned(),
        agents: vec![with("b"), with("a"), agent("c", None)],
        orchestration: crate::spec::Orchestration::default(),
        timeouts: crate::spec::Timeouts::default(),
        budget: crate::spec::Budget::default(),
        history: Vec::new(),
        instructions: None,
        skills: Vec::new(),
        memories: None,
    }
}

#[test]
fn people_read_where_files_stand_when_the_run_is_over() {
    let cases = [
        ("/w/a/out.txt", "/log/final/a/workspace/out.txt"),
        ("All is in /w/a.", "All is in /log/final/a/workspace."),
        ("/w/a/.worktree/ctx_1/src/x.rs", "/project/src/x.rs"),
        ("/t/a/agent1/out.txt", "/log/final/a/workspace/out.txt"),
        ("as in /t/a/agent2/y", "as in agent2/y"),
        ("/t/a/agent12/y", "agent12/y"),
        ("/w/b/y", "agent2/y"),
        ("/w/ab /notes/n /project/x", "/w/ab /notes/n /project/x"),
    ];
    let rules = for_people(&team(), no(0), Some("/log/final/a/workspace"));
    for (text, expected) in cases {
        assert_eq!(rules.apply(text), expected, "{text}");
    }
}

#[test]
fn files_that_were_not_kept_have_names_and_no_place() {
    let rules = for_people(&team(), no(0), None);
    assert_eq!(
        rules.apply("/w/a/out.txt, /t/a/agent1/y, /w/a/.worktree/ctx_1/x in /w/a"),
        "out.txt, y, /project/x in ./"
    );
}

#[test]
fn peers_read_where_they_find_the_files() {
    let text = "/w/a/x /w/a/.worktree/ctx_1/x /t/a/agent1/x /t/a/agent2/x /t/a/agent3/x";
    assert_eq!(
        for_agent(&team(), no(1)).apply(text),
        "/t/b/agent1/x /t/b/agent1/.worktree/ctx_1/x /t/b/agent1/x /w/b/x /t/b/agent3/x"
    );
    assert_eq!(
        for_agent(&team(), no(2)).apply(text),
        "agent1/x agent1/.worktree/ctx_1/x agent1/x agent2/x agent3/x"
    );
}

#[test]
fn own_files_and_copies_of_them_are_the_same_when_texts_are_compared() {
    let team = team();
    let own = compared(&team, no(0), "see /w/a/x");
    assert_eq!(own, "see /workspace/x");
    assert_eq!(compared(&team, no(1), "see /t/b/agent1/x"), own);
    assert_eq!(compared(&team, no(2), "see x"), "see x");
}
