use std::collections::BTreeSet;

use super::*;

#[test]
fn every_key_is_written_once() {
    let mut seen = BTreeSet::new();
    for key in keys() {
        assert!(seen.insert(key.path), "`{}` is written twice", key.path);
    }
    assert!(seen.len() > 300, "{}", seen.len());
}

#[test]
fn every_key_stands_in_a_map_that_is_a_key_too() {
    for key in keys().filter(|key| !key.parent().is_empty()) {
        // `memory` and its like are described as a section; `agents` as a list of them.
        let parent = key.parent();
        let found = super::key(parent.trim_end_matches("[]"));
        let found = found.unwrap_or_else(|| panic!("`{}` has no parent", key.path));
        let holds = match found.shape {
            Shape::Sections | Shape::NamedSections => parent.ends_with("[]"),
            shape => shape.allows_section() && !parent.ends_with("[]"),
        };
        assert!(holds, "`{}` cannot hold `{}`", found.path, key.path);
    }
}

#[test]
fn every_key_is_documented_in_one_line() {
    for key in keys() {
        let doc = key.doc.trim();
        assert!(doc.ends_with('.') && doc.len() <= 120 && !doc.contains('\n'), "{}: {doc}", key.path);
        assert!(!key.example.is_empty(), "{} has no example", key.path);
    }
}

#[test]
fn what_is_wanted_reads_as_a_part_of_a_sentence() {
    assert_eq!(Shape::Int(1, 5).wanted(), "a whole number from 1 to 5");
    assert_eq!(POSITIVE.wanted(), "a whole number from 1");
    assert_eq!(Shape::Choice(&["a", "b", "c"]).wanted(), "`a`, `b` or `c`");
    assert_eq!(Shape::Either(&[Shape::Bool, TEXTS]).wanted(), "`true` or `false`, or a list of texts");
}
