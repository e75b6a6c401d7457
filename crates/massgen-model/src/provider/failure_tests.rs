use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;

/// 2 January 2026, 03:04:05 UTC.
const NOW: Timestamp = Timestamp::constant(1_767_323_045, 0);

fn witness() -> Witness {
    let url = Url::parse("http://me:canary-pass@example.test:81/v1?token=canary-query").unwrap();
    Witness::new(&url, vec![SecretString::from("canary-key")])
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn refused(status: u16, body: &Value) -> Failure {
    let status = StatusCode::from_u16(status).unwrap();
    witness().status(status, &HeaderMap::new(), body.to_string().as_bytes(), NOW)
}

#[test]
fn the_status_decides_and_the_code_tells_quota_and_window_apart() {
    use FailureKind::*;
    let plain = json!({"error": {"message": "no"}});
    for (status, kind) in [
        (400, Rejected),
        (401, Unauthorized),
        (402, QuotaExhausted),
        (403, Unauthorized),
        (404, Rejected),
        (408, Timeout),
        (409, Server),
        (413, ContextOverflow),
        (422, Rejected),
        (429, RateLimited),
        (500, Server),
        (503, Server),
        (529, Server),
    ] {
        assert_eq!(refused(status, &plain).kind, kind, "{status}");
    }
    let coded =
        |code: &str| json!({"error": {"message": "no", "type": "invalid_request_error", "code": code}});
    assert_eq!(refused(400, &coded("context_length_exceeded")).kind, ContextOverflow);
    assert_eq!(refused(429, &coded("insufficient_quota")).kind, QuotaExhausted);
    assert_eq!(
        refused(429, &json!({"error": {"message": "no", "type": "insufficient_quota"}})).kind,
        QuotaExhausted
    );
    assert_eq!(refused(500, &coded("x")).kind, Server);
    assert_eq!(
        refused(400, &json!({"error": {"message": "maximum context length exceeded"}})).kind,
        Rejected
    );
}

#[test]
fn where_to_look_is_told_when_the_key_is_refused_and_at_no_other_time() {
    let witness = witness().with_key_advice("look there".to_owned());
    let told = |status, code: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let body = json!({"error": {"message": "no", "code": code}}).to_string();
        witness.status(status, &HeaderMap::new(), body.as_bytes(), NOW).message.ends_with("no; look there")
    };
    assert!(told(401, "x") && told(400, "invalid_api_key"));
    assert!(!told(403, "permission_error") && !told(400, "x") && !told(500, "x"));
}

#[test]
fn messages_are_one_line_and_hold_no_secret() {
    let long = "x".repeat(1000);
    let failure = refused(401, &json!({"error": {"message": format!("key canary-key\n\n is {long}")}}));
    assert!(
        failure.message.starts_with("`example.test:81` answered 401 Unauthorized: key [key] is xxx"),
        "{failure:?}"
    );
    assert!(failure.message.ends_with('…') && failure.message.chars().count() < 400);
    for body in [json!("a text"), json!({"detail": "a text"}), json!([{"error": {"message": "a text"}}])] {
        assert!(refused(500, &body).message.ends_with(": a text"), "{body}");
    }
    assert_eq!(refused(502, &Value::Null).message, "`example.test:81` answered 502 Bad Gateway");
    let redirect = headers(&[("location", "https://elsewhere.test/x?canary")]);
    let failure = witness().status(StatusCode::FOUND, &redirect, b"", NOW);
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert!(
        failure.message.ends_with("a redirect to `elsewhere.test` that is not followed"),
        "{}",
        failure.message
    );
}

#[test]
fn errors_inside_a_stream_are_read_by_code_or_by_a_status_in_its_place() {
    use FailureKind::*;
    for (error, kind) in [
        (json!({"error": {"code": 502, "message": "no"}}), Server),
        (json!({"code": 429, "message": "no"}), RateLimited),
        (json!({"code": "rate_limit_exceeded", "message": "no"}), RateLimited),
        (json!({"message": "no", "type": "authentication_error"}), Unauthorized),
        (json!({"message": "no", "code": 400}), Rejected),
        (json!("no"), Server),
    ] {
        let failure = witness().in_stream(&error);
        assert_eq!((failure.kind, failure.message.ends_with(": no")), (kind, true), "{error}");
    }
}

#[test]
fn anthropics_types_and_sentences_have_their_kinds() {
    use FailureKind::*;
    let error = |code: &str, message: &str| json!({"type": "error", "error": {"type": code, "message": message}, "request_id": "req_1"});
    for (status, code, message, kind, streamed) in [
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            ContextOverflow,
            ContextOverflow,
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            ContextOverflow,
            ContextOverflow,
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the API.",
            QuotaExhausted,
            QuotaExhausted,
        ),
        (
            400,
            "invalid_request_error",
            "messages.1: `tool_use` ids were found without results",
            Rejected,
            Rejected,
        ),
        (401, "authentication_error", "invalid x-api-key", Unauthorized, Unauthorized),
        (402, "billing_error", "no", QuotaExhausted, QuotaExhausted),
        (403, "permission_error", "no", Unauthorized, Unauthorized),
        (404, "not_found_error", "model: x", Rejected, Rejected),
        (413, "request_too_large", "no", ContextOverflow, ContextOverflow),
        (429, "rate_limit_error", "no", RateLimited, RateLimited),
        (500, "api_error", "prompt is too long", Server, Server),
        (504, "timeout_error", "no", Server, Timeout),
        (529, "overloaded_error", "Overloaded", Server, Server),
    ] {
        let error = error(code, message);
        assert_eq!(refused(status, &error).kind, kind, "{status} {code}: {message}");
        assert_eq!(witness().in_stream(&error).kind, streamed, "{code}: {message}");
    }
}

#[test]
fn a_wait_is_asked_for_in_milliseconds_in_seconds_or_as_a_date() {
    for (pairs, wait) in [
        (&[("retry-after-ms", "1500"), ("retry-after", "9")][..], Some(1500)),
        (&[("retry-after", "7")], Some(7000)),
        (&[("retry-after", "0.25")], Some(250)),
        (
            &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")],
            Some(30_000),
        ),
        (
            &[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")],
            Some(0),
        ),
        (&[("retry-after", "Fri, 02 Jan 2026 03:04:35 GMT")], Some(30_000)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(0)),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "soon")], None),
        (&[], None),
    ] {
        assert_eq!(retry_after(&headers(pairs), NOW), wait.map(Duration::from_millis), "{pairs:?}");
    }
}

#[test]
fn what_the_server_says_of_a_repetition_goes_before_what_the_status_means() {
    for (said, repeat) in [("true", Repeat::Always), ("false", Repeat::Never), ("maybe", Repeat::ByKind)] {
        let failure =
            witness().status(StatusCode::BAD_REQUEST, &headers(&[("x-should-retry", said)]), b"", NOW);
        assert_eq!((failure.repeat, failure.status), (repeat, Some(400)));
    }
}

#[test]
fn a_wait_that_gemini_asks_for_in_the_body_counts_where_no_header_asks() {
    let details = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    ]);
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow", "details": details}});
    let failure = refused(429, &body);
    assert_eq!(
        (failure.kind, failure.retry_after),
        (FailureKind::RateLimited, Some(Duration::from_millis(34_500)))
    );
    assert_eq!(witness().in_stream(&body).retry_after, Some(Duration::from_millis(34_500)));
    let asked = headers(&[("retry-after", "7")]);
    let failure = witness().status(StatusCode::TOO_MANY_REQUESTS, &asked, body.to_string().as_bytes(), NOW);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    for bad in ["-3s", "soon", "1e400s", "5"] {
        let body = json!({"error": {"details": [{"retryDelay": bad}]}});
        assert_eq!(refused(429, &body).retry_after, None, "{bad}");
    }
}

#[test]
fn google_tells_a_spent_day_from_a_busy_minute_and_how_long_to_wait() {
    use FailureKind::*;
    let refusal = |details: Value| json!([{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED", "details": details}}]);
    let violation = |id: &str| json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]});
    let wait = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"});
    let minute = json!([violation("GenerateRequestsPerMinutePerProjectPerModel"), wait]);
    let day = json!([violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), wait]);
    let span = Some(Duration::from_millis(12_500));
    for (details, kind, retry_after) in [
        (minute, RateLimited, span),
        (day, QuotaExhausted, span),
        (json!([{"retryDelay": "soon"}]), RateLimited, None),
        (json!([{"retryDelay": "-1s"}]), RateLimited, None),
        (json!([{"retryDelay": "1e400s"}, 7, {"violations": 7}]), RateLimited, None),
    ] {
        for failure in
            [refused(429, &refusal(details.clone())), witness().in_stream(&refusal(details.clone()))]
        {
            assert_eq!((failure.kind, failure.retry_after), (kind, retry_after), "{details}");
        }
    }
    let body = refusal(json!([wait]));
    let failure = witness().status(
        StatusCode::TOO_MANY_REQUESTS,
        &headers(&[("retry-after", "3")]),
        body.to_string().as_bytes(),
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(failure.retry_after, Some(Duration::from_secs(3)), "the header counts first");
}

#[test]
fn a_window_that_is_full_and_a_wrong_key_are_told_from_other_bad_requests() {
    use FailureKind::*;
    let google = |message: &str, details: Value| json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}});
    let long = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).";
    for (status, body, kind) in [
        (400, google(long, json!([])), ContextOverflow),
        (400, google("API key not valid.", json!([{"reason": "API_KEY_INVALID"}])), Unauthorized),
        (400, google("bad", Value::Null), Rejected),
        (400, json!({"error": "the input length exceeds the context length"}), ContextOverflow),
        (404, json!({"error": "model 'x' not found"}), Rejected),
        (503, json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}), Server),
        (500, json!({"error": "an error was encountered while running the model"}), Server),
    ] {
        assert_eq!(refused(status, &body).kind, kind, "{body}");
    }
    assert_eq!(witness().in_stream(&json!("the model runner has stopped")).kind, Server);
}

#[test]
fn a_full_window_is_known_by_the_words_of_each_service_when_the_request_is_refused() {
    use FailureKind::*;
    let vllm = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.";
    let router =
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000.";
    let sglang = "The input (123 tokens) is longer than the model's context length (100 tokens).";
    let engine = "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that \
                  `max_model_len` is no smaller than the number of text tokens.";
    let mistral = "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length";
    for (error, kind) in [
        (json!({"message": engine, "type": "BadRequestError", "code": 400}), ContextOverflow),
        (json!({"message": mistral, "type": "invalid_request_error", "code": "3051"}), ContextOverflow),
        (json!({"message": mistral, "type": "invalid_request_prompt", "code": null}), ContextOverflow),
        (json!({"message": "the file is too large for model with it", "code": 400}), Rejected),
        (json!({"message": vllm, "type": "BadRequestError", "code": 400}), ContextOverflow),
        (json!({"message": vllm, "type": "invalid_request_error", "code": null}), ContextOverflow),
        (json!({"message": router, "code": 400}), ContextOverflow),
        (json!({"message": sglang, "type": "BadRequestError", "code": 400}), ContextOverflow),
        (json!({"message": "no", "type": "exceed_context_size_error", "code": 400}), ContextOverflow),
        (
            json!({"message": "no", "type": "context_length_exceeded", "code": "invalid_prompt"}),
            ContextOverflow,
        ),
        (json!({"message": "no", "type": "invalid_request_error", "code": 400}), Rejected),
    ] {
        assert_eq!(refused(400, &json!({"error": error})).kind, kind, "{error}");
        assert_eq!(witness().in_stream(&error).kind, kind, "{error}");
    }
    let moonshot = "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)";
    let dashscope = "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]";
    let together = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens";
    let bedrock = "Input is too long for requested model.";
    for (status, error) in [
        (400, json!({"message": moonshot, "type": "invalid_request_error"})),
        (
            400,
            json!({"message": dashscope, "type": "invalid_request_error", "code": "invalid_parameter_error"}),
        ),
        (400, json!({"message": "Prompt exceeds max length", "code": "1261"})),
        (400, json!({"message": "Prompt exceeds max length", "code": 1261})),
        (400, json!({"message": bedrock, "type": "invalid_request_error", "code": "validation_error"})),
        (422, json!({"message": together, "type": "invalid_request_error", "param": null, "code": null})),
        (422, json!({"message": vllm, "type": "invalid_request_error"})),
    ] {
        assert_eq!(refused(status, &json!({"error": error})).kind, ContextOverflow, "{error}");
        assert_eq!(witness().in_stream(&error).kind, ContextOverflow, "{error}");
    }
    assert_eq!(refused(400, &json!({"message": bedrock})).kind, ContextOverflow);
    for told in [vllm, engine, mistral] {
        let flat = json!({"object": "error", "message": told, "code": 400});
        assert_eq!(refused(400, &flat).kind, ContextOverflow, "{told}");
    }
    for (status, kind) in [(401, Unauthorized), (429, RateLimited), (500, Server)] {
        assert_eq!(refused(status, &json!({"error": {"message": vllm}})).kind, kind, "{status}");
        assert_eq!(witness().in_stream(&json!({"message": vllm, "code": status})).kind, kind, "{status}");
    }
}

#[test]
fn sentences_of_xai_are_understood() {
    use FailureKind::*;
    let said = |error: &str| json!({"code": "Client specified an invalid argument", "error": error});
    for (status, error, kind) in [
        (
            400,
            "This model's maximum prompt length is 131072 but the request contains 140032 tokens.",
            ContextOverflow,
        ),
        (
            400,
            "Failed to start sampling: [input_too_large] Current message (9 tokens) exceeds budget",
            ContextOverflow,
        ),
        (
            400,
            "Incorrect API key provided: ab***yz. You can obtain an API key from https://example.test.",
            Unauthorized,
        ),
        (
            429,
            "Your team t has either used all available credits or reached its monthly spending limit.",
            QuotaExhausted,
        ),
        (429, "Too many requests for team t", RateLimited),
        (400, "Argument not supported", Rejected),
    ] {
        let failure = refused(status, &said(error));
        assert_eq!(failure.kind, kind, "{error}");
        assert!(failure.message.ends_with(error), "{failure:?}");
    }
}

#[test]
fn codes_of_a_response_that_failed_are_understood() {
    use FailureKind::*;
    for (code, kind) in [
        ("server_error", Server),
        ("rate_limit_exceeded", RateLimited),
        ("vector_store_timeout", Server),
        ("context_length_exceeded", ContextOverflow),
        ("insufficient_quota", QuotaExhausted),
        ("invalid_prompt", Rejected),
        ("invalid_image_format", Rejected),
        ("failed_to_download_image", Rejected),
    ] {
        for said in
            [json!({"code": code, "message": "m"}), json!({"type": "error", "code": code, "message": "m"})]
        {
            assert_eq!(witness().in_stream(&said).kind, kind, "{said}");
        }
    }
}
