//! The reference of the command line: what the program itself says.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::programs::read;

const HEAD: &str = "# Command line\n\n\
    <!-- Written by `cargo xtask gen` from what the program says. -->\n";

/// The help of the program and of each of its sub-commands.
pub(crate) fn reference(program: &Path) -> Result<String> {
    reference_of(|command| help(program, command))
}

fn reference_of(help: impl Fn(&[String]) -> Result<String>) -> Result<String> {
    let mut text = HEAD.to_owned();
    let mut waiting = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let help = help(&command)?;
        let title = [&["massgen".to_owned()], command.as_slice()].concat().join(" ");
        write!(text, "\n## `{title}`\n\n```text\n{}\n```\n", help.trim_end())?;
        for name in commands(&help).into_iter().rev() {
            waiting.push([command.as_slice(), &[name]].concat());
        }
    }
    Ok(text)
}

/// What `massgen COMMAND --help` prints, 100 columns wide whatever the terminal, with nothing from the environment.
fn help(program: &Path, command: &[String]) -> Result<String> {
    read(Command::new(program).args(command).arg("--help").env_clear().env("COLUMNS", "100"))
}

/// The sub-commands that a help text lists, `help` itself apart.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = list.take_while(|line| line.starts_with(' ') || line.is_empty());
    entries
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sub_command_has_its_section() {
        let help = |command: &[String]| {
            Ok(match command.join(" ").as_str() {
                "" => "Top\n\nCommands:\n  logs  Show runs\n          and more\n  help  Print\n\nOptions:\n  -h\n".to_owned(),
                "logs" => "Logs\n\nCommands:\n  rebuild  Write again\n".to_owned(),
                other => format!("Help of {other}\n\n"),
            })
        };
        let text = reference_of(help).unwrap();
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(titles, ["## `massgen`", "## `massgen logs`", "## `massgen logs rebuild`"]);
        assert!(text.contains("```text\nHelp of logs rebuild\n```\n"), "{text}");
    }
}
