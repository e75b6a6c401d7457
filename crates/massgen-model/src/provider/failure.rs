//! What a provider's refusal means: from status, headers and body to a [`Failure`].

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use massgen_protocol::message::FailureKind;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::retry::{Failure, Repeat};

/// Longest message of a provider that is kept, in characters.
const MESSAGE_CHARS: usize = 300;

/// How failures of one endpoint name it, and what they must not say.
#[derive(Clone)]
pub(crate) struct Witness {
    /// Host and, if unusual, port.
    host: String,
    secrets: Vec<SecretString>,
    /// What to do when the key is refused.
    key_advice: Option<String>,
}

impl Witness {
    pub(crate) fn new(url: &Url, secrets: Vec<SecretString>) -> Self {
        let host = url.host_str().unwrap_or("unknown host");
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { host, secrets, key_advice: None }
    }

    /// The same, which also says what to do when the key is refused.
    pub(crate) fn with_key_advice(self, advice: String) -> Self {
        Self { key_advice: Some(advice), ..self }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `text` on one line, cut, without the keys.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "[key]");
        }
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = line.char_indices().nth(MESSAGE_CHARS) {
            line.truncate(cut);
            line.push('…');
        }
        line
    }

    /// The answer has another status than 200. `now` takes the place of the server's clock where it does not tell it.
    pub(crate) fn status(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Failure {
        let said = Said::read(&serde_json::from_slice(body).unwrap_or(Value::Null));
        let kind = said.kind().unwrap_or_else(|| kind_of(status));
        let kind = match (status, kind) {
            // The status decides whether waiting helps; the code only tells quota, window and key apart.
            (StatusCode::PAYLOAD_TOO_LARGE, _) => FailureKind::ContextOverflow,
            // xAI answers 400 to a wrong key.
            (_, FailureKind::ContextOverflow | FailureKind::QuotaExhausted)
            | (StatusCode::BAD_REQUEST, FailureKind::Unauthorized) => kind,
            // Together answers 422.
            (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, FailureKind::Rejected)
                if said.tells_full_window() =>
            {
                FailureKind::ContextOverflow
            }
            _ => kind_of(status),
        };
        let told = said.message.as_deref().map_or_else(String::new, |text| format!(": {}", self.clean(text)));
        let aside = match location(status, headers) {
            Some(target) => format!(", a redirect to `{target}` that is not followed"),
            None => String::new(),
        };
        // 403 is for a key that is known and may not do this.
        let key_refused = kind == FailureKind::Unauthorized && status != StatusCode::FORBIDDEN;
        let advice = self.key_advice.as_ref().filter(|_| key_refused);
        let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
        let message = format!("`{}` answered {status}{aside}{told}{advice}", self.host);
        Failure {
            status: Some(status.as_u16()),
            retry_after: retry_after(headers, now).or(said.retry_after),
            repeat: should_retry(headers),
            ..Failure::new(kind, message)
        }
    }

    /// The stream carries an error object.
    pub(crate) fn in_stream(&self, error: &Value) -> Failure {
        let said = Said::read(error);
        let kind = match said.kind() {
            None | Some(FailureKind::Rejected) if said.tells_full_window() => FailureKind::ContextOverflow,
            kind => kind.unwrap_or(FailureKind::Server),
        };
        let told = said.message.as_deref().unwrap_or("an error without a message");
        let message = format!("`{}` broke off with an error: {}", self.host, self.clean(told));
        Failure { retry_after: said.retry_after, ..Failure::new(kind, message) }
    }

    /// No answer, or it broke off.
    pub(crate) fn transport(&self, error: &reqwest::Error) -> Failure {
        let cause = self.clean(&root_cause(error));
        if error.is_builder() {
            return Failure::new(FailureKind::Rejected, format!("cannot write to `{}`: {cause}", self.host));
        }
        if is_distrust(error) {
            let advice = "name the file of your own authority in `MASSGEN_CA_BUNDLE`";
            let message = format!("no trusted connection to `{}`: {cause}; {advice}", self.host);
            return Failure::new(FailureKind::Network, message).for_good();
        }
        let (kind, what) = if error.is_timeout() {
            (FailureKind::Timeout, "no connection in time to")
        } else if error.is_connect() {
            (FailureKind::Network, "no connection to")
        } else {
            (FailureKind::Network, "the connection broke to")
        };
        Failure::new(kind, format!("{what} `{}`: {cause}", self.host))
    }

    /// Nothing came for `silence`.
    pub(crate) fn idle(&self, silence: Duration) -> Failure {
        Failure::new(FailureKind::Timeout, format!("`{}` was silent for {}", self.host, seconds(silence)))
    }

    /// The call took longer than its deadline.
    pub(crate) fn deadline(&self, deadline: Duration) -> Failure {
        Failure::new(FailureKind::Timeout, format!("`{}` took longer than {}", self.host, seconds(deadline)))
    }

    /// The stream ended before the reply was complete.
    pub(crate) fn cut(&self) -> Failure {
        Failure::new(
            FailureKind::Network,
            format!("`{}` ended the stream before the reply was complete", self.host),
        )
    }

    /// What came is not what the protocol says.
    pub(crate) fn malformed(&self, problem: impl std::fmt::Display) -> Failure {
        let problem = self.clean(&problem.to_string());
        Failure::new(FailureKind::Malformed, format!("`{}` sent something unreadable: {problem}", self.host))
    }

    /// The request cannot be written.
    pub(crate) fn unwritable(&self, problem: impl std::fmt::Display) -> Failure {
        let problem = self.clean(&problem.to_string());
        Failure::new(
            FailureKind::Rejected,
            format!("no request to `{}` can be written: {problem}", self.host),
        )
    }

    /// A page came instead of a reply.
    pub(crate) fn wrong_content(&self, content_type: &str) -> Failure {
        let content_type = self.clean(content_type);
        Failure::new(
            FailureKind::Rejected,
            format!(
                "`{}` answered with `{content_type}` instead of a reply; is the base URL right?",
                self.host
            ),
        )
    }
}

/// The parts of an error object that matter.
struct Said {
    message: Option<String>,
    codes: Vec<String>,
    status: Option<u16>,
    /// Wait that the error asks for.
    retry_after: Option<Duration>,
}

impl Said {
    /// Reads `{"error": {"message", "type", "code"}}`, the same without the wrapping, `{"error": "text"}`,
    /// `{"message": "text"}`, `{"detail": "text"}`, or a list that holds one of them.
    fn read(body: &Value) -> Self {
        let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        };
        let message = text(Some(error))
            .or_else(|| text(error.get("message")))
            .or_else(|| text(body.get("message")))
            .or_else(|| text(body.get("detail")));
        // xAI writes its codes as sentences, and the facts into the message.
        let sentence = message.as_deref().and_then(xai_code).map(str::to_owned);
        // Google says the particulars in a list beside its code: they are more exact than the code.
        let particulars = || error.get("details").and_then(Value::as_array).into_iter().flatten();
        let violations = particulars().filter_map(|one| one.get("violations")?.as_array()).flatten();
        let codes = particulars().filter_map(|one| text(one.get("reason")));
        let codes = codes.chain(violations.filter_map(|one| text(one.get("quotaId"))));
        let codes = sentence.into_iter().chain(codes);
        let codes =
            codes.chain(["code", "type", "status"].iter().filter_map(|key| text(error.get(key)))).collect();
        let status = error.get("code").or_else(|| error.get("status")).and_then(Value::as_u64);
        Self {
            message,
            codes,
            status: status.and_then(|status| u16::try_from(status).ok()),
            retry_after: particulars().find_map(|one| protobuf_seconds(one.get("retryDelay")?.as_str()?)),
        }
    }

    /// The kind that the error names itself, by code first and by a status in the code's place second.
    fn kind(&self) -> Option<FailureKind> {
        let told = self.message.as_deref().unwrap_or_default();
        let by_code = self.codes.iter().find_map(|code| match code.as_str() {
            // Google has no code of its own for it.
            "INVALID_ARGUMENT" if told.contains("exceeds the maximum number of tokens") => {
                Some(FailureKind::ContextOverflow)
            }
            day if day.contains("PerDay") => Some(FailureKind::QuotaExhausted),
            "context_length_exceeded" | "request_too_large" => Some(FailureKind::ContextOverflow),
            "insufficient_quota" | "billing_error" => Some(FailureKind::QuotaExhausted),
            "invalid_api_key"
            | "authentication_error"
            | "permission_error"
            | "API_KEY_INVALID"
            | "API_KEY_EXPIRED" => Some(FailureKind::Unauthorized),
            "rate_limit_exceeded" | "rate_limit_error" | "RESOURCE_EXHAUSTED" => {
                Some(FailureKind::RateLimited)
            }
            "overloaded_error" | "api_error" => Some(FailureKind::Server),
            "timeout_error" => Some(FailureKind::Timeout),
            "invalid_request_error" => Some(self.invalid_request()),
            "model_not_found" | "not_found_error" | "INVALID_ARGUMENT" | "invalid_prompt" => {
                Some(FailureKind::Rejected)
            }
            // A dozen codes of OpenAI for pictures that cannot be used.
            code if code.contains("image") => Some(FailureKind::Rejected),
            _ => None,
        });
        let by_text = || {
            // Ollama's errors are a text and nothing else.
            let overflows = ["exceeds the context length", "longer than the context length"];
            let is_text_only = self.codes.is_empty() && self.status.is_none();
            (is_text_only && overflows.iter().any(|words| told.contains(words)))
                .then_some(FailureKind::ContextOverflow)
        };
        by_code.or_else(by_text).or_else(|| {
            let status = StatusCode::from_u16(self.status?).ok()?;
            (!status.is_success()).then(|| kind_of(status))
        })
    }

    /// Whether a refused request does not fit into the window, as the services of Chat Completions say it: each in its
    /// own sentence, some with a code.
    fn tells_full_window(&self) -> bool {
        // Z.AI counts its errors.
        let codes = ["context_length_exceeded", "exceed_context_size_error", "1261"];
        let sentences = [
            // OpenAI, vLLM, DeepSeek, OpenRouter.
            "maximum context length is",
            // SGLang.
            "longer than the model's context length",
            // vLLM: "… is longer than the maximum model length of 4096".
            "longer than the maximum model length of",
            // Moonshot: "Your request exceeded model token limit: 262144".
            "exceeded model token limit",
            // DashScope: "Range of input length should be [1, 30720]".
            "Range of input length should be",
            // Bedrock.
            "Input is too long",
            // Together.
            "`inputs` tokens + `max_new_tokens` must be <=",
        ];
        // Mistral: "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length".
        let mistral = ["too large for model with", "maximum context length"];
        let told = self.message.as_deref().unwrap_or_default();
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
            || self.status == Some(1261)
            || sentences.iter().any(|sentence| told.contains(sentence))
            || mistral.iter().all(|words| told.contains(words))
    }

    /// What an invalid request means. Anthropic has no codes for a full window and an empty account, only sentences.
    fn invalid_request(&self) -> FailureKind {
        let said = self.message.as_deref().unwrap_or_default().to_lowercase();
        let tells = |sentences: &[&str]| sentences.iter().any(|sentence| said.contains(sentence));
        if tells(&["prompt is too long", "exceed context limit"]) {
            FailureKind::ContextOverflow
        } else if tells(&["credit balance is too low"]) {
            FailureKind::QuotaExhausted
        } else {
            FailureKind::Rejected
        }
    }
}

/// The code that a message of xAI amounts to.
fn xai_code(message: &str) -> Option<&'static str> {
    let told = [
        ("maximum prompt length is", "context_length_exceeded"),
        ("[input_too_large]", "context_length_exceeded"),
        ("Incorrect API key provided", "invalid_api_key"),
        ("used all available credits or reached its monthly spending limit", "insufficient_quota"),
    ];
    told.iter().find_map(|(words, code)| message.contains(words).then_some(*code))
}

fn kind_of(status: StatusCode) -> FailureKind {
    match status.as_u16() {
        401 | 403 => FailureKind::Unauthorized,
        402 => FailureKind::QuotaExhausted,
        408 => FailureKind::Timeout,
        413 => FailureKind::ContextOverflow,
        409 | 425 | 500.. => FailureKind::Server,
        429 => FailureKind::RateLimited,
        _ => FailureKind::Rejected,
    }
}

/// The host that a redirect leads to.
fn location(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let target = headers.get(reqwest::header::LOCATION).filter(|_| status.is_redirection())?;
    let url = Url::parse(target.to_str().ok()?).ok()?;
    url.host_str().map(str::to_owned)
}

/// What `x-should-retry` says.
fn should_retry(headers: &HeaderMap) -> Repeat {
    match headers.get("x-should-retry").map(HeaderValue::as_bytes) {
        Some(b"true") => Repeat::Always,
        Some(b"false") => Repeat::Never,
        Some(_) | None => Repeat::ByKind,
    }
}

/// The wait that the headers ask for: `retry-after-ms`, else `retry-after` in seconds or as a date. A date counts from
/// the server's own `date`, so clocks need not agree; from `now` where it tells none.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let wait = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(wait) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let moment = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let from = text(DATE.as_str()).and_then(moment).unwrap_or(now);
    let wait = moment(wait)?.duration_since(from);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// A span as `google.protobuf.Duration` writes it: `12.5s`.
fn protobuf_seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// Whether `error` says that the server's certificate is not trusted; that does not pass.
fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // An I/O error hides what it is made of from its chain of causes.
    let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    hidden.is_some_and(|error| is_distrust(error)) || error.source().is_some_and(is_distrust)
}

/// The last cause of `error`, which names no URL.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        // The text of a reqwest error may end in its URL; its class does not.
        Some(error) if error.is_timeout() => "timed out".to_owned(),
        Some(error) if error.is_builder() => "the request cannot be built".to_owned(),
        Some(_) => "the connection failed".to_owned(),
        None => cause.to_string(),
    }
}

fn seconds(span: Duration) -> String {
    if span.subsec_millis() == 0 {
        format!("{} s", span.as_secs())
    } else {
        format!("{} ms", span.as_millis())
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
