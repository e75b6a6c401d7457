use super::super::calls::Call;
use super::*;

/// A request of a member in run 7, with the `number`-th call of it, and what aimock did.
fn request(member: &Member, number: u32, timestamp: u64, response: &Value) -> Value {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let (before, after) = member.path;
    let model = format!("{}-7", member.model);
    let path = if after.is_empty() { before.to_owned() } else { format!("{before}{model}{after}") };
    json!({
        "id": "req-1", "timestamp": timestamp, "method": "POST", "path": path,
        "headers": {member.key_header: "[REDACTED]", "host": "127.0.0.1:1", CALL_HEADER: format!("agent1-call-{number}")},
        "body": {
            "model": model, "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
            "tools": [tool("new_answer"), tool("vote")], "_endpointType": "chat",
        },
        "response": response,
    })
}

fn seen(value: Value) -> Seen {
    serde_json::from_value(value).unwrap()
}

fn good(member: &Member) -> Value {
    request(member, 1, 1, &json!({"status": 200}))
}

/// The good request of the member that speaks chat completions, with one place changed.
fn changed(pointer: &str, value: Value) -> Seen {
    let mut request = good(&TEAM[3]);
    *request.pointer_mut(pointer).unwrap() = value;
    seen(request)
}

/// Two requests of each member and one more.
fn whole_run() -> Vec<Seen> {
    TEAM.iter().chain(&TEAM).chain(&TEAM[..1]).map(|member| seen(good(member))).collect()
}

#[test]
fn requests_as_their_protocols_say_pass() {
    check_requests(&whole_run()).unwrap();
}

#[test]
fn every_departure_from_the_protocol_is_told() {
    let told = |request: Seen| format!("{:#}", check_request(&request).unwrap_err());
    let sent_elsewhere = told(changed("/path", json!("/v1/responses")));
    assert_eq!(sent_elsewhere, "a `chatcompletion` sends to /v1/chat/completions");
    assert_eq!(told(changed("/body/model", json!("other-7"))), "it names no model of the team");
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
    let mut keyless = good(&TEAM[1]);
    keyless["headers"] = json!({"authorization": "[REDACTED]"});
    assert_eq!(told(seen(keyless)), "no key was sent in `x-api-key`");
}

#[test]
fn a_run_of_the_wrong_size_is_told() {
    let mut run = whole_run();
    run.push(seen(good(&TEAM[0])));
    assert!(check_requests(&run).unwrap_err().to_string().contains("saw 10"));
    run = whole_run();
    run[1] = seen(good(&TEAM[0]));
    assert!(check_requests(&run).unwrap_err().to_string().contains("`claude` sent 1 requests"));
    run[1] = changed("/response/status", json!(401));
    assert!(check_requests(&run).unwrap_err().to_string().contains("401"));
}

#[test]
fn repeats_are_few_in_time_and_after_a_fault_only() {
    let limited = json!({"status": 429, "chaosAction": "rateLimit"});
    let dropped = json!({"status": 500, "chaosAction": "drop"});
    let fine = json!({"status": 200});
    // Both calls began at 10 s.
    let calls: Calls = [1, 2]
        .map(|number| {
            let call = Call { began: Duration::from_secs(10), ran_out: false };
            ((7, format!("agent1-call-{number}")), call)
        })
        .into();
    let told = |requests: &[(u32, u64, &Value)]| {
        let seen: Vec<Seen> = requests
            .iter()
            .map(|(number, time, response)| seen(request(&TEAM[2], *number, 10_000 + time, response)))
            .collect();
        check_repeats(&seen, &calls).map_err(|error| error.to_string())
    };
    assert_eq!(told(&[(1, 0, &limited), (2, 5, &fine), (1, 1001, &dropped), (1, 1500, &fine)]), Ok(2));
    let early = told(&[(1, 0, &limited), (1, 800, &fine)]).unwrap_err();
    assert!(early.ends_with("came 800ms after a 429 that asked for 1 s"), "{early}");
    let paid_twice = told(&[(1, 0, &fine), (1, 800, &fine)]).unwrap_err();
    assert!(paid_twice.ends_with("was answered and asked again"), "{paid_twice}");
    assert_eq!(told(&[(1, 500, &dropped), (1, 2_800, &fine)]), Ok(1), "it is noted a little later");
    let late = told(&[(1, 500, &dropped), (1, 2_801, &fine)]).unwrap_err();
    assert_eq!(late, "agent1-call-1 of run 7 was sent 2.801s after it began, later than its 2s");
    let unknown = told(&[(3, 0, &fine)]).unwrap_err();
    assert_eq!(unknown, "run 7 does not tell of agent1-call-3");
    let many: Vec<_> = (0..6).map(|time| (1, time, &dropped)).collect();
    assert!(told(&many).unwrap_err().ends_with("sent 6 requests"));
}

#[test]
fn a_key_in_a_file_of_a_run_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("a")).unwrap();
    fs_err::write(folder.path().join("a/log"), b"\xff\x00sent peer-key along").unwrap();
    assert!(keys_in_files(folder.path(), "peer-key").unwrap_err().to_string().ends_with("a/log"));
    keys_in_files(folder.path(), "other-key").unwrap();
}
