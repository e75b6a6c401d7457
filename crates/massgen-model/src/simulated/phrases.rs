//! The words of the simulated model. Everything here says that it is simulated.

use massgen_protocol::{AgentId, AgentNo};

/// How an answer begins: heading and first paragraph. The stock is written so that two answers share few words.
const STARTS: [(&str, &str); 8] = [
    (
        "Begin with the goal",
        "Before choosing anything, write down what success looks like, for whom, and by when. A goal that fits in \
         one sentence rules out most of the tempting detours and makes every later trade-off easier to judge.",
    ),
    (
        "Name the constraints first",
        "Budget, deadline, skills and existing commitments decide more than taste does. List whatever cannot move, \
         then treat each remaining freedom as an option worth money.",
    ),
    (
        "Build the smallest thing that works",
        "Ship a thin slice end to end within days, however plain. Real use reveals gaps no workshop would find, and \
         a working sample persuades sceptics faster than slides.",
    ),
    (
        "Look at the risks",
        "Ask how this could fail badly: lost data, lost trust, runaway cost. Rank those dangers by likelihood times \
         damage, put a guard against the top three, accept others openly.",
    ),
    (
        "Measure, then decide",
        "Opinions about bottlenecks are usually wrong. Collect a baseline, change a single variable, compare numbers \
         under identical load, keep only improvements which survive repetition.",
    ),
    (
        "Compare the alternatives side by side",
        "Put three serious candidates into one table, including doing nothing. Score them on effort, benefit and \
         reversibility; discuss only rows where scores differ.",
    ),
    (
        "Take the reader's view",
        "People skim, forget, return weeks later. Lead with the conclusion, explain unfamiliar terms once, and give \
         examples someone could try immediately without asking anybody for help.",
    ),
    (
        "Work backwards from the end",
        "Imagine the finished result on launch day and trace its dependencies in reverse. Whatever has the longest \
         chain behind it should start today, everything else may wait its turn.",
    ),
];

/// How an answer goes on: points of a list.
const MIDDLES: [[&str; 3]; 8] = [
    ["agree on a definition of done", "give each open point an owner", "review progress every Friday"],
    ["separate facts from guesses", "keep sources next to claims", "mark uncertain figures clearly"],
    ["prefer boring, proven parts", "automate whatever repeats", "delete unused pieces early"],
    ["test against hostile input", "rehearse recovery from backups", "limit access to what is needed"],
    ["record latency and spend per step", "plot trends instead of averages", "set alarms before limits"],
    ["interview five likely users", "watch them without interrupting", "fix the first obstacle they meet"],
    ["draw the whole flow on paper", "number its stages", "shorten the slowest among them"],
    ["start with a pilot group", "widen in small batches", "hold a way back open throughout"],
];

/// How an answer ends.
const ENDS: [&str; 8] = [
    "If only one hour were available, spend it on clarifying purpose; nothing pays back sooner.",
    "Should circumstances shift, revisit these assumptions rather than patching around them.",
    "Momentum matters more here than perfection, so choose a date and keep it.",
    "Caution costs little at this stage and saves a great deal afterwards.",
    "Let evidence settle disagreements, and publish it where all can check.",
    "Whichever route wins, note why others lost; that memo prevents rerunning old debates.",
    "Simple language is a feature: when explanations grow long, redesign instead.",
    "Finally, reserve some slack near the finish, because surprises cluster there.",
];

/// How many answers begin differently.
pub(super) const OPENINGS: u64 = 8;

/// Answer number `slot` of the stock: 512 of them, and neighbours share as little as possible.
pub(super) fn answer(agent: &AgentId, question: &str, slot: u64) -> String {
    let (heading, start) = pick(&STARTS, slot);
    let [first, second, third] = pick(&MIDDLES, slot.saturating_add(slot / OPENINGS));
    let end =
        pick(&ENDS, slot.saturating_add(slot / OPENINGS * 3).saturating_add(slot / (OPENINGS * OPENINGS)));
    format!(
        "*Simulated answer {slot} of {agent}; no language model was asked.*\n\n## {heading}\n\n> {question}\n\n\
         {start}\n\n- {first}\n- {second}\n- {third}\n\n{end}\n"
    )
}

/// The final answer.
pub(super) fn final_answer(agent: &AgentId, question: &str, slot: u64) -> String {
    let (heading, start) = pick(&STARTS, slot);
    let [first, second, third] = pick(&MIDDLES, slot.saturating_add(slot / OPENINGS));
    format!(
        "*Simulated final answer, presented by {agent}; no language model was asked.*\n\n# {heading}\n\n\
         > {question}\n\n{start}\n\n**What to do next**\n\n1. {first}\n2. {second}\n3. {third}\n\n\
         This text comes from the simulated model, which shows how a run goes. Configure a provider to get a real \
         answer.\n"
    )
}

pub(super) fn think_about_answering(agent: &AgentId, question: &str) -> String {
    format!("(simulated) {agent} reads the question: {question}")
}

pub(super) fn think_about_voting(agent: &AgentId, candidates: usize) -> String {
    let answers = if candidates == 1 { "one answer".to_owned() } else { format!("{candidates} answers") };
    format!("(simulated) {agent} compares {answers}.")
}

pub(super) fn think_about_presenting(agent: &AgentId, question: &str) -> String {
    format!("(simulated) {agent} writes the final answer to: {question}")
}

/// Why a vote goes to `chosen`.
pub(super) fn summary(agent: &AgentId, question: &str) -> String {
    format!("Summary of the simulated agent {agent}: it works on \"{question}\", and nothing of it is real.")
}

pub(super) fn reason(chosen: AgentNo, number: u64) -> String {
    let reasons = [
        "it is the most concrete of the answers",
        "its steps can be followed as they are written",
        "it names what could go wrong",
        "it says the most in the fewest words",
    ];
    format!("Simulated vote for {chosen}: {}.", pick(&reasons, number))
}

/// The entry of `stock` that `number` falls on.
fn pick<T, const N: usize>(stock: &[T; N], number: u64) -> &T {
    const { assert!(N > 0, "nothing to pick from") };
    let index = usize::try_from(number % N as u64).unwrap_or_default();
    #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length, which is not zero")]
    &stock[index]
}
