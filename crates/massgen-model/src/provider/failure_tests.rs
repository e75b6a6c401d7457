use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;

fn witness() -> Witness {
    let url = Url::parse("http://me:canary-pass@example.test:81/v1?token=canary-query").unwrap();
    Witness::new(&url, Some(SecretString::from("canary-key")))
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn refused(status: u16, body: &Value) -> Failure {
    witness().status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes())
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
    let failure = witness().status(StatusCode::FOUND, &redirect, b"");
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
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "soon")], None),
        (&[], None),
    ] {
        assert_eq!(retry_after(&headers(pairs)), wait.map(Duration::from_millis), "{pairs:?}");
    }
}
