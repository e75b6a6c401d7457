//! The configurations that come with the program: `@examples/TOPIC/NAME`.
//!
//! They are the files below `examples/`, as texts in the program. Everything that is told about one stands in its head
//! comment: the first line says what it is, and `Also:` names the configurations of MassGen that it serves for.

use std::fmt::Write;

use massgen_view::clean::clean_line;

use crate::failure::Failure;

/// What a name begins with that stands for one of these.
const PREFIX: &str = "@examples/";

/// Names that a message suggests at most.
const SUGGESTIONS: usize = 3;

/// Least likeness of a name that is suggested; 1 is the same name.
const LIKENESS: f64 = 0.75;

/// By how much a suggestion may be less like the name than the best one.
const BEHIND_THE_BEST: f64 = 0.05;

/// One configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Example {
    /// Topic and name, as in `basic/three-agents`.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) text: &'static str,
}

/// Names the files below `examples/` and takes their texts into the program.
macro_rules! examples {
    ($($name:literal)*) => {
        &[$(Example { name: $name, text: include_str!(concat!("../../../examples/", $name, ".yaml")) }),*]
    };
}

/// All of them, topic by topic, in the order in which they are listed. A test holds it against the folder.
pub(crate) const EXAMPLES: &[Example] = examples! {
    "basic/one-agent"
    "basic/two-agents"
    "basic/three-agents"
    "basic/simulated"
    "basic/standing-question"
    "providers/openai"
    "providers/openai-nano"
    "providers/claude"
    "providers/gemini"
    "providers/fallback"
    "providers/openrouter"
    "providers/groq"
    "providers/cerebras"
    "providers/open-weights"
    "providers/moonshot"
    "providers/qwen"
    "providers/zai"
    "providers/poe"
    "providers/gateway"
    "local/ollama"
    "local/lmstudio"
    "local/vllm"
    "local/vllm-and-sglang"
    "local/small-context"
    "local/with-a-referee"
    "teams/research"
    "teams/code-review"
    "teams/debate"
    "teams/creative"
    "tools/project"
    "tools/report"
    "tools/careful"
    "voting/strict"
    "voting/own-strictness"
    "voting/independent"
    "voting/synthesis"
    "limits/deadlines"
    "limits/answers"
    "limits/short-answers"
    "budgets/ten-cents"
    "budgets/tokens"
    "modes/quick"
    "modes/best-of-five"
    "modes/crowd"
    "modes/for-scripts"
    "modes/plain-lines"
};

impl Example {
    /// The name that `--config` takes.
    pub(crate) fn path(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The topic.
    fn topic(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(topic, _)| topic)
    }

    /// What it is, in one line.
    fn description(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// Names of MassGen's configurations that it serves for.
    fn also(&self) -> impl Iterator<Item = &'static str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix("# Also:"));
        line.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// All names, each with and without its folder.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let without_folder = |name: &'static str| name.rsplit_once('/').map_or(name, |(_, name)| name);
        std::iter::once(self.name).chain(self.also()).flat_map(move |name| [name, without_folder(name)])
    }
}

/// The example that `--config NAME` means, when it means one.
///
/// # Errors
/// When there is no such example, or there are several.
pub(crate) fn of_config(name: &str) -> Option<Result<&'static Example, Failure>> {
    name.strip_prefix(PREFIX).map(find)
}

/// The example called `name`: topic and name, or a name that only one has, or that of a configuration of MassGen that it
/// serves for. `-`, `_` and `/` are the same, as in the lists of MassGen.
///
/// # Errors
/// When there is no such example, or there are several.
pub(crate) fn find(name: &str) -> Result<&'static Example, Failure> {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let name = name.trim_matches('/');
    let name = name.strip_suffix(".yaml").unwrap_or(name);
    let plain = |name: &str| name.to_lowercase().replace(['/', '-'], "_");
    let wanted = plain(name);
    let is_full = |example: &&Example| plain(example.name) == wanted;
    if let Some(example) = EXAMPLES.iter().find(is_full) {
        return Ok(example);
    }
    let called = |example: &&Example| example.names().any(|name| plain(name) == wanted);
    match EXAMPLES.iter().filter(called).collect::<Vec<_>>().as_slice() {
        [only] => Ok(only),
        [] => Err(unknown(name)),
        several => Err(Failure::configuration(format!("several examples are called `{}`", clean_line(name)))
            .hint(format!("write one of {}", listed(several)))),
    }
}

fn unknown(name: &str) -> Failure {
    const ALL: &str = "`massgen --list-examples` names them all";
    let shown = clean_line(name);
    let failure = Failure::configuration(format!("there is no example `{shown}`"));
    if let Some(topic) = meant_topic(name) {
        let of_topic: Vec<&Example> = EXAMPLES.iter().filter(|example| example.topic() == topic).collect();
        return failure.hint(format!("of the topic `{topic}` there are {}", listed(&of_topic)));
    }
    let near = nearest(&shown);
    if near.is_empty() {
        return failure.hint(format!("topics are {}; {ALL}", topics().join(", ")));
    }
    failure.hint(format!("did you mean {}? {ALL}", listed(&near)))
}

/// The topics, in the order of the list.
fn topics() -> Vec<&'static str> {
    let mut topics: Vec<&str> = EXAMPLES.iter().map(Example::topic).collect();
    topics.dedup();
    topics
}

/// The topic that is called `name`, but for a slip.
fn meant_topic(name: &str) -> Option<&'static str> {
    let wanted = name.to_lowercase();
    let slips = |topic: &str| strsim::damerau_levenshtein(&wanted, topic);
    topics().into_iter().filter(|topic| slips(topic) <= 1).min_by_key(|topic| slips(topic))
}

/// The examples whose names are most like `name`, the most like first.
fn nearest(name: &str) -> Vec<&'static Example> {
    /// How like a name is that has what was typed as a part, or as one of its words but for a slip.
    const PART: f64 = 0.95;
    /// Shortest part of a name that says which.
    const TELLING: usize = 3;
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase().replace('-', "_");
    let wanted = short(name);
    let likeness = |name: &str| strsim::jaro_winkler(&wanted, &short(name));
    let has_part = |name: &str| {
        let name = short(name);
        let is_slip = |word: &str| strsim::damerau_levenshtein(&wanted, word) <= 1;
        wanted.len() >= TELLING && (name.contains(&wanted) || name.split('_').any(is_slip))
    };
    let of_example = |example: &Example| {
        let best = example.names().map(likeness).fold(0.0, f64::max);
        if has_part(example.name) { best.max(PART) } else { best }
    };
    let mut near: Vec<(f64, &Example)> =
        EXAMPLES.iter().map(|example| (of_example(example), example)).collect();
    let best = near.iter().map(|(likeness, _)| *likeness).fold(0.0, f64::max);
    near.retain(|(likeness, _)| *likeness >= LIKENESS.max(best - BEHIND_THE_BEST));
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(SUGGESTIONS).map(|(_, example)| example).collect()
}

fn listed(examples: &[&Example]) -> String {
    let names: Vec<String> = examples.iter().map(|example| format!("`{}`", example.path())).collect();
    names.join(", ")
}

/// All examples, for programs.
pub(crate) fn json() -> serde_json::Value {
    let examples = EXAMPLES.iter().map(|example| {
        serde_json::json!({
            "name": example.name,
            "config": example.path(),
            "topic": example.topic(),
            "description": example.description(),
            "also": example.also().collect::<Vec<_>>(),
        })
    });
    serde_json::json!({ "examples": examples.collect::<Vec<_>>() })
}

/// All examples with a line about each, for people.
pub(crate) fn list() -> String {
    let width = EXAMPLES.iter().map(|example| example.path().len()).max().unwrap_or_default();
    let mut list = String::new();
    let mut topic = "";
    for example in EXAMPLES {
        if example.topic() != topic {
            topic = example.topic();
            let _ = writeln!(list, "{}{topic}", if list.is_empty() { "" } else { "\n" });
        }
        let _ = writeln!(list, "  {:width$}  {}", example.path(), example.description());
    }
    list.push_str(
        "\nRun one:   massgen --config @examples/basic/three-agents \"question\"\n\
         Print one: massgen --example basic/three-agents\n\
         Without keys and costs: add --simulate.\n",
    );
    list
}

#[cfg(test)]
#[path = "examples_tests.rs"]
mod tests;
