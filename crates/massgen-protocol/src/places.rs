//! Where the files are that an agent's text speaks of, for whoever reads the text: each agent has a folder of its own,
//! copies of the user's project in it, and a folder in which it finds what its peers made. None of them outlives the run.

use std::borrow::Cow;

use crate::ids::AgentNo;
use crate::paths::{Edge, Rule, Rules};
use crate::spec::RunSpec;
use crate::workspace::WorkspaceSpec;

/// The word that stands for a workspace when texts are compared.
const ANY_WORKSPACE: &str = "/workspace";

/// The rules for what agent `reader` reads of its peers. Its own folders stay what they are: it works there.
pub fn for_agent(spec: &RunSpec, reader: AgentNo) -> Rules {
    let own = spec.agent(reader).and_then(|agent| agent.workspace.as_deref());
    let rules = workspaces(spec).filter(|(no, _)| *no != reader).flat_map(|(no, peer)| {
        let itself = own.map_or_else(|| reader.to_string(), |own| own.folder.clone());
        let others = own.map_or_else(String::new, |own| slashed(&own.peers));
        [
            rule(trimmed(&peer.folder), own.map_or_else(|| no.to_string(), |own| own.of_peer(no))),
            rule(&peer.of_peer(reader), itself),
            rule(&slashed(&peer.peers), others),
        ]
    });
    Rules::new(rules)
}

/// The rules for what people, and later runs, read of agent `author`. Its files stand in the folder `kept`; without one,
/// and for what only its peers had, names stay that lead nowhere, without the places that are gone. What it wrote in a
/// copy of the user's project is named as the user knows it.
pub fn for_people(spec: &RunSpec, author: AgentNo, kept: Option<&str>) -> Rules {
    let mut rules = Vec::new();
    for (no, workspace) in workspaces(spec) {
        if no != author {
            rules.push(rule(trimmed(&workspace.folder), no.to_string()));
            continue;
        }
        for own in [trimmed(&workspace.folder), &workspace.of_peer(author)] {
            match kept {
                Some(kept) => rules.push(rule(own, kept.to_owned())),
                None => rules.extend(relative(own)),
            }
        }
        for seen in workspace.seen() {
            rules.extend(workspace.copy_of(seen).map(|copy| rule(&copy, seen.context.path.clone())));
        }
        rules.push(rule(&slashed(&workspace.peers), String::new()));
    }
    Rules::new(rules)
}

/// The rules that turn what is below `folder` into paths relative to it.
pub fn relative(folder: &str) -> [Rule; 2] {
    [rule(&slashed(folder), String::new()), rule(trimmed(folder), "./".to_owned())]
}

/// A text of agent `author` as it is compared with those of others: where its files are makes no difference.
pub fn compared<'a>(spec: &RunSpec, author: AgentNo, text: &'a str) -> Cow<'a, str> {
    let Some(workspace) = spec.agent(author).and_then(|agent| agent.workspace.as_deref()) else {
        return Cow::Borrowed(text);
    };
    let any = |path: &str| rule(path, ANY_WORKSPACE.to_owned());
    let mut rules = vec![any(trimmed(&workspace.folder))];
    if text.contains(trimmed(&workspace.peers)) {
        let peers = (0..spec.agents.len()).map(AgentNo::from_index);
        rules.extend(peers.map(|no| any(&workspace.of_peer(no))));
    }
    Rules::new(rules).apply(text)
}

fn workspaces(spec: &RunSpec) -> impl Iterator<Item = (AgentNo, &WorkspaceSpec)> {
    let agents = spec.agent_nos().into_iter().zip(&spec.agents);
    agents.filter_map(|(no, agent)| Some((no, agent.workspace.as_deref()?)))
}

fn rule(from: &str, to: String) -> Rule {
    Rule { from: from.to_owned(), to, edge: Edge::Path }
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn slashed(path: &str) -> String {
    format!("{}/", trimmed(path))
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
