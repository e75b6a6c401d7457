//! The conversation with a person: read, understand, do, tell, until they leave.

use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use massgen_config::{ContextPath, Permission};
use massgen_journal::artifacts::RunFolder;
use massgen_view::Style;
use massgen_view::amount::counted;

use super::command::{self, Command, NotACommand, PathWish};
use super::completion::Offers;
use super::editor::{Editor, Read};
use super::inspection::Inspection;
use super::line::{Line, interpret};
use super::page::Page;
use crate::failure::Failure;

/// What stands in front of what is typed.
const PROMPT: &str = "massgen> ";

/// Agents that are named at the beginning and by `/status`.
const NAMED_AGENTS: usize = 20;

/// What the dialogue needs of the rest of the program.
pub(crate) trait Host: Send {
    /// Runs one question and shows it, to its end. Ctrl-C is the host's while it does: the first one interrupts the
    /// run and keeps what there is, the second one ends the process.
    ///
    /// # Errors
    /// Why the run could not begin or not be finished.
    fn ask(&mut self, question: String) -> impl Future<Output = Result<TurnEnd, Failure>> + Send;

    /// Forgets the conversation: the next question begins a new one.
    fn reset(&mut self);

    /// Reads the configuration again, after it was edited. After an error the old one stays.
    ///
    /// # Errors
    /// What is wrong with it.
    fn reload(&mut self) -> Result<(), Failure>;

    /// Lets the agents use a path from the next question on; returns it as it is understood.
    ///
    /// # Errors
    /// When there is no such path, or it cannot be used.
    fn add_context(&mut self, wish: PathWish) -> Result<ContextPath, Failure>;

    /// What runs, and where.
    fn status(&mut self) -> Status;

    /// The run of each question of this session, the oldest first.
    fn turns(&self) -> Vec<RunFolder>;

    /// The flags with which another process goes on with the conversation; `None` when there is nothing to go on with.
    fn flags_to_go_on(&self) -> Option<String>;
}

/// How the run of a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// With a final answer.
    Answered,
    /// Without one.
    Unanswered,
    /// By the person; what there was is kept.
    Interrupted,
}

/// What runs, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// The agents, in the order of the configuration.
    pub(crate) agents: Vec<AgentStatus>,
    /// How they work together, in a few words.
    pub(crate) mode: String,
    /// Questions whose answers the agents remember.
    pub(crate) remembered: usize,
    /// The configuration; `None` when flags stand in for it.
    pub(crate) config: Option<PathBuf>,
    /// Id of the session; `None` before the first question of a new one.
    pub(crate) session: Option<String>,
    /// The session's log folder; `None` before the first question.
    pub(crate) logs: Option<PathBuf>,
    /// What the agents may use beside their own folders.
    pub(crate) context: Vec<ContextPath>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentStatus {
    /// Its id.
    pub(crate) id: String,
    /// Its model.
    pub(crate) model: String,
    /// The type of its backend.
    pub(crate) backend: String,
}

/// Opens a file in the person's editor and returns when that is closed; says why it could not.
pub(crate) type OpenFile = Box<dyn Fn(&Path) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Why the dialogue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The person left.
    ByChoice,
    /// The process was asked to end.
    OnRequest,
}

/// Whether the dialogue goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Leave,
}

/// A conversation with a person.
pub(crate) struct Dialogue<H, W> {
    pub(crate) host: H,
    /// Where it is written. Answers are the host's to show.
    pub(crate) out: W,
    pub(crate) style: Style,
    pub(crate) version: &'static str,
    /// From where paths are named.
    pub(crate) working_directory: PathBuf,
    /// `None` when the person has not said which editor.
    pub(crate) open_file: Option<OpenFile>,
}

impl<H: Host, W: Write + Send> Dialogue<H, W> {
    /// Reads from `editor` until the person leaves or `stop` is over.
    ///
    /// # Errors
    /// When nothing can be read or written any more.
    pub(crate) async fn run(
        &mut self,
        mut editor: impl Editor,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<Left> {
        self.welcome()?;
        let mut stop = std::pin::pin!(stop);
        let mut interrupts = 0;
        loop {
            let offers = self.offers();
            // Reading waits for a person: not on a thread that others need.
            let reading = tokio::task::spawn_blocking(move || (editor.read(PROMPT, &offers), editor));
            let read = tokio::select! {
                biased;
                () = &mut stop => return Ok(Left::OnRequest),
                read = reading => read,
            };
            let (read, back) = read.map_err(io::Error::other)?;
            editor = back;
            let input = match read? {
                Read::Line(input) => input,
                Read::Interrupted => {
                    interrupts += 1;
                    if interrupts > 1 {
                        self.say("To leave, press Ctrl-D or type /quit.")?;
                    }
                    continue;
                }
                Read::End => break,
            };
            interrupts = 0;
            let line = interpret(&input);
            if line != Line::Empty
                && let Err(error) = editor.remember(&input)
            {
                self.say(&format!("warning: what you type is not kept for later: {error}"))?;
            }
            match self.take(line).await? {
                Next::Read => {}
                Next::Leave => break,
            }
        }
        self.farewell()?;
        Ok(Left::ByChoice)
    }

    async fn take(&mut self, line: Line) -> io::Result<Next> {
        match line {
            Line::Empty => self.say("Type a question, or /help to see what else there is.")?,
            Line::Question(question) => self.ask(question).await?,
            Line::NotACommand(problem) => self.refuse(&problem)?,
            Line::Command(command) => return self.perform(command).await,
        }
        Ok(Next::Read)
    }

    async fn ask(&mut self, question: String) -> io::Result<()> {
        let end = self.host.ask(question).await;
        if end.is_ok() {
            self.write("\n")?;
        }
        let turns = self.host.turns();
        let number = turns.last().map_or(0, |folder| folder.turn);
        match end {
            Ok(TurnEnd::Answered) => self.say(&format!("Question {number} is answered; /inspect shows how.")),
            Ok(TurnEnd::Unanswered) => self.say(&format!(
                "Question {number} has no answer; /inspect shows what happened. Ask again, or something else."
            )),
            Ok(TurnEnd::Interrupted) => self
                .say(&format!("Question {number} was stopped; what there is was kept, /inspect shows it.")),
            Err(failure) => self.fail(&failure),
        }
    }

    async fn perform(&mut self, command: Command) -> io::Result<Next> {
        match command {
            Command::Help => {
                let help = command::help(self.style.width);
                self.write(&help)?;
            }
            Command::Quit => return Ok(Next::Leave),
            Command::Reset => {
                let old = self.host.status().session;
                self.host.reset();
                self.say("The agents have forgotten the conversation; the next question begins a new one.")?;
                if let Some(old) = old {
                    self.say(&format!("The old one is kept: `massgen --session-id {old}` goes on with it."))?;
                }
            }
            Command::Status => self.show_status()?,
            Command::Config => self.edit_config().await?,
            Command::Context(None) => self.show_context()?,
            Command::Context(Some(wish)) => match self.host.add_context(wish) {
                Ok(path) => self.say(&format!("From the next question on: {}", described(&path)))?,
                Err(failure) => self.fail(&failure)?,
            },
            Command::Turns => {
                let turns = self.host.turns();
                let text = self.inspection(&turns).turns();
                self.write(&text)?;
            }
            Command::Inspect(inspect) => {
                let turns = self.host.turns();
                let text = self.inspection(&turns).show(&inspect);
                self.write(&text)?;
            }
        }
        Ok(Next::Read)
    }

    fn welcome(&mut self) -> io::Result<()> {
        let status = self.host.status();
        let mut page = Page::new(self.style.width);
        page.line(&format!("massgen {}", self.version));
        page.blank();
        let mut pairs = agents(&status);
        pairs.extend(self.places(&status));
        if status.remembered > 0 {
            pairs.push(history(&status));
        }
        page.pairs(&pairs);
        page.blank();
        page.line("Type a question. /help shows what else there is, Ctrl-D leaves.");
        self.write(&page.finish())
    }

    fn farewell(&mut self) -> io::Result<()> {
        if let Some(flags) = self.host.flags_to_go_on() {
            self.say(&format!("The conversation is kept: `massgen {flags}` goes on with it."))?;
        }
        Ok(())
    }

    fn show_status(&mut self) -> io::Result<()> {
        let status = self.host.status();
        let mut page = Page::new(self.style.width);
        let mut pairs = agents(&status);
        pairs.push(("Mode".to_owned(), status.mode.clone()));
        pairs.push(history(&status));
        pairs.extend(self.places(&status));
        let logs = status.logs.as_deref().map(|logs| self.named(logs));
        pairs.push(("Logs".to_owned(), logs.unwrap_or_else(|| "none before the first question".to_owned())));
        pairs.extend(status.context.iter().map(|path| ("Context".to_owned(), described(path))));
        page.pairs(&pairs);
        self.write(&page.finish())
    }

    fn show_context(&mut self) -> io::Result<()> {
        let context = self.host.status().context;
        if context.is_empty() {
            return self.say("The agents may use no path of yours. Add one with /context PATH, or name it in a question: @PATH.");
        }
        let mut page = Page::new(self.style.width);
        for path in &context {
            page.line(&described(path));
        }
        self.write(&page.finish())
    }

    async fn edit_config(&mut self) -> io::Result<()> {
        let Some(path) = self.host.status().config else {
            return self.say(
                "No configuration file is in use. Write ./.massgen/config.yaml, or start again with --config FILE.",
            );
        };
        if !path.is_file() {
            return self.say(&format!(
                "The configuration {} comes with massgen. `massgen --example` prints it; write that to \
                 ./.massgen/config.yaml to change it.",
                path.display()
            ));
        }
        let Some(open_file) = &self.open_file else {
            let path = self.named(&path);
            return self
                .say(&format!("The configuration is {path}. Set VISUAL or EDITOR, and /config opens it."));
        };
        match open_file(&path).await {
            Ok(()) => match self.host.reload() {
                Ok(()) => self.say("The next question uses the configuration as it is now."),
                Err(failure) => {
                    self.fail(&failure)?;
                    self.say("Until that is mended, the configuration stays as it was.")
                }
            },
            Err(problem) => {
                let path = self.named(&path);
                self.say(&format!("The editor did not do its work: {problem}. The configuration is {path}."))
            }
        }
    }

    fn refuse(&mut self, problem: &NotACommand) -> io::Result<()> {
        match problem {
            NotACommand::Unknown { name, nearest } => {
                let nearest = nearest.map(|nearest| format!(" Did you mean {nearest}?")).unwrap_or_default();
                self.say(&format!("There is no command `{name}`.{nearest} /help shows all."))?;
                self.say("A question that begins with a slash stands between \"\"\" and \"\"\".")
            }
            NotACommand::Arguments { usage, problem } => self.say(&format!("Use: {usage} - {problem}.")),
        }
    }

    fn places(&self, status: &Status) -> Vec<(String, String)> {
        let config = status.config.as_deref().map(|path| self.named(path));
        let mut places = vec![("Config".to_owned(), config.unwrap_or_else(|| "none, only flags".to_owned()))];
        let session = status.session.clone().unwrap_or_else(|| "a new one".to_owned());
        places.push(("Session".to_owned(), session));
        places
    }

    fn offers(&mut self) -> Offers {
        let agents = self.host.status().agents.into_iter().map(|agent| agent.id).collect();
        let turns = self.host.turns().iter().map(|folder| folder.turn).collect();
        Offers { agents, turns }
    }

    fn inspection<'s>(&'s self, turns: &'s [RunFolder]) -> Inspection<'s> {
        Inspection { turns, style: self.style, working_directory: &self.working_directory }
    }

    /// `path`, seen from the working directory.
    fn named(&self, path: &Path) -> String {
        path.strip_prefix(&self.working_directory).unwrap_or(path).display().to_string()
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let mut page = Page::new(self.style.width);
        page.line(text);
        self.write(&page.finish())
    }

    fn fail(&mut self, failure: &Failure) -> io::Result<()> {
        // It is cleaned where it was made.
        self.write(&failure.shown(Some(self.style.width)))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

fn agents(status: &Status) -> Vec<(String, String)> {
    let named = status.agents.iter().take(NAMED_AGENTS);
    let mut agents: Vec<_> =
        named.map(|agent| (agent.id.clone(), format!("{} ({})", agent.model, agent.backend))).collect();
    let more = status.agents.len().saturating_sub(NAMED_AGENTS);
    if more > 0 {
        agents.push(("...".to_owned(), format!("and {}", counted(more, "more agent"))));
    }
    agents
}

fn history(status: &Status) -> (String, String) {
    let text = match status.remembered {
        0 => "empty".to_owned(),
        1 => "1 question".to_owned(),
        count => format!("{count} questions"),
    };
    ("History".to_owned(), text)
}

fn described(path: &ContextPath) -> String {
    let may = match path.permission {
        Permission::Read => "read",
        Permission::Write => "read and change",
    };
    format!("{} (agents may {may} it)", path.path)
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
