//! The text of an `.env` file: what it sets, and which of its lines are not understood.

use std::io::{self, Read};

/// Lines with a quote that is not closed before a text is given up there: it is read anew for each of them.
const UNCLOSED: usize = 100;

/// What a text sets.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Dotenv {
    /// Variables and their values, in the order of the text. Of several lines for one variable the first counts.
    pub(crate) variables: Vec<(String, String)>,
    /// The numbers of the lines that are not understood, the first line being 1. What stands there may be a key.
    pub(crate) torn: Vec<usize>,
}

impl Dotenv {
    /// Reads `text`. A line that is not understood is passed over; the lines behind it count.
    pub(crate) fn parse(text: &str) -> Self {
        // Editors of other systems put a mark before the first line.
        let text = text.trim_start_matches('\u{feff}');
        let mut lines: Vec<&str> = text.lines().collect();
        let mut torn = Vec::new();
        loop {
            let Pass { mut found, unclosed_from } = Pass::of(&lines);
            match unclosed_from {
                // Everything behind it was taken for its value. Without it, that is read as it was meant.
                Some(line) if torn.len() < UNCLOSED => {
                    torn.push(line);
                    if let Some(line) = line.checked_sub(1).and_then(|at| lines.get_mut(at)) {
                        *line = "";
                    }
                    continue;
                }
                Some(line) => torn.extend(line..=lines.len()),
                None => {}
            }
            found.torn.append(&mut torn);
            found.torn.sort_unstable();
            return found;
        }
    }
}

/// One reading of all lines.
struct Pass {
    found: Dotenv,
    /// The line of a quote that is not closed, where there is one.
    unclosed_from: Option<usize>,
}

impl Pass {
    fn of(lines: &[&str]) -> Self {
        let mut pass = Self { found: Dotenv::default(), unclosed_from: None };
        let read = std::cell::Cell::new(0);
        for entry in dotenvy::from_read_iter(OneByOne { lines, at: &read, rest: Vec::new() }) {
            match entry {
                Ok(variable) => pass.found.variables.push(variable),
                Err(dotenvy::Error::LineParse(torn, _)) => {
                    // What is not understood ends with the line that was read last.
                    let length = torn.lines().count().max(1);
                    let first = (read.get() + 1).saturating_sub(length).max(1);
                    if length > 1 {
                        pass.unclosed_from = Some(first);
                        return pass;
                    }
                    pass.found.torn.push(first);
                }
                // Lines in memory can be read.
                Err(_) => {}
            }
        }
        pass
    }
}

/// Lines that are given out one at a time, so that it is known how many were read.
struct OneByOne<'a> {
    lines: &'a [&'a str],
    /// How many were given out.
    at: &'a std::cell::Cell<usize>,
    /// What did not fit of the last one.
    rest: Vec<u8>,
}

impl Read for OneByOne<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            let Some(line) = self.lines.get(self.at.get()) else {
                return Ok(0);
            };
            self.at.set(self.at.get() + 1);
            self.rest.extend_from_slice(line.as_bytes());
            self.rest.push(b'\n');
        }
        let count = self.rest.as_slice().read(buffer)?;
        self.rest.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<usize>) {
        let Dotenv { variables, torn } = Dotenv::parse(text);
        let variables: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (variables.join(" "), torn)
    }

    #[test]
    fn a_line_that_is_not_understood_costs_no_other_line() {
        assert_eq!(read("A=1\n\n# keys\nB_KEY=top secret\nC=3\n"), ("A=1 C=3".to_owned(), vec![4]));
        assert_eq!(read("top secret value\nexport\nA=1"), ("A=1".to_owned(), vec![1, 2]));
        assert_eq!(read(""), (String::new(), vec![]));
    }

    #[test]
    fn a_quote_that_is_not_closed_swallows_nothing() {
        assert_eq!(read("A=1\nB='top secret\n# it\nC=3\nD=4"), ("A=1 C=3 D=4".to_owned(), vec![2]));
        assert_eq!(read("A=1\nB='top secret"), ("A=1".to_owned(), vec![2]));
        assert_eq!(read("A='1\nB' 2\nC=3\nD=4 5"), ("C=3".to_owned(), vec![1, 2, 4]));
    }

    #[test]
    fn values_over_several_lines_are_whole() {
        let text = "A='x\ntop secret\ny'\ntop secret\nB=\"1\n2\"\r\nC=${A}";
        assert_eq!(read(text), ("A=x\ntop secret\ny B=1\n2 C=x\ntop secret\ny".to_owned(), vec![4]));
    }

    #[test]
    fn marks_of_editors_and_spaces_at_the_end_do_no_harm() {
        assert_eq!(read("\u{feff}A=1\r\nB=2 "), ("A=1 B=2".to_owned(), vec![]));
    }

    #[test]
    fn long_lines_are_counted_as_one() {
        let long = "x".repeat(100_000);
        let (variables, torn) = read(&format!("A={long}\nB=1 2\nC=3"));
        assert_eq!((variables.len(), torn), (100_006, vec![2]));
    }

    #[test]
    fn a_text_full_of_open_quotes_is_given_up() {
        let text = format!("FIRST=1\n{}", "A=' x y\n".repeat(50_000));
        let Dotenv { variables, torn } = Dotenv::parse(&text);
        // Every line is told that was not read.
        assert_eq!((variables.len(), torn), (1, (2..=50_001).collect()));
    }
}
