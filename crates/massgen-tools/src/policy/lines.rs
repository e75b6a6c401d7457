//! Command lines, taken apart as far as rules that allow need it: what is not certain is not allowed. What rules that
//! refuse look at stands in [`super::seen`].

use super::seen::is_assignment;

/// The commands that `line` runs one after the other or together, as they are written, without the space around them.
/// `None` when more may be hidden in it than can be seen: substitutions, and words that run other words.
pub(crate) fn commands(line: &str) -> Option<Vec<String>> {
    let mut commands = vec![String::new()];
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let current = commands.last_mut()?;
        match (quote, c) {
            // A substitution works inside double quotes too.
            (None | Some('"'), '`') => return None,
            (None | Some('"'), '$') | (None, '<' | '>') if characters.peek() == Some(&'(') => return None,
            (None | Some('"'), '\\') => {
                current.push(c);
                current.extend(characters.next());
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                current.push(c);
            }
            (Some(open), c) if c == open => {
                quote = None;
                current.push(c);
            }
            // `2>&1` and `&>file` are no ends of commands.
            (None, '&') if current.ends_with('>') || characters.peek() == Some(&'>') => current.push(c),
            (None, ';' | '|' | '&' | '\n' | '(' | ')' | '{' | '}') => commands.push(String::new()),
            (_, c) => current.push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    let commands: Vec<String> = commands
        .iter()
        .map(|command| command.trim().to_owned())
        .filter(|command| !command.is_empty())
        .collect();
    if commands.iter().any(|command| runs_words(command)) { None } else { Some(commands) }
}

/// A command as the shell reads its words, as far as quotes hide them: `g"i"t` is `git`.
pub(crate) fn unquoted(command: &str) -> String {
    command.replace("\\\n", "").replace(['"', '\'', '\\'], "")
}

/// Words that run what comes after them: the command that counts is another.
fn runs_words(command: &str) -> bool {
    let is_before =
        |word: &str| is_assignment(word) || matches!(word, "command" | "env" | "nohup") || is_before(word);
    let mut words = command.split_whitespace().skip_while(|word| is_before(word));
    let name = words.next().map(|word| word.trim_matches(['"', '\'']).rsplit('/').next().unwrap_or_default());
    matches!(name, Some("eval" | "exec" | "source" | "." | "xargs" | "trap"))
}

/// Words of the shell that may stand before a command.
pub(crate) fn is_before(word: &str) -> bool {
    matches!(word, "!" | "then" | "do" | "else" | "if" | "while" | "time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_where_the_shell_does_it() {
        for (line, expected) in [
            ("git status", Some(vec!["git status"])),
            ("a && b; c | d\ne & f", Some(vec!["a", "b", "c", "d", "e", "f"])),
            ("echo 'a; b' \"c && d\" e\\;f", Some(vec!["echo 'a; b' \"c && d\" e\\;f"])),
            ("make 2>&1 | tail", Some(vec!["make 2>&1", "tail"])),
            ("make &> log", Some(vec!["make &> log"])),
            ("(cd x; ls)", Some(vec!["cd x", "ls"])),
            ("echo $(rm x)", None),
            ("echo \"$(rm x)\"", None),
            ("echo '$(rm x)'", Some(vec!["echo '$(rm x)'"])),
            ("echo `rm x`", None),
            ("diff <(a) b", None),
            ("eval rm x", None),
            ("ls | xargs rm", None),
            ("A=1 env 'exec' rm", None),
            ("/usr/bin/xargs rm", None),
            ("echo 'open", None),
        ] {
            let got = commands(line);
            assert_eq!(
                got.as_ref().map(|list| list.iter().map(String::as_str).collect()),
                expected,
                "{line}"
            );
        }
    }
}
