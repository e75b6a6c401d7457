//! `cargo xtask layers`: the house ([`house`]) checked by a program.

mod house;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::out::say;
use crate::places;
use crate::sizes::{self, Kind};
use crate::table::{Align, Table};
use house::{CONFINED, Confined, EVERY_TEST, Purity, ROOMS, Room, TestUse, WORLDLY};

/// A crate of the workspace as its manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    name: String,
    folder: PathBuf,
    edges: Vec<Edge>,
}

/// A declared dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    to: String,
    side: Side,
    used_by: UsedBy,
}

/// Where a dependency comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Workspace,
    External,
}

/// What a dependency is declared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UsedBy {
    Code,
    Tests,
}

pub(crate) fn run() -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(places::root()).no_deps().exec()?;
    let declared = declared(&metadata);
    let mut problems = check_edges(&declared, ROOMS, CONFINED);
    let mut scanned = 0;
    for room in declared.iter().filter(|room| is_pure(&room.name)) {
        for (file, text) in sources(&room.folder)? {
            scanned += 1;
            problems.extend(worldly_names(&format!("{}/{}", room.name, file.display()), &text));
        }
    }
    say(&told(&declared, scanned));
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        say(&format!("  {problem}"));
    }
    bail!(
        "the house is broken in {} place(s), first: {}",
        problems.len(),
        problems.first().map_or("", String::as_str)
    );
}

fn is_pure(name: &str) -> bool {
    ROOMS.iter().any(|room| room.name == name && room.purity == Purity::Pure)
}

fn declared(metadata: &Metadata) -> Vec<Declared> {
    let mut declared: Vec<Declared> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Declared {
            name: package.name.to_string(),
            folder: package.manifest_path.parent().map(PathBuf::from).unwrap_or_default(),
            edges: package
                .dependencies
                .iter()
                .map(|dependency| Edge {
                    to: dependency.name.clone(),
                    side: if dependency.path.is_some() { Side::Workspace } else { Side::External },
                    used_by: if dependency.kind == DependencyKind::Development {
                        UsedBy::Tests
                    } else {
                        UsedBy::Code
                    },
                })
                .collect(),
        })
        .collect();
    declared.sort_by(|a, b| a.name.cmp(&b.name));
    declared
}

/// Everything that `declared` does and the house does not allow, each as a sentence.
fn check_edges(declared: &[Declared], rooms: &[Room], confined: &[Confined]) -> Vec<String> {
    let mut problems = Vec::new();
    for room in rooms.iter().filter(|room| declared.iter().all(|found| found.name != room.name)) {
        problems.push(format!("`{}` is in the house but not in the workspace: take its row out", room.name));
    }
    for found in declared {
        let Some(room) = rooms.iter().find(|room| room.name == found.name) else {
            problems.push(format!(
                "`{}` is not in the house: give it a row, and a reason in ARCHITECTURE.md",
                found.name
            ));
            continue;
        };
        problems.extend(found.edges.iter().filter_map(|edge| match edge.side {
            Side::Workspace => forbidden_inside(room, edge),
            Side::External => forbidden_outside(&found.name, edge, confined),
        }));
    }
    problems
}

fn forbidden_inside(room: &Room, edge: &Edge) -> Option<String> {
    let to = edge.to.as_str();
    let allowed = room.may_use.contains(&to)
        || (edge.used_by == UsedBy::Tests && (EVERY_TEST.contains(&to) || room.tests_may_use.contains(&to)));
    let what = match edge.used_by {
        UsedBy::Code => "depends on",
        UsedBy::Tests => "tests with",
    };
    let list = if room.may_use.is_empty() { "none of ours".to_owned() } else { room.may_use.join(", ") };
    (!allowed).then(|| format!("`{}` {what} `{to}`; it may use {list}", room.name))
}

fn forbidden_outside(name: &str, edge: &Edge, confined: &[Confined]) -> Option<String> {
    let rule = confined.iter().find(|rule| rule.external == edge.to)?;
    let allowed =
        rule.to.contains(&name) || (edge.used_by == UsedBy::Tests && rule.tests == TestUse::Allowed);
    let place = match rule.to {
        [] => "tests".to_owned(),
        crates => crates.join(", "),
    };
    (!allowed)
        .then(|| format!("`{name}` names `{}`, which is confined to {place}: {}", rule.external, rule.reason))
}

/// The non-test sources of a crate, tests cut out, named relative to the crate.
fn sources(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    sizes::rust_files(&folder.join("src"), &mut files)?;
    let mut sources = Vec::new();
    for file in files {
        let name = file.strip_prefix(folder)?.to_owned();
        if sizes::kind(&name) == Kind::Code {
            sources.push((name, sizes::without_tests(&fs_err::read_to_string(&file)?)));
        }
    }
    Ok(sources)
}

/// Lines of `text` that name what a pure crate may not, comments apart.
fn worldly_names(file: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = lines.flat_map(|(number, line)| {
        WORLDLY.iter().filter(|name| line.contains(**name)).map(move |name| (number + 1, *name))
    });
    found.map(|(line, name)| format!("{file}:{line} names `{name}`, and its crate is pure")).collect()
}

/// What was checked, for people.
fn told(declared: &[Declared], scanned: usize) -> String {
    let mut rooms = Table::new(&[("crate", Align::Left), ("kind", Align::Left), ("uses", Align::Left)]);
    for found in declared {
        let uses: Vec<&str> = found
            .edges
            .iter()
            .filter(|edge| edge.side == Side::Workspace && edge.used_by == UsedBy::Code)
            .map(|edge| edge.to.trim_start_matches("massgen-"))
            .collect();
        let kind = if is_pure(&found.name) { "pure" } else { "" };
        rooms.row([
            found.name.clone(),
            kind.to_owned(),
            if uses.is_empty() { "-".to_owned() } else { uses.join(" ") },
        ]);
    }
    let mut externals =
        Table::new(&[("confined", Align::Left), ("used by", Align::Left), ("why", Align::Left)]);
    for rule in CONFINED {
        let users: Vec<&str> = declared
            .iter()
            .filter(|found| {
                found.edges.iter().any(|edge| edge.to == rule.external && edge.used_by == UsedBy::Code)
            })
            .map(|found| found.name.trim_start_matches("massgen-"))
            .collect();
        let users = if users.is_empty() { "-".to_owned() } else { users.join(" ") };
        externals.row([rule.external.to_owned(), users, rule.reason.to_owned()]);
    }
    let edges =
        |side| declared.iter().flat_map(|found| &found.edges).filter(|edge| edge.side == side).count();
    format!(
        "{}\n\n{}\n\nchecked: {} edges between {} crates, {} external edges against {} confined crates, {scanned} files of pure crates",
        rooms.render(),
        externals.render(),
        edges(Side::Workspace),
        declared.len(),
        edges(Side::External),
        CONFINED.len(),
    )
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
