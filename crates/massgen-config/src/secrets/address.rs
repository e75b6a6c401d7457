//! Secrets in addresses: user name and password, and the values of the query.

use std::ops::Range;

use super::{Certainty, Part, is_harmless, variable_names_a_secret, without_references};

/// Most addresses inside of one address that are looked at.
const MOST_INSIDE: usize = 8;

/// The secrets in the value of a key that holds an address.
pub(super) fn parts(text: &str) -> Vec<Part> {
    // Whoever forgets the scheme does not mean to show the password.
    if text.contains("://") { of_line(text) } else { [user(text), query(text)].concat() }
}

/// The secrets in the addresses of a text: users and queries.
pub(super) fn of_line(text: &str) -> Vec<Part> {
    in_each(text, |address| [user(address), query(address)].concat())
}

/// User name and password of every address in `text`.
pub(super) fn user_parts(text: &str) -> Vec<Part> {
    in_each(text, user)
}

fn in_each(text: &str, parts: impl Fn(&str) -> Vec<Part>) -> Vec<Part> {
    let of_one = |address: Range<usize>| {
        let found = parts(text.get(address.clone()).unwrap_or_default());
        found.into_iter().map(move |part| part.within(address.start))
    };
    addresses(text).into_iter().flat_map(of_one).collect()
}

/// User name and password of an address, and the password alone: it is a secret without the name, too.
fn user(address: &str) -> Vec<Part> {
    let Some(end) = user_length(address) else { return Vec::new() };
    let user = address.get(..end).unwrap_or_default();
    if user.contains("${") && without_references(user).chars().all(|c| c == ':') {
        return Vec::new();
    }
    let certainty = if is_harmless(user) { Certainty::Possible } else { Certainty::Likely };
    let password = user.find(':').map(|colon| Part::likely(colon + 1..end));
    std::iter::once(Part { range: 0..end, certainty }).chain(password).collect()
}

/// What stands behind the scheme of each address, up to its end. An address may have others in its path or query.
fn addresses(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let mut addresses: Vec<Range<usize>> = Vec::new();
    let (mut outer_end, mut inside) = (0, 0);
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        if start <= outer_end {
            inside += 1;
            if inside <= MOST_INSIDE {
                addresses.push(start..outer_end);
            }
            continue;
        }
        let length = text.get(start..).and_then(|rest| rest.find(ends));
        outer_end = length.map_or(text.len(), |length| start + length);
        inside = 0;
        addresses.push(start..outer_end);
    }
    addresses
}

/// How many bytes before the `@` are user name and password.
fn user_length(address: &str) -> Option<usize> {
    let authority = address.find(['/', '?', '#']).and_then(|end| address.get(..end)).unwrap_or(address);
    if let Some(at) = authority.rfind('@') {
        return (at > 0).then_some(at);
    }
    // A port is a number: anything else is a password with a mark in it that should have been written as `%2F`.
    let port = authority.rsplit_once(':').map(|(_, port)| port)?;
    let is_port = port.chars().all(|c| c.is_ascii_digit()) || port.ends_with(']');
    if is_port { None } else { address.rfind('@') }
}

/// The values of the query and the fragment of `address`. What is harmless by itself is covered, but is no secret.
fn query(address: &str) -> Vec<Part> {
    let host = user_length(address).unwrap_or_default();
    let Some(start) = address.get(host..).and_then(|rest| rest.find(['?', '#'])).map(|at| host + at + 1)
    else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let mut from = start;
    for pair in address.get(start..).unwrap_or_default().split(['&', ';', '#', '?']) {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let at = from + pair.len() - value.len();
        let is_likely = variable_names_a_secret(name) || !is_harmless(value);
        if !without_references(value).is_empty() {
            let certainty = if is_likely { Certainty::Likely } else { Certainty::Possible };
            parts.push(Part { range: at..at + value.len(), certainty });
        }
        from += pair.len() + 1;
    }
    parts
}
