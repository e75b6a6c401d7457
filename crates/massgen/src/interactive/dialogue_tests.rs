use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::FutureExt;

use super::*;
use crate::interactive::test_run::write_run;

/// Types what the script says and keeps what it was asked to remember.
struct Script {
    inputs: VecDeque<Read>,
    remembered: Arc<Mutex<Vec<String>>>,
    dialogue: Shared,
}

impl Editor for Script {
    fn read(&mut self, prompt: &str, _: &Offers) -> io::Result<Read> {
        let read = self.inputs.pop_front().unwrap_or(Read::End);
        let typed = match &read {
            Read::Line(line) => line.clone(),
            Read::Interrupted => "^C".to_owned(),
            Read::End => "^D".to_owned(),
        };
        writeln!(self.dialogue.clone(), "{prompt}{typed}").unwrap();
        Ok(read)
    }

    fn remember(&mut self, text: &str) -> io::Result<()> {
        self.remembered.lock().unwrap().push(text.to_owned());
        Ok(())
    }
}

/// What was typed and told, in its order.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A host whose questions end as their first word says.
struct Fake {
    root: tempfile::TempDir,
    turns: Vec<RunFolder>,
    status: Status,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn new() -> Self {
        let agent = |id: &str| AgentStatus {
            id: id.to_owned(),
            model: "gpt-5-mini".to_owned(),
            backend: "openai".to_owned(),
        };
        let root = tempfile::tempdir().unwrap();
        fs_err::write(root.path().join("config.yaml"), "").unwrap();
        let status = Status {
            agents: vec![agent("agent_a"), agent("agent_b")],
            mode: "2 agents answer and vote".to_owned(),
            remembered: 0,
            config: Some(root.path().join("config.yaml")),
            session: None,
            logs: None,
            context: Vec::new(),
        };
        Self { root, turns: Vec::new(), status, asked: Arc::default() }
    }
}

impl Host for Fake {
    async fn ask(&mut self, question: String) -> Result<TurnEnd, Failure> {
        self.asked.lock().unwrap().push(question.clone());
        let first = question.split_whitespace().next().unwrap().to_owned();
        if first == "refused" {
            return Err(Failure::configuration("there is no `@nothing`").hint("name a file"));
        }
        let number = u32::try_from(self.turns.len()).unwrap() + 1;
        self.turns.push(write_run(self.root.path(), number, &question));
        self.status.session = Some("session_20261121_110812".to_owned());
        self.status.logs = Some(self.root.path().join("log_20261121_110812_772535"));
        match first.as_str() {
            "slow" => Ok(TurnEnd::Interrupted),
            "hard" => Ok(TurnEnd::Unanswered),
            _ => {
                self.status.remembered += 1;
                Ok(TurnEnd::Answered)
            }
        }
    }

    fn reset(&mut self) {
        self.turns.clear();
        self.status = Status { remembered: 0, session: None, logs: None, ..self.status.clone() };
    }

    fn reload(&mut self) -> Result<(), Failure> {
        match fs_err::read_to_string(self.root.path().join("config.yaml")) {
            Ok(text) if text.contains("agents") => Ok(()),
            Ok(_) | Err(_) => Err(Failure::configuration("there are no agents")),
        }
    }

    fn add_context(&mut self, wish: PathWish) -> Result<ContextPath, Failure> {
        if wish.path == Path::new("nothing") {
            return Err(Failure::configuration("there is no `nothing`"));
        }
        let path = Path::new("/work").join(wish.path).display().to_string();
        let path = ContextPath { path, permission: wish.permission, flag: "/context" };
        self.status.context.push(path.clone());
        Ok(path)
    }

    fn status(&mut self) -> Status {
        self.status.clone()
    }

    fn turns(&self) -> Vec<RunFolder> {
        self.turns.clone()
    }

    fn flags_to_go_on(&self) -> Option<String> {
        (self.status.remembered > 0).then(|| "--continue".to_owned())
    }
}

struct Talk {
    text: String,
    left: Left,
    asked: Vec<String>,
    remembered: Vec<String>,
}

async fn talk_in(host: Fake, style: Style, open_file: Option<OpenFile>, inputs: &[Read]) -> Talk {
    let (dialogue, remembered, asked) = (Shared::default(), Arc::default(), Arc::clone(&host.asked));
    let script = Script {
        inputs: inputs.iter().cloned().collect(),
        remembered: Arc::clone(&remembered),
        dialogue: dialogue.clone(),
    };
    let working_directory = host.root.path().to_owned();
    let mut talk =
        Dialogue { host, out: dialogue.clone(), style, version: "1.2.3", working_directory, open_file };
    let left = talk.run(script, std::future::pending()).await.unwrap();
    let (asked, remembered) = (asked.lock().unwrap().clone(), remembered.lock().unwrap().clone());
    Talk { text: dialogue.text(), left, asked, remembered }
}

async fn talk(inputs: &[Read]) -> Talk {
    talk_in(Fake::new(), Style::plain(80), None, inputs).await
}

fn lines(lines: &[&str]) -> Vec<Read> {
    lines.iter().map(|line| Read::Line((*line).to_owned())).collect()
}

#[tokio::test]
async fn a_whole_conversation() {
    let talk = talk(&lines(&[
        "/status",
        "What is a monad?",
        "",
        "/vote",
        "slow and long",
        "hard to say",
        "refused @nothing",
        "/inspect all",
        "/status",
        "/reset",
        "/status",
        "/nispect",
        "/inspect 0",
        "quit",
        "never read",
    ]))
    .await;
    assert_eq!(talk.left, Left::ByChoice);
    assert_eq!(talk.asked, ["What is a monad?", "slow and long", "hard to say", "refused @nothing"]);
    insta::assert_snapshot!(talk.text);
}

#[tokio::test]
async fn a_text_of_several_lines_is_one_question_and_everything_typed_is_remembered() {
    let talk = talk(&lines(&["\"\"\"\nfirst\n\n  second\n\"\"\"", "  ", "/cost", "'''/quit'''"])).await;
    assert_eq!(talk.asked, ["first\n\n  second", "/quit"]);
    assert_eq!(talk.remembered, ["\"\"\"\nfirst\n\n  second\n\"\"\"", "/cost", "'''/quit'''"]);
    assert!(
        talk.text.ends_with("The conversation is kept: `massgen --continue` goes on with it.\n"),
        "{}",
        talk.text
    );
}

#[tokio::test]
async fn two_interrupts_in_a_row_tell_how_to_leave() {
    let hint = "To leave, press Ctrl-D or type /quit.";
    let once = [Read::Interrupted, Read::Line("/help".to_owned()), Read::Interrupted];
    assert!(!talk(&once).await.text.contains(hint));
    let twice = talk(&[Read::Interrupted, Read::Interrupted]).await;
    assert!(
        twice.text.ends_with(&format!("massgen> ^C\nmassgen> ^C\n{hint}\nmassgen> ^D\n")),
        "{}",
        twice.text
    );
}

#[tokio::test]
async fn a_request_to_end_ends_the_dialogue_while_it_waits_for_a_line() {
    struct Silent(Arc<std::sync::Barrier>);
    impl Editor for Silent {
        fn read(&mut self, _: &str, _: &Offers) -> io::Result<Read> {
            self.0.wait();
            Ok(Read::End)
        }

        fn remember(&mut self, _: &str) -> io::Result<()> {
            Ok(())
        }
    }
    let barrier = Arc::new(std::sync::Barrier::new(2));
    let host = Fake::new();
    let working_directory = host.root.path().to_owned();
    let mut dialogue = Dialogue {
        host,
        out: Shared::default(),
        style: Style::plain(80),
        version: "1.2.3",
        working_directory,
        open_file: None,
    };
    let left = dialogue.run(Silent(Arc::clone(&barrier)), std::future::ready(())).await.unwrap();
    assert_eq!(left, Left::OnRequest);
    barrier.wait();
}

#[tokio::test]
async fn paths_are_added_and_shown() {
    let talk =
        talk(&lines(&["/context", "/context src", "/context @notes.md:w", "/context nothing", "/context"]))
            .await;
    insta::assert_snapshot!(talk.text.split_once("leaves.\n").unwrap().1);
}

#[tokio::test]
async fn without_an_editor_the_path_of_the_configuration_is_told() {
    let asked = talk(&lines(&["/config"])).await;
    let told = "The configuration is config.yaml. Set VISUAL or EDITOR, and /config opens it.\n";
    assert!(asked.text.contains(told), "{}", asked.text);
    let mut host = Fake::new();
    host.status.config = None;
    let asked = talk_in(host, Style::plain(80), None, &lines(&["/config"])).await;
    assert!(asked.text.contains("No configuration file is in use."), "{}", asked.text);
    let mut host = Fake::new();
    host.status.config = Some("@examples/teams/research".into());
    let asked = talk_in(host, Style::plain(80), None, &lines(&["/config"])).await;
    assert!(asked.text.contains("@examples/teams/research comes with massgen."), "{}", asked.text);
}

#[tokio::test]
async fn an_edited_configuration_is_read_again_and_mistakes_are_told() {
    let write: OpenFile = Box::new(|path| {
        fs_err::write(path, "agents: []").unwrap();
        async { Ok(()) }.boxed()
    });
    let edited = talk_in(Fake::new(), Style::plain(80), Some(write), &lines(&["/config"])).await;
    assert!(
        edited.text.contains("The next question uses the configuration as it is now.\n"),
        "{}",
        edited.text
    );

    let nothing: OpenFile = Box::new(|_| async { Ok(()) }.boxed());
    let broken = talk_in(Fake::new(), Style::plain(80), Some(nothing), &lines(&["/config"])).await;
    let told = "error: there are no agents\nUntil that is mended, the configuration stays as it was.\n";
    assert!(broken.text.contains(told), "{}", broken.text);

    let crash: OpenFile = Box::new(|_| async { Err("`vi` ended with exit status: 1".to_owned()) }.boxed());
    let crashed = talk_in(Fake::new(), Style::plain(80), Some(crash), &lines(&["/config"])).await;
    assert!(
        crashed.text.contains("The editor did not do its work: `vi` ended with exit status: 1."),
        "{}",
        crashed.text
    );
}

#[tokio::test]
async fn a_large_team_and_hostile_names_keep_the_welcome_short_and_clean() {
    let mut host = Fake::new();
    host.status.agents = (0..100)
        .map(|number| AgentStatus {
            id: format!("agent_{number}"),
            model: "\u{1b}[2Jevil\u{7}".to_owned(),
            backend: "chatcompletion".to_owned(),
        })
        .collect();
    let talk = talk_in(host, Style::plain(30), None, &[]).await;
    assert!(!talk.text.contains('\u{1b}'));
    assert!(talk.text.contains("and 80 more agents"), "{}", talk.text);
    assert!(talk.text.lines().all(|line| massgen_view::columns(line) <= 30), "{}", talk.text);
}

#[tokio::test]
async fn a_history_that_cannot_be_written_is_told_of() {
    struct Full(VecDeque<Read>);
    impl Editor for Full {
        fn read(&mut self, _: &str, _: &Offers) -> io::Result<Read> {
            Ok(self.0.pop_front().unwrap_or(Read::End))
        }

        fn remember(&mut self, _: &str) -> io::Result<()> {
            Err(io::Error::other("the disk is full"))
        }
    }
    let (host, out) = (Fake::new(), Shared::default());
    let working_directory = host.root.path().to_owned();
    let style = Style::plain(80);
    let mut dialogue =
        Dialogue { host, out: out.clone(), style, version: "1.2.3", working_directory, open_file: None };
    dialogue.run(Full(lines(&["why?"]).into()), std::future::pending()).await.unwrap();
    assert!(out.text().contains("warning: what you type is not kept for later: the disk is full\n"));
    assert!(out.text().contains("Question 1 is answered"));
}
