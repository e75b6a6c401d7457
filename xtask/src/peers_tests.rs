use super::*;

fn request(run: usize, response: &Value) -> Value {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    json!({
        "id": "req-1", "timestamp": 1, "method": "POST", "path": "/v1/chat/completions",
        "headers": {"authorization": "[REDACTED]", "host": "127.0.0.1:1"},
        "body": {
            "model": format!("peer-one-{run}"), "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
            "tools": [tool("new_answer"), tool("vote")], "_endpointType": "chat",
        },
        "response": response,
    })
}

fn seen(value: Value) -> Seen {
    serde_json::from_value(value).unwrap()
}

fn good() -> Value {
    request(0, &json!({"status": 200}))
}

/// `good` with one place changed.
fn changed(pointer: &str, value: Value) -> Seen {
    let mut request = good();
    *request.pointer_mut(pointer).unwrap() = value;
    seen(request)
}

#[test]
fn requests_as_the_protocol_says_pass() {
    check_requests(&vec![seen(good()); 7]).unwrap();
}

#[test]
fn every_departure_from_the_protocol_is_told() {
    let told = |request: Seen| format!("{:#}", check_request(&request).unwrap_err());
    assert_eq!(told(changed("/path", json!("/v1/responses"))), "not a chat completion");
    assert_eq!(told(changed("/body/stream", json!(false))), "not streaming");
    assert_eq!(told(changed("/body/tools", json!([]))), "the tool `new_answer` is not offered");
    assert_eq!(
        told(changed("/body/messages/1/content", json!("my key is peer-key"))),
        "the key is in the body"
    );
    assert_eq!(
        told(changed("/headers/host", json!("peer-key"))),
        "the key is in a header where it does not belong"
    );
    assert!(told(changed("/body/stream_options", json!({}))).contains("token counts are not asked for"));
    let refused = vec![changed("/response/status", json!(401)); 7];
    assert!(check_requests(&refused).unwrap_err().to_string().contains("401"));
    assert!(check_requests(&vec![seen(good()); 8]).unwrap_err().to_string().contains("saw 8"));
}

#[test]
fn faults_are_counted_by_kind_and_runs_by_the_models_suffix() {
    let responses = [
        (1, json!({"status": 200})),
        (1, json!({"status": 429, "chaosAction": "rateLimit", "source": "fixture"})),
        (2, json!({"status": 500, "chaosAction": "drop"})),
        (1, json!({"status": 0, "chaosAction": "disconnect"})),
        (2, json!({"status": 200, "interrupted": true, "interruptReason": "truncateAfterChunks"})),
        (2, json!({"status": 200, "chaosAction": "malformed"})),
        (2, json!({"status": 200})),
    ];
    let seen: Vec<Seen> = responses.map(|(run, response)| seen(request(run, &response))).into();
    let tally = Tally::of(&seen);
    assert_eq!(tally, Tally { requests: 7, most: 4, faults: [1; 5] });
    tally.proves().unwrap();
    assert!(tally.told(2).contains("faults                        5 (71 %)"), "{}", tally.told(2));
}

#[test]
fn runs_without_one_kind_of_fault_prove_nothing_about_it() {
    let tally = Tally { requests: 100, most: 9, faults: [1, 1, 1, 0, 1] };
    assert!(tally.proves().unwrap_err().to_string().contains("no request was cut in the middle"));
}

#[test]
fn a_key_in_a_file_of_a_run_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("a")).unwrap();
    fs_err::write(folder.path().join("a/log"), b"\xff\x00sent peer-key along").unwrap();
    assert!(keys_in_files(folder.path(), "peer-key").unwrap_err().to_string().ends_with("a/log"));
    keys_in_files(folder.path(), "other-key").unwrap();
}
