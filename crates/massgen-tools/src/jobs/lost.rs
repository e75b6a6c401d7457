//! Jobs that were lost with the process that ran them.

use std::collections::BTreeMap;

use massgen_protocol::limits::REMEMBERED_JOBS;
use massgen_protocol::{AgentNo, Envelope, Event, Timestamp, ToolOutcome, ToolUse};
use serde_json::Value;

use super::{Start, Status};

/// A job whose end nobody has heard of: it was under way, or had ended untold, when its process did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostJob {
    /// Its id.
    pub(super) id: String,
    /// What ran.
    pub(super) tool: String,
    /// The call that started it.
    pub(super) source: ToolUse,
    /// When it began.
    pub(super) created: Timestamp,
}

/// The jobs of each agent that were lost with the processes before this one, the oldest first. `past` are the events of
/// the run so far. What an agent was told of before is not in it.
pub fn lost_jobs(past: &[Envelope]) -> BTreeMap<AgentNo, Vec<LostJob>> {
    let mut lost: BTreeMap<AgentNo, Vec<LostJob>> = BTreeMap::new();
    for envelope in past {
        let Event::ToolCallFinished { tool_use, outcome, .. } = &envelope.event else { continue };
        let (ToolOutcome::Ok { text, .. } | ToolOutcome::Error { text } | ToolOutcome::Denied { text }) =
            outcome
        else {
            continue;
        };
        let jobs = lost.entry(tool_use.call.agent).or_default();
        jobs.retain(|job| !job.is_told_by(text));
        if let Some(job) = LostJob::started(text, *tool_use, envelope.at)
            && jobs.len() < REMEMBERED_JOBS
            && jobs.iter().all(|known| known.id != job.id)
        {
            jobs.push(job);
        }
    }
    lost.retain(|_, jobs| !jobs.is_empty());
    lost
}

impl LostJob {
    /// The job that the result `text` of a call speaks of as under way.
    fn started(text: &str, source: ToolUse, created: Timestamp) -> Option<Self> {
        let record: Value = serde_json::Deserializer::from_str(text).into_iter().next()?.ok()?;
        let word = |name: &str| record.get(name).and_then(Value::as_str);
        let id = word("job_id").filter(|id| is_id(id))?;
        let is_under_way =
            matches!(word("status"), Some(MOVED)) || word("status") == Some(Status::Running.word());
        let job = Self { id: id.to_owned(), tool: word("tool_name")?.to_owned(), source, created };
        is_under_way.then_some(job)
    }

    /// Whether the result `text` of a call told its agent how it ended. Long results are previews, and no JSON.
    fn is_told_by(&self, text: &str) -> bool {
        let ended = [Status::Completed, Status::Failed, Status::Cancelled, Status::Lost];
        let is_record_of =
            || text.contains(&format!("\"job_id\":\"{}\"", self.id)) && !text.contains("\"jobs\":");
        let is_ended =
            || ended.iter().any(|status| text.contains(&format!("\"status\":\"{}\"", status.word())));
        text.contains(&super::announced(&self.id)) || (is_record_of() && is_ended())
    }

    /// What ran, as far as it is still known.
    pub(super) fn start(&self) -> Start {
        let kind = if self.tool.starts_with(crate::custom::PREFIX) {
            crate::source::Kind::Custom
        } else {
            crate::source::Kind::BuiltIn
        };
        Start { number: 0, tool: self.tool.clone(), kind, source: self.source }
    }
}

/// What the result of a call says as its status whose tool was moved to the background.
pub(crate) const MOVED: &str = "background";

fn is_id(text: &str) -> bool {
    text.strip_prefix(super::ID)
        .is_some_and(|digits| digits.len() == 12 && digits.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use massgen_protocol::event::ENVELOPE_VERSION;
    use massgen_protocol::{CallId, RunMillis, Seq};
    use serde_json::json;

    use super::*;
    use crate::testing::{House, Setup};

    fn past(texts: &[String]) -> Vec<Envelope> {
        let agent = AgentNo::from_index(0);
        let envelope = |(number, text): (u32, &String)| Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(u64::from(number)),
            at: Timestamp::from_micros(i64::from(number)),
            run_time: RunMillis::default(),
            event: Event::ToolCallFinished {
                tool_use: ToolUse { call: CallId { agent, number }, index: 0 },
                outcome: ToolOutcome::ok(text.as_str()),
                duration: Duration::ZERO,
                decisions: Vec::new(),
            },
        };
        (1..).zip(texts).map(envelope).collect()
    }

    fn lost(texts: &[String]) -> Vec<LostJob> {
        lost_jobs(&past(texts)).remove(&AgentNo::from_index(0)).unwrap_or_default()
    }

    /// What the calls of an agent are told that starts two jobs and hears of `heard` of them.
    async fn told(heard: &[(&str, bool)]) -> Vec<String> {
        let house = House::new();
        let started = json!({"tool_name": "execute_command", "arguments": {"command": "long"}});
        let first = house.ok("start_background_tool", started).await;
        let second = house.ok("execute_command", json!({"command": "hold", "background": true})).await;
        let mut texts = vec![first, second];
        for (name, by_id) in heard {
            let record: Value = serde_json::from_str(&texts[0]).expect("JSON");
            let arguments = if *by_id { json!({"job_id": record["job_id"]}) } else { json!({}) };
            texts.push(house.ok(name, arguments).await);
        }
        texts
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_are_lost_whose_end_was_never_told() {
        let tools =
            |texts: &[String]| lost(texts).into_iter().map(|job| job.source.call.number).collect::<Vec<_>>();
        assert_eq!(tools(&told(&[]).await), [1, 2]);
        let all = json!({"include_all": true}).to_string();
        assert_eq!(
            tools(&[told(&[]).await, vec![all, r#"{"job_id":"x","status":"running"}"#.to_owned()]].concat()),
            [1, 2]
        );
        // Its result is long, and told as a preview.
        for heard in ["wait_for_background_tool", "cancel_background_tool"] {
            assert_eq!(tools(&told(&[(heard, heard.starts_with("cancel"))]).await), [2], "{heard}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_is_told_once_of_each_job_that_was_lost() {
        let texts = told(&[]).await;
        let jobs = lost(&texts);
        let house = House::with(Setup { lost: jobs.clone(), ..Setup::default() });
        let all = house.json("list_background_tools", json!({"include_all": true})).await;
        assert_eq!((&all["count"], &all["jobs"][0]["status"]), (&json!(2), &json!("lost")));
        assert_eq!(house.json("list_background_tools", json!({})).await["count"], 0);
        let waited = house.ok("wait_for_background_tool", json!({})).await;
        assert!(waited.contains("nobody knows what came of it"), "{waited}");
        let said = house.ok("execute_command", json!({"command": "echo"})).await;
        let (_, news) = said.split_once("\n\n").expect("news");
        insta::assert_snapshot!(news.replace(&jobs[1].id, "[job]"), @"[background job [job] (mcp__command_line__execute_command) was lost when massgen was stopped: nobody knows what came of it; look what is there before you start it again]");
        let again = house.ok("execute_command", json!({"command": "echo"})).await;
        assert!(!again.contains("background job"), "{again}");
        // Killed once more, it is told no third time.
        assert_eq!(lost(&[texts, vec![waited, said]].concat()), []);
    }
}
