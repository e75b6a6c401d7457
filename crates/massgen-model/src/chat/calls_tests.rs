use massgen_protocol::ids::AgentNo;
use serde_json::json;

use super::*;

fn assemble(fragments: &[Value]) -> Result<Vec<(String, String, String)>, String> {
    let mut calls = Calls::default();
    for fragment in fragments {
        calls.fragment(fragment.as_object().unwrap().clone());
    }
    let call_id = CallId { agent: AgentNo::from_index(0), number: 3 };
    let flat = |made: Assembled| (made.call.id, made.call.name, made.call.arguments);
    Ok(calls.finish(call_id)?.into_iter().map(flat).collect())
}

fn made(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn interleaved_fragments_go_to_their_index() {
    let calls = assemble(&[
        json!({"index": 0, "id": "a", "type": "function", "function": {"name": "read", "arguments": ""}}),
        json!({"index": 1, "id": "b", "function": {"name": "write", "arguments": "{\"p"}}),
        json!({"index": 0, "function": {"arguments": "{\"x\":"}}),
        json!({"index": 1, "function": {"arguments": "\":2}"}}),
        json!({"index": 0, "function": {"arguments": "1}"}}),
    ]);
    assert_eq!(calls, Ok(vec![made("a", "read", "{\"x\":1}"), made("b", "write", "{\"p\":2}")]));
}

#[test]
fn without_an_index_a_new_id_is_a_new_call() {
    let calls = assemble(&[
        json!({"id": "a", "function": {"name": "read", "arguments": "{}"}}),
        json!({"id": "b", "function": {"name": "read", "arguments": "{\"x\""}}),
        json!({"function": {"arguments": ":1}"}}),
        json!({"id": "a", "function": {"arguments": ""}}),
    ]);
    assert_eq!(calls, Ok(vec![made("a", "read", "{}"), made("b", "read", "{\"x\":1}")]));
}

#[test]
fn without_index_and_id_a_call_ends_with_its_object() {
    let calls = assemble(&[
        json!({"function": {"name": "read", "arguments": "{\"text\":\"} \\\""}}),
        json!({"function": {"arguments": "}\"}"}}),
        json!({"function": {"name": "read", "arguments": "{\"n\":{}}"}}),
        json!({"function": {"name": "list"}}),
        json!({"function": {"name": "list"}}),
    ]);
    let expected = vec![
        made("agent1-call-3-tool-0", "read", "{\"text\":\"} \\\"}\"}"),
        made("agent1-call-3-tool-1", "read", "{\"n\":{}}"),
        made("agent1-call-3-tool-2", "list", "{}"),
        made("agent1-call-3-tool-3", "list", "{}"),
    ];
    assert_eq!(calls, Ok(expected));
}

#[test]
fn one_index_for_all_calls_is_told_apart_by_id() {
    let calls = assemble(&[
        json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"x\":1}"}}),
        json!({"index": 0, "id": "b", "function": {"name": "read", "arguments": "{\"x\":2}"}}),
    ]);
    assert_eq!(calls, Ok(vec![made("a", "read", "{\"x\":1}"), made("b", "read", "{\"x\":2}")]));
}

#[test]
fn one_index_for_all_calls_without_ids_is_told_apart_by_complete_arguments() {
    let calls = assemble(&[
        json!({"index": 0, "function": {"name": "read", "arguments": "{\"x\":1}"}}),
        json!({"index": 0, "function": {"name": "read", "arguments": ""}}),
        json!({"index": 0, "function": {"name": "read", "arguments": "{\"x\":2}"}}),
    ]);
    let expected = vec![
        made("agent1-call-3-tool-0", "read", "{\"x\":1}"),
        made("agent1-call-3-tool-1", "read", "{\"x\":2}"),
    ];
    assert_eq!(calls, Ok(expected));
}

#[test]
fn a_fresh_id_with_every_fragment_is_one_call() {
    let calls = assemble(&[
        json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"x\""}}),
        json!({"index": 0, "id": "b", "function": {"arguments": ":1"}}),
        json!({"index": 0, "id": "c", "function": {"arguments": "}"}}),
    ]);
    assert_eq!(calls, Ok(vec![made("c", "read", "{\"x\":1}")]));
}

#[test]
fn objects_nulls_and_placeholders_become_argument_text() {
    let calls = assemble(&[
        json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": {"x": 1}}}),
        json!({"index": 1, "id": "b", "function": {"name": "read", "arguments": null}}),
        json!({"index": 2, "id": "c", "function": {"name": "read", "arguments": "null"}}),
        json!({"index": 2, "function": {"arguments": "{\"y\":2}"}}),
        json!({"index": 3, "id": "", "function": {"name": "read", "arguments": "not json"}}),
    ]);
    let expected = vec![
        made("a", "read", "{\"x\":1}"),
        made("b", "read", "{}"),
        made("c", "read", "{\"y\":2}"),
        made("agent1-call-3-tool-3", "read", "not json"),
    ];
    assert_eq!(calls, Ok(expected));
}

#[test]
fn one_id_twice_is_one_call_if_it_says_the_same_and_two_if_not() {
    let calls = assemble(&[
        json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"x\":1}"}}),
        json!({"index": 1, "id": "a", "function": {"name": "read", "arguments": "{\"x\":1}"}}),
        json!({"index": 2, "id": "a", "function": {"name": "read", "arguments": "{\"x\":2}"}}),
    ]);
    let expected = vec![made("a", "read", "{\"x\":1}"), made("agent1-call-3-tool-2", "read", "{\"x\":2}")];
    assert_eq!(calls, Ok(expected));
}

#[test]
fn a_call_without_a_name_is_an_error() {
    assert!(assemble(&[json!({"index": 0, "id": "a", "function": {"arguments": "{}"}})]).is_err());
}

#[test]
fn fields_of_the_provider_are_kept_for_the_way_back() {
    let mut calls = Calls::default();
    let signature = json!({"google": {"thought_signature": "s"}});
    let fragment = json!({"index": 0, "id": "a", "type": "function", "extra_content": signature,
        "function": {"name": "read", "arguments": "{}"}});
    assert_eq!(calls.fragment(fragment.as_object().unwrap().clone()), "{}");
    let made = calls.finish(CallId { agent: AgentNo::from_index(0), number: 1 }).unwrap();
    assert_eq!(Value::Object(made[0].extra.clone()), json!({"extra_content": signature}));
}
