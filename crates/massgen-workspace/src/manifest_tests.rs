use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;

fn path(text: impl Into<Vec<u8>>) -> TreePath {
    TreePath::new(text).unwrap()
}

fn any_path() -> impl Strategy<Value = TreePath> {
    let part = vec(any::<u8>().prop_filter("a name", |byte| *byte != 0 && *byte != b'/'), 1..6)
        .prop_filter("a name", |part| part != b"." && part != b"..");
    vec(part, 1..4).prop_map(|parts| path(parts.join(&b'/')))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (any::<[u8; 32]>(), any::<u64>(), any::<bool>()).prop_map(|(digest, size, executable)| Entry::File {
            digest: Digest::from_bytes(digest),
            size,
            mode: if executable { Mode::Executable } else { Mode::Plain },
        }),
        vec(any::<u8>(), 0..20).prop_map(|target| Entry::Link { target }),
        Just(Entry::EmptyFolder),
    ]
}

/// Takes out what is below another entry.
fn without_nested(entries: &BTreeMap<TreePath, Entry>) -> BTreeMap<TreePath, Entry> {
    let nested = |path: &TreePath| {
        let above = std::iter::successors(path.parent(), TreePath::parent);
        above.into_iter().any(|folder| entries.contains_key(&folder))
    };
    entries
        .iter()
        .filter(|(path, _)| !nested(path))
        .map(|(path, entry)| (path.clone(), entry.clone()))
        .collect()
}

proptest! {
    #[test]
    fn every_tree_comes_back_from_its_bytes(
        entries in btree_map(any_path(), any_entry(), 0..30),
        left_out in btree_set(any_path(), 0..5),
    ) {
        let manifest = Manifest { tree: Tree { entries: without_nested(&entries) }, left_out };
        prop_assert_eq!(decode(&encode(&manifest.tree, &manifest.left_out)), Ok(manifest));
    }

    #[test]
    fn bytes_that_are_taken_are_the_only_ones_of_their_tree(
        entries in btree_map(any_path(), any_entry(), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&Tree { entries: without_nested(&entries) }, &BTreeSet::new());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(manifest) = decode(&bytes) {
            prop_assert_eq!(encode(&manifest.tree, &manifest.left_out), bytes);
        }
    }

    #[test]
    fn garbage_is_refused_and_not_fatal(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&[HEADER, &bytes].concat());
    }
}

#[test]
fn the_form_is_the_one_that_is_written_down() {
    let entries = [
        (path("bin/run"), Entry::File { digest: Digest::of(b""), size: 0, mode: Mode::Executable }),
        (path("here"), Entry::Link { target: b"bin/run".to_vec() }),
        (path("later"), Entry::EmptyFolder),
        (path("read me"), Entry::File { digest: Digest::of(b"x"), size: 1, mode: Mode::Plain }),
    ];
    let left_out = BTreeSet::from([path("node_modules")]);
    let bytes = encode(&Tree { entries: entries.into() }, &left_out);
    insta::assert_snapshot!(String::from_utf8(bytes).unwrap().replace('\0', "\n"), @"
    massgen snapshot 1
    x 0 af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 bin/run
    l 7 bin/run here
    d later
    f 1 3ae7d805f6789a6402acb70ad4096a85a56bf6804eaf25c0493ac697548d30b5 read me
    o node_modules
    ");
}

#[test]
fn what_could_be_written_in_two_ways_or_leads_outside_is_refused() {
    let lines = |lines: &[&str]| {
        let body = lines.join("\0") + "\0";
        decode(&[HEADER, body.as_bytes()].concat()).unwrap_err()
    };
    let errors = [
        decode(b"massgen snapshot 2\n").unwrap_err(),
        lines(&["d b", "d a"]),
        lines(&["d a", "d a"]),
        lines(&["o a", "d b"]),
        lines(&["d ../a"]),
        lines(&["d /etc"]),
        lines(&["l 03 abc a"]),
        lines(&["l 9999999999 abc a"]),
        lines(&["l 3 abc a", "d a.b", "d a/b"]),
    ];
    insta::assert_snapshot!(errors.join("\n"), @"
    it does not begin as a snapshot does, or it was written by a newer massgen
    `a` is not in order
    `a` is not in order
    `b` is not in order
    entry 1 cannot be read
    entry 1 cannot be read
    entry 1 cannot be read
    entry 1 cannot be read
    `a` has something below it and is not a folder
    ");
}
