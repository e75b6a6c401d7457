use super::{Approval, Selection};
use crate::changes::fixture::path;

fn selection(json: &str) -> Selection {
    serde_json::from_str::<Approval>(json).unwrap().selection("/project")
}

#[test]
fn nothing_said_is_everything_and_an_empty_list_is_nothing() {
    assert_eq!(selection(r#"{"approved": true}"#), Selection::all());
    assert_eq!(selection(r#"{"approved_files": null}"#), Selection::all());
    assert_eq!(selection(r#"{"approved_files": []}"#), Selection::none());
}

#[test]
fn files_are_named_below_their_context_path_or_with_it() {
    let chosen = selection(
        r#"{"approved_files": ["a.py", "/project::src/b.py", "/other::c", "odd::name", "\"caf\\351\"", "d/"]}"#,
    );
    let odd = crate::tree::TreePath::new(*b"caf\xe9").unwrap();
    assert_eq!(chosen, Selection::files([path("a.py"), path("src/b.py"), path("odd::name"), odd, path("d")]));
}

#[test]
fn metadata_by_context_comes_first() {
    let chosen = selection(
        r#"{"approved_files": ["x"], "metadata": {
            "approved_files_by_context": {"/project": ["a"], "/other": ["b"]},
            "approved_hunks_by_context": {"/project": {"a": [0, 2]}, "/other": {"b": [1]}}}}"#,
    );
    let mut expected = Selection::files([path("a")]);
    expected.hunks.insert(path("a"), [0, 2].into());
    assert_eq!(chosen, expected);
    let other_only = r#"{"metadata": {"approved_files_by_context": {"/other": ["b"]}}}"#;
    assert_eq!(selection(other_only), Selection::none());
}
