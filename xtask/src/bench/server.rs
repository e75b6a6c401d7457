//! The model server of the testkit in a process of its own, so that it does not share a processor queue, a runtime or
//! memory with what is measured.

use std::io::{BufRead, stdin};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use massgen_testkit::model_server::{
    self as testkit, Outcome, ReceivedRequest, RequestRecord, ScriptedReply, chunks,
};
use serde_json::{Value, json};

use super::log::Served;
use super::measure::own_cpu_ms;
use crate::helper::Helper;
use crate::out::say;

/// How the server replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Schedule {
    /// Milliseconds from a request to the first chunk of its reply.
    #[arg(long)]
    pub(crate) first_token_ms: u64,
    /// Chunks of a reply.
    #[arg(long)]
    pub(crate) chunks: u32,
    /// Milliseconds between two chunks.
    #[arg(long)]
    pub(crate) chunk_ms: u64,
    /// Bytes of an answer.
    #[arg(long)]
    pub(crate) answer_bytes: usize,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { first_token_ms: 100, chunks: 20, chunk_ms: 10, answer_bytes: 600 }
    }
}

/// A running model server.
#[derive(Debug)]
pub(crate) struct ModelServer {
    helper: Helper,
    /// What agents have as their `base_url`.
    pub(crate) base_url: String,
}

impl ModelServer {
    pub(crate) fn start(schedule: Schedule) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("model-server");
        command.args(["--first-token-ms", &schedule.first_token_ms.to_string()]);
        command.args(["--chunks", &schedule.chunks.to_string()]);
        command.args(["--chunk-ms", &schedule.chunk_ms.to_string()]);
        command.args(["--answer-bytes", &schedule.answer_bytes.to_string()]);
        let helper = Helper::start(&mut command).context("the model server")?;
        let base_url = helper.hello.get("base_url").and_then(Value::as_str);
        let base_url = base_url.context("the model server told no address")?.to_owned();
        Ok(Self { helper, base_url })
    }

    /// Milliseconds since the server began.
    pub(crate) fn now_ms(&mut self) -> Result<f64> {
        self.helper.ask("now")?.as_f64().context("the model server told no time")
    }

    /// Processor time that the server itself has used.
    pub(crate) fn cpu_ms(&mut self) -> Result<f64> {
        self.helper.ask("cpu")?.as_f64().context("the model server told no processor time")
    }

    /// How many requests have arrived.
    pub(crate) fn begun(&mut self) -> Result<usize> {
        serde_json::from_value(self.helper.ask("begun")?).context("the model server told no number")
    }

    /// All requests so far, each with nothing of its body but the model.
    pub(crate) fn timings(&mut self) -> Result<Vec<Served>> {
        serde_json::from_value(self.helper.ask("timings")?)
            .context("the model server's log is not as expected")
    }

    /// All requests so far.
    pub(crate) fn log(&mut self) -> Result<Vec<Served>> {
        serde_json::from_value(self.helper.ask("log")?).context("the model server's log is not as expected")
    }
}

/// Words that only a request for the presentation has: they are of our own prompt.
const PRESENTATION: &str = "the final answer";
/// What only a request has whose agent has called a tool before.
const CALLED: &str = "\"tool_calls\"";

/// What the script decided for a request: how long its reply takes, and in how many chunks.
type Plans = Arc<Mutex<Vec<(usize, f64, usize)>>>;

/// The hidden task `model-server`: serves until its standard input closes.
pub(crate) fn serve(schedule: Schedule) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plans = Plans::default();
    let script = {
        let plans = Arc::clone(&plans);
        move |request: &ReceivedRequest| {
            let reply = reply(&String::from_utf8_lossy(&request.body), &schedule);
            let (planned_ms, chunks) = plan(&reply, &schedule);
            let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
            plans.push((request.number, planned_ms, chunks));
            reply
        }
    };
    runtime.block_on(async {
        let server = testkit::ModelServer::start(script, schedule.of_testkit()).await?;
        let begin = Instant::now();
        say(&json!({"base_url": server.base_url()}).to_string());
        // Standard input blocks: it has a thread of its own, and the streams go on in this one.
        let answering = tokio::task::spawn_blocking(move || -> Result<()> {
            for line in stdin().lock().lines() {
                say(&told(&line?, begin, &server, &plans).to_string());
            }
            Ok(())
        });
        answering.await?
    })
}

fn told(question: &str, begin: Instant, server: &testkit::ModelServer, plans: &Plans) -> Value {
    let plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    let all = |body: fn(&RequestRecord) -> Value| -> Value {
        let requests = server.requests();
        let plan = |number: usize| plans.iter().find(|plan| plan.0 == number);
        let served = requests.iter().map(|request| {
            let (planned_ms, chunks) = plan(request.number).map_or((0.0, 0), |plan| (plan.1, plan.2));
            let ended = request.finished().filter(|_| request.outcome() == Outcome::Complete);
            json!(Served {
                begin_ms: ms(request.arrived),
                end_ms: ended.map(ms),
                planned_ms,
                chunks,
                body: body(request)
            })
        });
        served.collect()
    };
    match question {
        "now" => json!(ms(begin.elapsed())),
        "cpu" => json!(own_cpu_ms().ok()),
        "begun" => json!(server.requests().len()),
        "log" => all(RequestRecord::json),
        "timings" => all(|request| json!({"model": request.json().get("model")})),
        other => json!({"error": format!("unknown request: {other}")}),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Schedule {
    fn of_testkit(&self) -> testkit::Schedule {
        testkit::Schedule {
            first_token: Duration::from_millis(self.first_token_ms),
            chunks: self.chunks as usize,
            interval: Duration::from_millis(self.chunk_ms),
        }
    }
}

/// What an agent says: an answer first, then a vote for the first agent, then the presentation.
fn reply(body: &str, schedule: &Schedule) -> ScriptedReply {
    let text = "Two: the sea bulges on both sides, and the earth turns below. ";
    let answer = text.repeat(schedule.answer_bytes.div_ceil(text.len()));
    let answer = answer.get(..schedule.answer_bytes).unwrap_or(&answer);
    if body.contains(PRESENTATION) || !body.contains(CALLED) {
        return ScriptedReply::call("new_answer", &json!({"content": answer}));
    }
    let reason = "It says how many there are, and its reason is also the true one.";
    ScriptedReply::call("vote", &json!({"agent_id": "agent1", "reason": reason}))
}

/// How long `reply` takes by the schedule, and in how many chunks it goes out.
fn plan(reply: &ScriptedReply, schedule: &Schedule) -> (f64, usize) {
    let chunks = match reply {
        ScriptedReply::Speak(reply) => chunks::frames(reply, &schedule.of_testkit(), "").len(),
        ScriptedReply::Refuse { .. } | ScriptedReply::Raw { .. } | ScriptedReply::Hang => 0,
    };
    let steps = u32::try_from(chunks.saturating_sub(1)).unwrap_or(u32::MAX);
    (ms(schedule.of_testkit().first_token + schedule.of_testkit().interval.saturating_mul(steps)), chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(reply: &ScriptedReply) -> (String, usize) {
        match reply {
            ScriptedReply::Speak(reply) => (reply.calls[0].name.clone(), reply.calls[0].arguments.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_agent_answers_then_votes_then_presents() {
        let schedule = Schedule::default();
        let first = reply(r#"{"messages":[{"role":"user"}]}"#, &schedule);
        assert_eq!(called(&first), ("new_answer".to_owned(), 600 + r#"{"content":""}"#.len()));
        let then = r#"{"messages":[{"role":"assistant","tool_calls":[]},{"content":"now judge"}]}"#;
        assert_eq!(called(&reply(then, &schedule)).0, "vote");
        let last = then.replace("now judge", "Write the final answer for the user");
        assert_eq!(called(&reply(&last, &schedule)).0, "new_answer");
    }

    #[test]
    fn answers_and_votes_take_as_long_as_the_schedule_says() {
        let schedule = Schedule::default();
        for body in ["", CALLED] {
            assert_eq!(plan(&reply(body, &schedule), &schedule), (290.0, 20), "for `{body}`");
        }
    }
}
