//! How calls to a service are held back: what the configuration asks for, and what is told when it happens.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{millis, optional_millis};

/// What a configuration says about holding calls back. Nothing is the standard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pacing {
    /// When calls stop for a while (`llm_circuit_breaker_…`); `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSettings>,
    /// How many calls there may be (`rate_limits`, `enable_rate_limit`); `None`: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// How failed requests are repeated (`gemini_backoff_…`); `None`: as for every service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffSettings>,
    /// Time that one call may take, its repeated requests and the waits between them included, the waits for a turn
    /// under a rate limit not (`call_timeout_seconds`); `None`: as for every service.
    #[serde(with = "optional_millis", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub deadline: Option<Duration>,
    /// Longest silence of the service (`idle_timeout_seconds`); `None`: as for every service.
    #[serde(with = "optional_millis", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub idle_timeout: Option<Duration>,
}

impl Pacing {
    /// Whether nothing is asked for.
    pub fn is_standard(&self) -> bool {
        *self == Self::default()
    }
}

/// When calls to a service stop for a while, because it is broken or asks for a long wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerSettings {
    /// Failures in a row, over all agents that use the service, that stop the calls.
    pub max_failures: NonZeroU32,
    /// How long the calls stop first.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub pause: Duration,
    /// How much longer each further stop in a row is, and each further wait between two requests of a call, in percent
    /// of the one before; from 100.
    pub growth_percent: u32,
    /// Longest stop and longest wait between two requests; `pause` holds where it is longer.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub max_pause: Duration,
    /// Longest wait that a service may ask for (`Retry-After`); when it asks for more, calls stop for that time.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub max_retry_after: Duration,
    /// Status codes that are tried again and count as failures of the service. Those that are not here are tried again
    /// when they always are, and do not count.
    pub statuses: Vec<u16>,
}

impl Default for BreakerSettings {
    /// The defaults of the configuration file.
    fn default() -> Self {
        Self {
            max_failures: NonZeroU32::MIN.saturating_add(4),
            pause: Duration::from_mins(1),
            growth_percent: 200,
            max_pause: Duration::from_mins(5),
            max_retry_after: Duration::from_mins(2),
            statuses: vec![500, 502, 503, 529],
        }
    }
}

/// How many calls to one model of one service there may be, over all agents of the process. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateLimit {
    /// Requests in any 60 seconds (`rpm`).
    pub requests_per_minute: Option<NonZeroU32>,
    /// Input and output tokens in any 60 seconds (`tpm`).
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Requests in any 24 hours (`rpd`).
    pub requests_per_day: Option<NonZeroU32>,
}

impl RateLimit {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }
}

/// How failed requests are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackoffSettings {
    /// Requests that one call may send, the first included.
    pub attempts: NonZeroU32,
    /// Wait after the first failure.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub first_delay: Duration,
    /// Each further wait in percent of the one before; from 100.
    pub growth_percent: u32,
    /// Longest wait, one that the service asks for included: a call to a service that asks for more fails.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub max_delay: Duration,
    /// How much of a wait is added to it by chance at most, in percent.
    pub jitter_percent: u32,
}

/// What a call has to tell about its service before or between its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum ServiceReport {
    /// The call waits for its turn under a rate limit.
    Limited {
        /// Which.
        limit: RateWindow,
        /// How long at least.
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        wait: Duration,
    },
    /// Calls to the service stop: of all agents, for this time.
    Stopped {
        /// Why.
        cause: StopCause,
        /// How long.
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        pause: Duration,
    },
    /// The call waits because calls to the service have stopped.
    Held {
        /// How long at least; zero while another call tries the service.
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        wait: Duration,
    },
    /// The service answers again; calls go on.
    Restored,
    /// Files that a tool of the service made could not be fetched and are only named in the reply.
    FilesLeft {
        /// How many.
        count: u32,
        /// Why the first of them could not, as the end of a sentence that begins with it.
        problem: String,
    },
}

/// Limits of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "limit", content = "amount", rename_all = "snake_case")]
pub enum RateWindow {
    /// This many requests in any 60 seconds.
    RequestsPerMinute(NonZeroU32),
    /// This many tokens in any 60 seconds.
    TokensPerMinute(NonZeroU64),
    /// This many requests in any 24 hours.
    RequestsPerDay(NonZeroU32),
}

/// Why calls to a service stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum StopCause {
    /// It failed so often in a row.
    Failures {
        /// How often.
        count: u32,
    },
    /// It failed again when it was tried after a stop.
    FailedAgain,
    /// It asks for a wait that is longer than is waited for.
    Asked,
}

impl ServiceReport {
    /// The report about `service` in one line.
    pub fn line(&self, service: &str) -> String {
        match self {
            Self::Limited { limit, wait } => format!("waits{}: {limit} for {service}", at_least(*wait)),
            Self::Stopped { cause, pause } => {
                format!("calls to {service} stop for {}: {cause}", Seconds(*pause))
            }
            Self::Held { wait } if wait.is_zero() => {
                format!("waits: calls to {service} have stopped, one tries it now")
            }
            Self::Held { wait } => format!("waits{}: calls to {service} have stopped", at_least(*wait)),
            Self::Restored => format!("{service} answers again, calls go on"),
            Self::FilesLeft { count: 1, problem } => {
                format!("a file that was made by code stays with {service}: it {problem}")
            }
            Self::FilesLeft { count, problem } => {
                format!("{count} files that were made by code stay with {service}: the first {problem}")
            }
        }
    }
}

fn at_least(wait: Duration) -> String {
    if wait.is_zero() { String::new() } else { format!(" {} or longer", Seconds(wait)) }
}

impl fmt::Display for RateWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |amount: u64| if amount == 1 { "" } else { "s" };
        match self {
            Self::RequestsPerMinute(most) => {
                write!(f, "at most {most} request{} a minute", plural(most.get().into()))
            }
            Self::TokensPerMinute(most) => write!(f, "at most {most} token{} a minute", plural(most.get())),
            Self::RequestsPerDay(most) => {
                write!(f, "at most {most} request{} a day", plural(most.get().into()))
            }
        }
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures { count: 1 } => f.write_str("it failed"),
            Self::Failures { count } => write!(f, "it failed {count} times in a row"),
            Self::FailedAgain => f.write_str("it failed again when it was tried"),
            Self::Asked => f.write_str("it asks to wait that long"),
        }
    }
}

/// A span in whole seconds, rounded up: nobody is told of a wait of 0 s.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        write!(f, "{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_report_is_one_line() {
        let seconds = Duration::from_secs;
        let nine = NonZeroU32::MIN.saturating_add(8);
        let lines: Vec<String> = [
            ServiceReport::Limited { limit: RateWindow::RequestsPerMinute(nine), wait: seconds(7) },
            ServiceReport::Limited { limit: RateWindow::TokensPerMinute(NonZeroU64::MIN), wait: seconds(0) },
            ServiceReport::Stopped { cause: StopCause::Failures { count: 5 }, pause: seconds(60) },
            ServiceReport::Stopped { cause: StopCause::FailedAgain, pause: Duration::from_millis(1) },
            ServiceReport::Stopped { cause: StopCause::Asked, pause: seconds(600) },
            ServiceReport::Held { wait: seconds(59) },
            ServiceReport::Held { wait: seconds(0) },
            ServiceReport::Restored,
            ServiceReport::FilesLeft { count: 1, problem: "is empty".to_owned() },
            ServiceReport::FilesLeft { count: 3, problem: "is empty".to_owned() },
        ]
        .iter()
        .map(|report| report.line("gpt-5 at api.test"))
        .collect();
        assert_eq!(
            lines,
            [
                "waits 7 s or longer: at most 9 requests a minute for gpt-5 at api.test",
                "waits: at most 1 token a minute for gpt-5 at api.test",
                "calls to gpt-5 at api.test stop for 60 s: it failed 5 times in a row",
                "calls to gpt-5 at api.test stop for 1 s: it failed again when it was tried",
                "calls to gpt-5 at api.test stop for 600 s: it asks to wait that long",
                "waits 59 s or longer: calls to gpt-5 at api.test have stopped",
                "waits: calls to gpt-5 at api.test have stopped, one tries it now",
                "gpt-5 at api.test answers again, calls go on",
                "a file that was made by code stays with gpt-5 at api.test: it is empty",
                "3 files that were made by code stay with gpt-5 at api.test: the first is empty",
            ]
        );
    }

    #[test]
    fn a_pacing_that_asks_for_nothing_is_written_as_nothing() {
        assert_eq!(serde_json::to_string(&Pacing::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<Pacing>("{}").unwrap().is_standard());
    }
}
