//! The files of a run, read back: what the agents did, as far as it is written down.
//!
//! They are read as what they are, files that anybody may have changed: sizes are bounded, shapes are checked, and a
//! file that is not there is a fact to be told.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use massgen_journal::artifacts::RunFolder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Longest document that is read as a whole.
const DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;

/// How much of the end of a log is read.
const TAIL_BYTES: u64 = 256 * 1024;

/// Most attempts of a question that are looked for.
const ATTEMPTS: u32 = 1000;

/// Most files of a run that are listed.
const FILES: usize = 200;

/// Deepest folder that is looked into for files.
const DEPTH: usize = 8;

/// Why something of a run cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// It was not written (yet), or was removed.
    #[error("there is no `{}`", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It cannot be read; the error names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what it should be.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// `status.json`, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunStatus {
    pub(crate) finish_reason: Option<String>,
    pub(crate) finish_reason_details: Option<String>,
    pub(crate) meta: Meta,
    pub(crate) costs: Costs,
    pub(crate) coordination: Coordination,
    agents: Map<String, Value>,
    pub(crate) results: Results,
    pub(crate) simulated: bool,
}

/// What the run is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    pub(crate) question: Option<String>,
    pub(crate) elapsed_seconds: f64,
}

/// How far the run has come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Coordination {
    pub(crate) phase: String,
}

/// What all agents took together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Costs {
    /// US dollars; `None` when a price is unknown.
    #[serde(rename = "total_estimated_cost")]
    pub(crate) dollars: Option<f64>,
    #[serde(rename = "total_input_tokens")]
    pub(crate) input_tokens: u64,
    #[serde(rename = "total_output_tokens")]
    pub(crate) output_tokens: u64,
}

/// What came of the run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Results {
    /// Votes by label of the answer.
    pub(crate) votes: Map<String, Value>,
    /// Id of the agent.
    pub(crate) winner: Option<String>,
}

/// One agent of `status.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AgentRecord {
    #[serde(skip)]
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) answer_count: u32,
    pub(crate) latest_answer_label: Option<String>,
    pub(crate) vote_cast: Option<VoteCast>,
    pub(crate) error: Option<AgentError>,
    pub(crate) token_usage: Option<TokenUsage>,
}

/// The vote of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VoteCast {
    pub(crate) voted_for_label: Option<String>,
    /// Whether it counts; files of other programs do not say.
    pub(crate) counts: Option<bool>,
}

/// Why an agent ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AgentError {
    pub(crate) message: Option<String>,
}

/// What an agent took.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenUsage {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cached_input_tokens: u64,
    /// US dollars; `None` when the price is unknown.
    pub(crate) estimated_cost: Option<f64>,
}

impl RunStatus {
    /// The agents, in the order of the file.
    pub(crate) fn agents(&self) -> Vec<AgentRecord> {
        let agents = self.agents.iter().filter_map(|(id, agent)| {
            let agent = AgentRecord::deserialize(agent).ok()?;
            Some(AgentRecord { id: id.clone(), ..agent })
        });
        agents.collect()
    }
}

/// An accepted answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnswerRecord {
    pub(crate) label: String,
    pub(crate) agent: String,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A vote, with its whole reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoteRecord {
    pub(crate) voter: String,
    pub(crate) label: String,
    pub(crate) target: String,
    pub(crate) reason: String,
}

/// One line of `events.jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventRecord {
    pub(crate) timestamp: String,
    pub(crate) event_type: String,
    pub(crate) agent_id: Option<String>,
    pub(crate) data: Map<String, Value>,
}

/// The end of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) text: String,
    /// Whether something before it was left out.
    pub(crate) is_cut: bool,
    pub(crate) path: PathBuf,
}

/// The run of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    folder: RunFolder,
}

impl Record {
    /// The newest attempt at the question of `folder`.
    pub(crate) fn of(folder: &RunFolder) -> Self {
        let attempts = (1..=ATTEMPTS).map(|attempt| RunFolder { attempt, ..folder.clone() });
        let newest = attempts.take_while(|folder| folder.attempt_dir().is_dir()).last();
        Self { folder: newest.unwrap_or_else(|| folder.clone()) }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.attempt_dir()
    }

    /// What `status.json` says.
    pub(crate) fn status(&self) -> Result<RunStatus, RecordError> {
        document(&self.folder.status_file())
    }

    /// The table of all steps.
    pub(crate) fn table(&self) -> Result<String, RecordError> {
        text(&self.folder.attempt_dir().join("coordination_table.txt"))
    }

    /// The end of what the agent with this id wrote and did.
    pub(crate) fn output(&self, agent: &str) -> Result<Tail, RecordError> {
        // The folder of an agent whose id is taken has another name, and so has its file.
        let name = self.folder.agent_dir(agent);
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        tail(&self.folder.attempt_dir().join("agent_outputs").join(format!("{name}.txt")))
    }

    /// The end of the notices of the system.
    pub(crate) fn log(&self) -> Result<Tail, RecordError> {
        tail(&self.folder.attempt_dir().join("agent_outputs").join("system_status.txt"))
    }

    /// The final answer of the agent with this id, and where it is.
    pub(crate) fn final_answer(&self, winner: &str) -> Result<(String, PathBuf), RecordError> {
        let of_turn = self.folder.turn_final_answer_file(winner);
        let path = if of_turn.exists() { of_turn } else { self.folder.final_answer_file(winner) };
        Ok((text(&path)?, path))
    }

    /// All accepted answers, the oldest first.
    pub(crate) fn answers(&self) -> Result<Vec<AnswerRecord>, RecordError> {
        #[derive(Deserialize)]
        struct Mapping {
            r#type: String,
            label: String,
            agent_id: String,
            path: PathBuf,
        }
        let file = self.folder.attempt_dir().join("snapshot_mappings.json");
        let mappings: Map<String, Value> = match document(&file) {
            Ok(mappings) => mappings,
            // It is only written when there is something to write.
            Err(RecordError::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut answers = Vec::new();
        for mapping in mappings.values() {
            let mapping = Mapping::deserialize(mapping).map_err(|error| damaged(&file, &error))?;
            if mapping.r#type != "answer" {
                continue;
            }
            let is_inside =
                mapping.path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !is_inside {
                return Err(damaged(&file, &format!("`{}` is outside of the run", mapping.path.display())));
            }
            let path = self.folder.attempt_dir().join(mapping.path);
            let (label, agent) = (mapping.label, mapping.agent_id);
            answers.push(AnswerRecord { label, agent, text: text(&path)?, path });
        }
        Ok(answers)
    }

    /// All votes, the oldest first.
    pub(crate) fn votes(&self) -> Result<Vec<VoteRecord>, RecordError> {
        #[derive(Deserialize)]
        struct Document {
            events: Vec<Step>,
        }
        #[derive(Deserialize)]
        struct Step {
            event_type: String,
            agent_id: Option<String>,
            #[serde(default)]
            context: Map<String, Value>,
        }
        let document: Document = document(&self.folder.attempt_dir().join("coordination_events.json"))?;
        let votes = document.events.into_iter().filter(|step| step.event_type == "vote_cast").map(|step| {
            let word = |key| step.context.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            VoteRecord {
                label: word("voted_for_label"),
                target: word("voted_for"),
                reason: word("reason"),
                voter: step.agent_id.unwrap_or_default(),
            }
        });
        Ok(votes.collect())
    }

    /// The last `count` events, the oldest of them first.
    pub(crate) fn events(&self, count: usize) -> Result<Vec<EventRecord>, RecordError> {
        let tail = tail(&self.folder.events_file())?;
        let events = tail.text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let events: Vec<EventRecord> = events.collect();
        let left_out = events.len().saturating_sub(count);
        Ok(events.into_iter().skip(left_out).collect())
    }

    /// The files of the run with their sizes in bytes, by path below its folder; and how many more there are at
    /// least.
    pub(crate) fn files(&self) -> Result<(Vec<(PathBuf, u64)>, usize), RecordError> {
        let root = self.folder.turn_dir();
        let mut files = Vec::new();
        let mut folders = vec![(root.clone(), 0)];
        let mut more = 0;
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs_err::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() && depth < DEPTH {
                    folders.push((entry.path(), depth + 1));
                } else if !kind.is_dir() {
                    let path = entry.path();
                    let path = path.strip_prefix(&root).unwrap_or(&path).to_owned();
                    files.push((path, entry.metadata()?.len()));
                }
            }
            if files.len() > FILES && !folders.is_empty() {
                more += 1;
                break;
            }
        }
        files.sort();
        more += files.len().saturating_sub(FILES);
        files.truncate(FILES);
        Ok((files, more))
    }
}

fn document<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    serde_json::from_str(&text(path)?).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, problem: &dyn std::fmt::Display) -> RecordError {
    RecordError::Damaged { path: path.to_owned(), problem: problem.to_string() }
}

fn open(path: &Path) -> Result<fs_err::File, RecordError> {
    match fs_err::File::open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(RecordError::Missing { path: path.to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

fn text(path: &Path) -> Result<String, RecordError> {
    let mut bytes = Vec::new();
    open(path)?.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT_BYTES {
        return Err(damaged(path, &"it is too long"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of the file `path`, from the beginning of a line on.
fn tail(path: &Path) -> Result<Tail, RecordError> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = if start == 0 { &text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
    Ok(Tail { text: text.to_owned(), is_cut: start > 0, path: path.to_owned() })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
