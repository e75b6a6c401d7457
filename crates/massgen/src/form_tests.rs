use massgen_protocol::event::FinalSource;
use massgen_protocol::{RunMillis, Seq, Timestamp};
use massgen_testkit::history::spec;
use serde_json::json;

use super::*;

fn schema(value: Value) -> OutputSchema {
    serde_json::from_value(value).unwrap()
}

fn city() -> OutputSchema {
    schema(
        json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}, "people": {"type": "integer"}},
                  "required": ["city"], "additionalProperties": false}),
    )
}

#[test]
fn an_answer_that_fits_is_not_spoken_of() {
    assert_eq!(mismatch(&city(), r#"{"city": "Lyon", "people": 500000}"#), None);
    assert_eq!(mismatch(&city(), " {\"city\": \"Lyon\"}\n"), None);
}

#[test]
fn what_does_not_fit_is_named_without_the_values() {
    let told = |answer: &str| mismatch(&city(), answer).unwrap();
    insta::assert_snapshot!(
        [
            told("Lyon"),
            told("```json\n{\"city\": \"Lyon\"}\n```"),
            told("[]"),
            told("{}"),
            told(r#"{"city": 7}"#),
            told(r#"{"city": "Llanfairpwllgwyngyll", "people": "many"}"#),
            told(r#"{"city": "Lyon", "river": "Rhône"}"#),
        ]
        .join("\n")
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_refused_before_the_run() {
    let mut spec = spec(&["a", "b"]);
    require_usable(&spec).unwrap();
    spec.agents[1].backend.output_schema = Some(Arc::new(city()));
    require_usable(&spec).unwrap();
    for unusable in [
        json!({"type": "objekt"}),
        json!({"type": "object", "properties": []}),
        json!({"$ref": "https://example.test/schema.json"}),
        json!({"$ref": "file:///etc/hostname"}),
        json!({"$ref": "#/$defs/missing"}),
        json!({"type": "string", "pattern": "("}),
    ] {
        spec.agents[1].backend.output_schema = Some(Arc::new(schema(unusable.clone())));
        let told = require_usable(&spec).unwrap_err().to_string();
        assert!(told.contains("`output_schema` of `b` cannot be used"), "{unusable}: {told}");
    }
}

#[test]
fn the_schema_of_the_agent_that_answers_counts() {
    let mut spec = spec(&["a", "b"]);
    spec.agents[1].backend.output_schema = Some(Arc::new(city()));
    let remark = |no: usize, answer| remark(&spec, AgentNo::from_index(no), answer);
    assert_eq!(remark(0, "free text"), None);
    assert_eq!(remark(1, r#"{"city": "Lyon"}"#), None);
    insta::assert_snapshot!(remark(1, r#"{"city": "Lyon", "\u001b[31mred\u202e": 1}"#).unwrap());
}

#[test]
fn the_last_final_answer_is_judged_however_often_it_is_told() {
    let mut check = FormCheck::default();
    let mut spec = spec(&["a"]);
    spec.agents[0].backend.output_schema = Some(Arc::new(city()));
    check.spec = Some(Arc::new(spec));
    let answered = |content: &str| Envelope {
        v: massgen_protocol::event::ENVELOPE_VERSION,
        seq: Seq(7),
        at: Timestamp::from_micros(0),
        run_time: RunMillis(0),
        event: Event::FinalAnswerReady {
            agent: AgentNo::from_index(0),
            content: content.into(),
            source: FinalSource::Presented,
            snapshot: None,
        },
    };
    check.fold(&answered("{}"));
    check.fold(&answered("{}"));
    assert!(check.remark.as_ref().unwrap().contains("the final answer does not follow"));
    check.fold(&answered(r#"{"city": "Lyon"}"#));
    assert_eq!(check.remark(), None);
}
