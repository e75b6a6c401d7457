//! The tables of docs/guide/providers.md: which types there are, what was verified of each, and by what.
//!
//! No mark is a bare claim: it names the tests that prove it, and a test that is not in the sources is an error here. What
//! stands in [`super::marks`] is data; this module checks and prints it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use massgen_config::backends::{BackendType, Backends, Capability, Support};
use massgen_protocol::spec::Protocol;

use super::marks::{Behaviour, How, Mark, PROTOCOLS, Proof, SINGLE};
use crate::places;

const PAGE: &str = "docs/guide/providers.md";

/// What providers do themselves, for a type to have a mark in that column.
const PROVIDER_TOOLS: [Capability; 3] =
    [Capability::WebSearch, Capability::XSearch, Capability::CodeExecution];

/// The types as which peers were asked.
const PEERS: [&str; 4] = ["openai", "claude", "gemini", "chatcompletion"];

/// The types that speak a protocol alone, so that its tests are theirs, without a peer that speaks it.
const ALONE: [&str; 1] = ["ollama"];

/// The letter of a mark that a type has from its protocol only.
const INHERITED: &str = "r";

/// The page with its tables made anew; the text around them stays as it is.
pub(super) fn page() -> Result<String> {
    let root = places::root();
    let text = fs_err::read_to_string(root.join(PAGE))?;
    check(&root)?;
    let text = between(&text, "types", &types())?;
    let text = between(&text, "marks", &marks())?;
    let text = between(&text, "single", &single())?;
    between(&text, "proofs", &proofs())
}

/// `text` with `table` between the comments that begin and end the part `name`.
fn between(text: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (before, rest) =
        text.split_once(&begin).with_context(|| format!("{PAGE} has no `{}`", begin.trim()))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("{PAGE} has no `{}`", end.trim()))?;
    Ok(format!("{before}{begin}\n{table}\n{end}{after}"))
}

/// Every test that a mark names must be one.
fn check(root: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    let of_protocols = PROTOCOLS.iter().flat_map(|(_, marks)| marks.iter()).map(|(_, mark)| mark);
    for proof in of_protocols.chain(SINGLE.iter().map(|(_, _, mark)| mark)).flat_map(Mark::proofs) {
        let Proof { file, function, .. } = *proof;
        if !files.contains_key(file) {
            let text = fs_err::read_to_string(root.join(file))
                .with_context(|| format!("`{function}` is said to be proof, but its file is not there"))?;
            files.insert(file, text);
        }
        let is_there = files.get(file).is_some_and(|text| proof.is_in(text));
        if !is_there {
            bail!("`{function}` is said to be proof, but is not in {file}; mend xtask/src/generate/marks.rs");
        }
    }
    Ok(())
}

/// The types that reach a service.
fn services() -> impl Iterator<Item = &'static BackendType> {
    let types = Backends::built_in().types().iter();
    types.filter(|kind| matches!(kind.support, Support::Provider | Support::OwnServer))
}

fn types() -> String {
    let mut table = head(&["Type", "Service", "Protocol", "Address", "Key"]);
    for kind in services() {
        let address = kind.base_url.as_ref().map(|url| format!("`{url}`"));
        let variable = kind.base_url_variable.as_ref().map(|name| format!("`base_url`, or `{name}`"));
        let address = address.or(variable).unwrap_or_else(|| "`base_url`, always".to_owned());
        let keys: Vec<_> = kind.key_variables.iter().map(|name| format!("`{name}`")).collect();
        let keys = match (keys.as_slice(), kind.support == Support::OwnServer) {
            ([], _) => "none".to_owned(),
            (names, true) => format!("{}, if it wants one", names.join(", ")),
            (names, false) => names.join(", "),
        };
        let name = format!("`{}`", kind.name);
        row(&mut table, &[&name, &kind.display_name, word(kind.protocol), &address, &keys]);
    }
    table
}

fn marks() -> String {
    let titles: Vec<&str> = Behaviour::ALL.iter().map(|behaviour| behaviour.title()).collect();
    let mut table = head(&[&["Type", "Protocol"], titles.as_slice()].concat());
    for kind in services() {
        let name = format!("`{}`", kind.name);
        let mut cells = vec![name, word(kind.protocol).to_owned()];
        let was_asked = |proof: &&Proof| proof.how != How::Peer || PEERS.contains(&kind.name.as_str());
        cells.extend(Behaviour::ALL.iter().map(|behaviour| {
            let shown = shown(mark(kind, *behaviour), was_asked);
            if is_own(kind, *behaviour) { shown } else { shown.replace('R', INHERITED) }
        }));
        row(&mut table, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}

/// Whether the tests behind a mark are made for the type itself, not only for the protocol that it shares.
fn is_own(kind: &BackendType, behaviour: Behaviour) -> bool {
    let name = kind.name.as_str();
    let has_own_row = SINGLE.iter().any(|(other, what, _)| *other == name && *what == behaviour.title());
    PEERS.contains(&name) || ALONE.contains(&name) || has_own_row
}

/// The mark of a type is that of its protocol; of tools that providers run, a type may have its own mark or none.
fn mark(kind: &BackendType, behaviour: Behaviour) -> &'static Mark {
    let has_tools = PROVIDER_TOOLS.iter().any(|tool| kind.capabilities.contains(tool));
    if behaviour == Behaviour::ProviderTools {
        let own = SINGLE.iter().find(|(name, what, _)| *name == kind.name && *what == behaviour.title());
        return match own {
            Some((_, _, mark)) => mark,
            None if has_tools => of_protocol(kind.protocol, behaviour),
            None => &Mark::NotOffered,
        };
    }
    of_protocol(kind.protocol, behaviour)
}

fn of_protocol(protocol: Protocol, behaviour: Behaviour) -> &'static Mark {
    let marks = PROTOCOLS.iter().find(|(known, _)| *known == protocol).map(|(_, marks)| *marks);
    let mark = marks.unwrap_or_default().iter().find(|(known, _)| *known == behaviour);
    mark.map_or(&Mark::NotOffered, |(_, mark)| mark)
}

fn single() -> String {
    let mut table = head(&["Type", "What", "Verified"]);
    for (kind, what, mark) in SINGLE {
        row(&mut table, &[&format!("`{kind}`"), what, &shown(mark, |_| true)]);
    }
    // Nothing but the protocol was verified of the others.
    let is_plain = |kind: &&BackendType| {
        !PEERS.contains(&kind.name.as_str()) && !SINGLE.iter().any(|(name, _, _)| *name == kind.name)
    };
    for kind in services().filter(is_plain) {
        let cells =
            [&format!("`{}`", kind.name), "keeps to its protocol", &shown(&Mark::Documented, |_| true)];
        row(&mut table, &cells);
    }
    table
}

fn proofs() -> String {
    let mut table = head(&["Protocol or type", "Behaviour", "Verified by"]);
    let tests = |mark: &Mark| {
        let names = mark.proofs().iter().map(|proof| format!("`{}` in {}", proof.function, proof.file));
        names.collect::<Vec<_>>().join("; ")
    };
    for (protocol, marks) in PROTOCOLS {
        for (behaviour, mark) in marks.iter().filter(|(_, mark)| !mark.proofs().is_empty()) {
            row(&mut table, &[word(*protocol), behaviour.title(), &tests(mark)]);
        }
    }
    for (kind, what, mark) in SINGLE.iter().filter(|(_, _, mark)| !mark.proofs().is_empty()) {
        row(&mut table, &[&format!("`{kind}`"), what, &tests(mark)]);
    }
    table
}

/// The letters of a mark, of those proofs that count.
fn shown(mark: &Mark, counts: impl Fn(&&Proof) -> bool) -> String {
    match mark {
        Mark::NotOffered => "-".to_owned(),
        Mark::Documented => "D".to_owned(),
        Mark::Verified(proofs) => {
            let mut letters: Vec<&str> =
                proofs.iter().filter(counts).map(|proof| proof.how.letter()).collect();
            letters.sort_unstable_by(|one, other| other.cmp(one));
            letters.dedup();
            letters.join(" ")
        }
    }
}

/// A protocol as the configuration calls it.
fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::ChatCompletions => "Chat Completions",
        Protocol::Responses => "Responses",
        Protocol::Messages => "Messages",
        Protocol::Gemini => "Gemini",
        Protocol::Ollama => "Ollama",
    }
}

fn head(titles: &[&str]) -> String {
    let mut table = String::new();
    row(&mut table, titles);
    let _ = writeln!(table, "|{}", "---|".repeat(titles.len()));
    table
}

fn row(table: &mut String, cells: &[&str]) {
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_names_a_test_that_is_there() {
        check(&places::root()).unwrap();
    }

    #[test]
    fn a_test_that_is_gone_or_is_no_test_proves_nothing() {
        let proof = |function| Proof { how: How::Replayed, file: "f.rs", function };
        let text = "#[test]\nfn is_one() {}\n\n#[tokio::test]\nasync fn waits() {}\n\nfn helps() {}\n\
                    proptest! {\n    #[test]\n    fn holds(x in 0..1) {}\n}\n// fn gone() {}\n";
        for (function, is_proof) in [
            ("is_one", true),
            ("waits", true),
            ("holds", true),
            ("helps", false),
            ("gone", false),
            ("is", false),
            ("nowhere", false),
        ] {
            assert_eq!(proof(function).is_in(text), is_proof, "{function}");
        }
        // What asks a peer is part of a task and no test.
        let peer = Proof { how: How::Peer, ..proof("helps") };
        assert!(peer.is_in(text) && !Proof { function: "gone", ..peer }.is_in(text));
    }

    #[test]
    fn only_what_stands_between_the_comments_is_replaced() {
        let text = "a\n<!-- generated: t -->\nold\n<!-- end: t -->\nb\n";
        let new = between(text, "t", "| x |\n").unwrap();
        assert_eq!(new, "a\n<!-- generated: t -->\n\n| x |\n\n<!-- end: t -->\nb\n");
        assert_eq!(between(&new, "t", "| x |\n").unwrap(), new);
        assert!(between(text, "other", "").is_err());
    }

    #[test]
    fn every_protocol_has_a_mark_for_every_behaviour_and_single_types_exist() {
        for (protocol, marks) in PROTOCOLS {
            let behaviours: Vec<_> = marks.iter().map(|(behaviour, _)| *behaviour).collect();
            assert_eq!(behaviours, Behaviour::ALL, "{protocol:?}");
        }
        for kind in services() {
            assert!(PROTOCOLS.iter().any(|(protocol, _)| *protocol == kind.protocol), "{}", kind.name);
        }
        for (kind, _, _) in SINGLE {
            assert!(services().any(|known| known.name == *kind), "{kind}");
        }
    }
}
