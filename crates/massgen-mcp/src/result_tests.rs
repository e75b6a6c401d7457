use serde_json::json;

use super::*;

fn read(result: Value) -> Called {
    called(result, &Mask::default())
}

fn text(result: Value) -> String {
    match read(result).outcome {
        ToolOutcome::Ok { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_are_joined_in_order() {
    let result = json!({"content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]});
    assert_eq!(text(result), "one\ntwo");
}

#[test]
fn is_error_is_an_error_even_without_a_text() {
    let error = |result| read(result).outcome;
    let told = json!({"content": [{"type": "text", "text": "no such file"}], "isError": true});
    assert_eq!(error(told), ToolOutcome::Error { text: "no such file".to_owned() });
    let silent = json!({"content": [], "isError": true});
    assert_eq!(error(silent), ToolOutcome::Error { text: "the tool failed and did not say why".to_owned() });
    let said = json!({"isError": true, "structuredContent": {"code": 5}});
    assert_eq!(error(said), ToolOutcome::Error { text: r#"{"code":5}"#.to_owned() });
}

#[test]
fn files_are_kept_and_named_where_they_stood() {
    let called = read(json!({"content": [
        {"type": "text", "text": "see"},
        {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
        {"type": "audio", "data": "aGVsbG8=", "mimeType": "no type\u{1b}"},
        {"type": "resource", "resource": {"uri": "file:///a.pdf", "blob": "aGk=", "mimeType": "application/pdf"}},
        {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "words"}},
        {"type": "resource_link", "uri": "file:///b", "name": "b", "description": "the other"},
        {"type": "image", "data": "???", "mimeType": "image/png"},
        {"type": "image", "data": "", "mimeType": "image/png"},
        {"type": "hologram", "data": "aGk="},
        {"type": "resource", "resource": {"uri": "x"}},
        {"type": "resource"},
        7,
    ]}));
    insta::assert_debug_snapshot!(called.files);
    let ToolOutcome::Ok { text, .. } = called.outcome else { panic!() };
    insta::assert_snapshot!(text);
}

#[test]
fn files_beyond_the_limit_are_counted() {
    let file = json!({"type": "image", "data": "aGk=", "mimeType": "image/png"});
    let called = read(json!({"content": vec![file; FILES_PER_RESULT + 2]}));
    assert_eq!(called.files.len(), FILES_PER_RESULT);
    let ToolOutcome::Ok { text, .. } = called.outcome else { panic!() };
    assert!(text.ends_with("[2 more files were left out]"));
}

#[test]
fn structured_content_is_added_unless_a_text_says_it() {
    let with = |said: &str, structured: Value| {
        text(json!({"content": [{"type": "text", "text": said}], "structuredContent": structured}))
    };
    assert_eq!(with("5 degrees", json!({"degrees": 5})), "5 degrees\n{\"degrees\":5}");
    assert_eq!(with("{ \"degrees\": 5 }", json!({"degrees": 5})), "{ \"degrees\": 5 }");
    assert_eq!(with("on branch main", json!({"result": "on branch main"})), "on branch main");
    assert_eq!(with("[1,2]", json!({"result": [1, 2]})), "[1,2]");
    assert_eq!(with("a\nb", json!({"content": "a\nb"})), "a\nb");
    assert_eq!(with("5", json!({"degrees": 5})), "5\n{\"degrees\":5}");
    assert_eq!(with("said", json!({"result": "other"})), "said\n{\"result\":\"other\"}");
    assert_eq!(text(json!({"structuredContent": [1]})), "[1]");
    assert_eq!(with("said", Value::Null), "said");
}

#[test]
fn what_is_no_result_is_an_error() {
    for result in [json!([]), json!("x"), Value::Null] {
        assert!(matches!(read(result).outcome, ToolOutcome::Error { .. }));
    }
    assert_eq!(text(json!({})), "");
    assert_eq!(text(json!({"content": "words"})), "");
}
