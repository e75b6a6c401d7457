use super::*;

fn read(text: &str) -> Node {
    parse(&Source::new("test.yaml", text)).unwrap()
}

/// Line and column of a value.
fn place(node: &Node) -> (u32, u32) {
    let span = node.origin.span().unwrap();
    (span.line, span.column)
}

#[test]
fn every_value_and_key_knows_its_place() {
    let text = "a: 1\nb:\n  - x: 'yes'\n    é: \"q\" # c\n  - on\nc: {k: [1, 2.5]}\n";
    let source = Source::new("test.yaml", text);
    let root = parse(&source).unwrap();
    assert_eq!(place(root.get("a").unwrap()), (1, 4));
    let list = root.get("b").unwrap().list().unwrap();
    assert_eq!(place(list[0].get("x").unwrap()), (3, 8));
    let entry = list[0].entry("é").unwrap();
    assert_eq!(place(&entry.node), (4, 8));
    assert_eq!(entry.key_origin.span().and_then(|span| source.slice(span)), Some("é"));
    assert_eq!(entry.node.origin.span().and_then(|span| source.slice(span)), Some("\"q\""));
    assert_eq!(place(&root.at(&["c", "k"]).unwrap().list().unwrap()[1]), (6, 12));
}

#[test]
fn plain_words_are_truth_values_and_quoted_ones_are_texts() {
    let root = read("[yes, No, on, OFF, true, 'yes', \"no\", y, !!str on, yess]");
    let shapes: Vec<_> = root.list().unwrap().iter().map(Node::bool).collect();
    let texts = [None; 4];
    let mut wanted = vec![Some(true), Some(false), Some(true), Some(false), Some(true)];
    wanted.extend([None; 3]);
    assert_eq!(shapes[..8], wanted[..]);
    assert_eq!(shapes[9..], texts[..1]);
}

#[test]
fn scalars_keep_their_kind() {
    let root = read("{i: -3, u: 18446744073709551615, f: 2.5, t: text, n: ~, o: 0o17, v: 1.2.3}");
    assert_eq!(root.get("i").and_then(Node::int::<i64>), Some(-3));
    assert_eq!(root.get("u").and_then(Node::int::<u64>), Some(u64::MAX));
    assert_eq!(root.get("f").and_then(Node::number), Some(2.5));
    assert_eq!(root.get("v").and_then(Node::text), Some("1.2.3"));
    assert_eq!(root.get("n"), None);
    assert!(root.entry("n").is_some());
}

#[test]
fn anchors_and_merged_maps_are_put_in() {
    let root = read("base: &base {x: 1, y: 2}\none: *base\ntwo:\n  <<: *base\n  y: 3\n");
    assert_eq!(root.at(&["one", "x"]).and_then(Node::int::<u8>), Some(1));
    assert_eq!(root.at(&["two", "x"]).and_then(Node::int::<u8>), Some(1));
    assert_eq!(root.at(&["two", "y"]).and_then(Node::int::<u8>), Some(3));
    assert_eq!(place(root.get("one").unwrap()), (2, 6));
}

#[test]
fn debug_output_shows_no_text() {
    assert_eq!(
        format!("{:?}", read("{a: secret, b: [1, true]}")),
        r#"{"a": text of 6 bytes, "b": [number, true]}"#
    );
}

#[test]
fn a_value_is_put_at_a_path_but_never_over_a_wrong_one() {
    let mut root = read("a: {b: 1}\nwrong: text\nempty:\n");
    let origin = Origin::Flag("--x");
    root.set(&["a", "b"], Value::Int(2), &origin);
    root.set(&["new", "deep"], Value::Bool(true), &origin);
    root.set(&["empty", "k"], Value::Int(1), &origin);
    root.set(&["wrong", "k"], Value::Int(1), &origin);
    let wanted =
        serde_json::json!({ "a": { "b": 2 }, "wrong": "text", "empty": { "k": 1 }, "new": { "deep": true } });
    assert_eq!(root.to_json(), wanted);
    assert_eq!(root.at(&["a", "b"]).map(|node| &node.origin), Some(&origin));
}
