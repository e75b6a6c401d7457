use std::time::Duration;

use serde_json::json;

use super::super::calls::Call;
use super::*;

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
    let seen: Vec<Seen> = responses
        .map(|(run, response)| {
            let request = json!({
                "method": "POST", "path": "/v1/responses", "timestamp": 1,
                "body": {"model": format!("peer-one-{run}")}, "response": response,
            });
            serde_json::from_value(request).unwrap()
        })
        .into();
    let call = |run, ran_out| ((run, "agent1-call-1".to_owned()), Call { began: Duration::ZERO, ran_out });
    let tally = Tally::of(&seen, &[call(1, true), call(2, false)].into());
    assert_eq!(tally, Tally { requests: 7, most: 4, faults: [1; 5], ran_out: 1 });
    tally.proves().unwrap();
    assert!(tally.told(2, 2).contains("faults                        5 (71 %)"), "{}", tally.told(2, 2));
}

#[test]
fn runs_without_one_kind_of_fault_prove_nothing_about_it() {
    let tally = Tally { requests: 100, most: 9, faults: [1, 1, 1, 0, 1], ran_out: 1 };
    assert!(tally.proves().unwrap_err().to_string().contains("no request was cut in the middle"));
    let patient = Tally { faults: [1; 5], ran_out: 0, ..tally };
    assert!(patient.proves().unwrap_err().to_string().starts_with("no call ran out of time"));
}
