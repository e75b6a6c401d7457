//! What prompts cost: bytes of one opening, and bytes that no prompt cache can hold in whole runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_prompt::{Materials, Prompts, SystemText};
use massgen_protocol::message::{Message, Reply, ToolOutcome};
use massgen_protocol::spec::VotingSensitivity;
use massgen_protocol::turn::{News, Turn};
use massgen_protocol::{AnswerLabel, CallId, Note, NoteId, ToolUse};
use massgen_testkit::history::{History, answer, replied, spec, vote};
use serde_json::{Value, json};

use crate::materials::{label, shelf, told, viewer};

/// Providers cache prompts in blocks of about this size.
const BLOCK: usize = 1024;

fn fixed(agents: usize) -> String {
    let prompts = Prompts::new().unwrap();
    let text = SystemText {
        agents,
        system_message: None,
        sensitivity: VotingSensitivity::Lenient,
        work_tools: 0,
        instructions: None,
        skills: &[],
        memories: None,
        output: None,
    };
    let system = json!({ "role": "system", "content": prompts.system(&text).unwrap() });
    let function = |tool: massgen_protocol::ToolSchema| json!({ "type": "function", "function": tool });
    let tools: Vec<Value> = prompts.workflow_tools(agents).unwrap().into_iter().map(function).collect();
    format!("{}{system}", Value::from(tools))
}

#[test]
fn the_first_prompt_of_a_short_task_is_short() {
    let opening = told(viewer(1, 3), &[Turn::Opening(News::default())], &shelf(&[]));
    let bytes = fixed(3).len() + opening.len();
    println!("{} bytes before the opening, {bytes} with it", fixed(3).len());
    assert!(bytes <= 3_500, "{bytes} bytes");
}

#[test]
fn a_peers_answer_costs_little_more_than_its_text() {
    let labels = ["agent11.1", "agent12.1"];
    let shelf = shelf(&labels);
    let opening = |count: usize| {
        let answers = labels.iter().take(count).map(|text| label(text)).collect();
        let turn = Turn::Opening(News { answers, ..News::default() });
        json!(told(viewer(1, 12), &[turn], &shelf)).to_string().len()
    };
    let overhead = opening(2) - opening(1) - "The text of agent11.1.".len();
    println!("{overhead} bytes around an answer");
    assert!(overhead < 60, "{overhead} bytes");
}

/// The texts of a history, as one of its agents refers to them.
struct Told<'a> {
    history: &'a History,
    agent: usize,
}

impl Materials for Told<'_> {
    fn question(&self) -> &str {
        &self.history.state.spec().question
    }

    fn history(&self) -> &[massgen_protocol::PastTurn] {
        &[]
    }

    fn answer(&self, label: AnswerLabel) -> Option<&str> {
        Some(&self.history.state.answer(label)?.content)
    }

    fn note(&self, id: NoteId) -> Option<&Note> {
        self.history.state.note(id)
    }

    fn reply(&self, call: CallId) -> Option<&Arc<Reply>> {
        self.history.state.agents().get(self.agent)?.reply(call)
    }

    fn tool_outcome(&self, tool_use: ToolUse) -> Option<&ToolOutcome> {
        self.history.state.agents().get(self.agent)?.tool_outcome(tool_use)
    }
}

/// The prompt of the agent's call that is under way, in one canonical text as it goes over the wire.
fn prompt(history: &History, call: CallId, fixed: &str) -> String {
    let agent = call.agent.index();
    let agents = history.state.agents();
    let turns = agents.get(agent).unwrap().conversation();
    let told = Told { history, agent };
    let messages = Prompts::new().unwrap().messages(viewer(agent + 1, agents.len()), turns, &told).unwrap();
    let wire = |message: &Message| match message {
        Message::User { text, .. } => json!({ "role": "user", "content": text }),
        Message::ToolResult { id, text, .. } => {
            json!({ "role": "tool", "tool_call_id": id, "content": text })
        }
        Message::Assistant { reply } => {
            let function = |call: &massgen_protocol::ToolCall| {
                let function = json!({ "name": call.name, "arguments": call.arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            };
            let calls: Vec<Value> = reply.tool_calls().map(function).collect();
            json!({ "role": "assistant", "content": reply.text(), "tool_calls": calls })
        }
    };
    messages.iter().fold(fixed.to_owned(), |text, message| text + &wire(message).to_string())
}

/// Bytes of all prompts of a run in which everybody answers, everybody votes and the winner presents, that do not
/// stand in whole blocks at the beginning of an earlier prompt of the same agent.
fn uncached(agents: usize) -> usize {
    let ids: Vec<String> = (1..=agents).map(|number| format!("agent{number:03}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut history = History::start(spec(&ids));
    let fixed = fixed(agents);
    let mut earlier: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut uncached = 0;
    for phase in 0..3 {
        let asked: Vec<(&str, CallId)> =
            ids.iter().filter_map(|id| Some((*id, history.call_of(id)?))).collect();
        assert_eq!(asked.len(), if phase == 2 { 1 } else { agents });
        for (id, call) in &asked {
            let prompt = prompt(&history, *call, &fixed);
            let known = earlier.entry(id).or_default();
            let shared =
                |other: &String| other.bytes().zip(prompt.bytes()).take_while(|(a, b)| a == b).count();
            let shared = known.iter().map(shared).max().unwrap_or(0);
            uncached += prompt.len() - shared / BLOCK * BLOCK;
            known.push(prompt);
        }
        for (id, call) in asked {
            let text = format!("The answer of {id}: {}", "the sea bulges on both sides ".repeat(30));
            let text = text.get(..600).unwrap();
            let item = if phase == 1 { vote("agent1") } else { answer(text) };
            history.input(replied(call, [item]));
        }
    }
    assert!(history.summary().contains("Answered"), "{}", history.summary());
    uncached
}

#[test]
fn most_of_a_runs_prompts_can_be_cached() {
    // What MassGen 0.1.97 leaves uncached for the same decisions, in bytes, and the share of it that we may.
    for (agents, reference, per_cent) in [(3, 95_000, 35), (10, 345_000, 35), (30, 1_426_000, 60)] {
        let bytes = uncached(agents);
        println!("{agents} agents: {bytes} bytes uncached, {} % of {reference}", bytes * 100 / reference);
        assert!(bytes * 100 <= reference * per_cent, "{agents} agents: {bytes} of {reference} bytes");
    }
}
