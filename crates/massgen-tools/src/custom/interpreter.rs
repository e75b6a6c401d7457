//! One Python that runs functions of the user, started when it is needed and again when it has died.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use massgen_protocol::limits;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::CustomError;
use super::launch::{Launch, Launched, Launcher, ending};
use super::streams::{Lines, Read, Tail};

/// The program that it runs, in the parts that it is kept in.
const WORKER: &str = concat!(
    include_str!("worker/begin.py"),
    include_str!("worker/offered.py"),
    include_str!("worker/schema.py"),
    include_str!("worker/functions.py"),
    include_str!("worker/results.py"),
    include_str!("worker/calls.py"),
);

/// How long a function that is given up has to stop before the whole interpreter is ended.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of the interpreter and its last words are waited for, after it has closed its output.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A Python that runs functions of the user. Dropped, it is ended.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    launcher: Arc<dyn Launcher>,
    launch: Launch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    alive: Option<Alive>,
    /// How many have been started.
    generation: u64,
    /// The number of the last request.
    last: u64,
}

/// An interpreter that runs, as far as is known.
#[derive(Debug)]
struct Alive {
    generation: u64,
    requests: mpsc::Sender<Vec<u8>>,
    waiting: HashMap<u64, Waiting>,
    /// Requests that were given up and have not stopped yet.
    stopping: HashSet<u64>,
    /// A word here ends it.
    end: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Answer>,
    progress: Progress,
}

/// Whether the user's function was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Sent,
    Begun,
}

#[derive(Debug)]
enum Answer {
    Said(Map<String, Value>),
    Lost { progress: Progress, error: CustomError },
}

/// Why an interpreter is over.
enum Over {
    /// It closed its output.
    Closed,
    /// A function did not stop.
    Stuck,
    /// Nobody needs it any more.
    Unneeded,
    /// It wrote what cannot be used.
    Broken(CustomError),
}

impl Interpreter {
    /// The interpreter `python`, not started yet. `launch` has all but the command.
    pub(crate) fn new(launcher: Arc<dyn Launcher>, python: &Path, mut launch: Launch) -> Self {
        let words = ["-B", "-u", "-X", "utf8", "-c", WORKER];
        launch.command = std::iter::once(python.as_os_str().to_owned())
            .chain(words.into_iter().map(OsString::from))
            .chain([limits::CUSTOM_RESULT_BYTES.to_string().into()])
            .collect();
        Self(Arc::new(Shared { launcher, launch, state: Mutex::default() }))
    }

    /// Sends a request, a map with `do`, and waits for its reply. Dropping the future stops the function.
    ///
    /// An interpreter that dies before the function was entered is started again, once. After that moment nobody knows
    /// what the function has done, so it is not called a second time.
    pub(crate) async fn ask(
        &self,
        request: Map<String, Value>,
        time: Duration,
    ) -> Result<Map<String, Value>, CustomError> {
        timeout(time, self.ask_again(request)).await.unwrap_or(Err(CustomError::OutOfTime(time)))
    }

    async fn ask_again(&self, request: Map<String, Value>) -> Result<Map<String, Value>, CustomError> {
        match self.ask_once(request.clone()).await {
            Answer::Lost { progress: Progress::Sent, error: CustomError::Ended { .. } } => {
                into_result(self.ask_once(request).await)
            }
            answer @ (Answer::Said(_) | Answer::Lost { .. }) => into_result(answer),
        }
    }

    async fn ask_once(&self, request: Map<String, Value>) -> Answer {
        let lost = |error| Answer::Lost { progress: Progress::Sent, error };
        match self.send(request) {
            Ok((_given_up, answer)) => answer.await.unwrap_or_else(|_| {
                lost(CustomError::Form("the interpreter was ended while it was asked".to_owned()))
            }),
            Err(error) => lost(error),
        }
    }

    fn send(
        &self,
        mut request: Map<String, Value>,
    ) -> Result<(GivenUp, oneshot::Receiver<Answer>), CustomError> {
        let mut state = self.0.lock();
        state.last += 1;
        let number = state.last;
        request.insert("id".to_owned(), number.into());
        if state.alive.is_none() {
            let launched = self.0.launcher.launch(&self.0.launch)?;
            state.generation += 1;
            let generation = state.generation;
            let (requests, lines) = mpsc::channel(2 * limits::CUSTOM_CALLS);
            let (end, ended) = mpsc::channel(1);
            tokio::spawn(see_to(Arc::downgrade(&self.0), generation, launched, lines, ended));
            let (waiting, stopping) = (HashMap::new(), HashSet::new());
            state.alive = Some(Alive { generation, requests, waiting, stopping, end });
        }
        let busy = CustomError::Busy(limits::CUSTOM_CALLS);
        let Some(alive) = &mut state.alive else { return Err(busy) };
        if alive.waiting.len() + alive.stopping.len() >= limits::CUSTOM_CALLS {
            return Err(busy);
        }
        // What cannot be sent because it has died is found out by whoever sees to it.
        if let Err(mpsc::error::TrySendError::Full(_)) = alive.requests.try_send(line_of(request)) {
            return Err(busy);
        }
        let (answer, receiver) = oneshot::channel();
        alive.waiting.insert(number, Waiting { answer, progress: Progress::Sent });
        let shared = Arc::downgrade(&self.0);
        Ok((GivenUp { shared, generation: alive.generation, number }, receiver))
    }
}

fn into_result(answer: Answer) -> Result<Map<String, Value>, CustomError> {
    match answer {
        Answer::Said(mut said) => match said.remove("error") {
            Some(Value::String(error)) => Err(CustomError::Told(error)),
            Some(other) => Err(CustomError::Told(other.to_string())),
            None => Ok(said),
        },
        Answer::Lost { error, .. } => Err(error),
    }
}

fn line_of(request: Map<String, Value>) -> Vec<u8> {
    let mut line = Value::Object(request).to_string().into_bytes();
    line.push(b'\n');
    line
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is changed under the lock is whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(&mut self, generation: u64) -> Option<&mut Alive> {
        self.alive.as_mut().filter(|alive| alive.generation == generation)
    }
}

/// A request that is waited for. Dropped before its reply, it stops the function.
struct GivenUp {
    shared: Weak<Shared>,
    generation: u64,
    number: u64,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let (generation, number) = (self.generation, self.number);
        {
            let mut state = shared.lock();
            let Some(alive) = state.of(generation) else { return };
            if alive.waiting.remove(&number).is_none() {
                return;
            }
            alive.stopping.insert(number);
            let Value::Object(request) = json!({ "do": "stop", "id": number }) else { return };
            // If there is no room, it does not stop, and is ended below.
            let _ = alive.requests.try_send(line_of(request));
        }
        let shared = Weak::clone(&self.shared);
        // Without a runtime everything has been ended already.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(STOP_PATIENCE).await;
                let Some(shared) = shared.upgrade() else { return };
                let mut state = shared.lock();
                if let Some(alive) = state.of(generation)
                    && alive.stopping.contains(&number)
                {
                    // A full channel holds that word already.
                    let _ = alive.end.try_send(());
                }
            });
        }
    }
}

/// Carries requests and replies of one interpreter until it is over, then tells all that still wait.
async fn see_to(
    shared: Weak<Shared>,
    generation: u64,
    launched: Launched,
    mut requests: mpsc::Receiver<Vec<u8>>,
    mut end: mpsc::Receiver<()>,
) {
    let Launched { mut stdin, stdout, mut stderr, mut process } = launched;
    let mut tail = Tail::default();
    let mut lines = Lines::new(BufReader::new(stdout), limits::CUSTOM_RESULT_BYTES);
    let over = {
        let write = async {
            while let Some(line) = requests.recv().await {
                if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
                    // It is dying. What it still has to say comes by its output, and then the end of that.
                    std::future::pending::<()>().await;
                }
            }
            Over::Unneeded
        };
        let listen = async {
            tail.follow(&mut stderr).await;
            std::future::pending::<()>().await;
        };
        let read = read(&shared, generation, &mut lines);
        let (write, listen, read) = (pin!(write), pin!(listen), pin!(read));
        tokio::select! {
            over = read => over,
            over = write => over,
            _ = end.recv() => Over::Stuck,
            () = listen => Over::Closed,
        }
    };
    let how = match &over {
        // Its exit code is known a moment after its output has ended.
        Over::Closed => match timeout(END_PATIENCE, process.wait()).await {
            Ok(how) => how,
            Err(_) => process.kill().await,
        },
        Over::Stuck | Over::Unneeded | Over::Broken(_) => process.kill().await,
    };
    // All who could write there are gone; what is left comes at once. It tells which functions were entered.
    if let Over::Stuck = over {
        let _ = timeout(END_PATIENCE, read(&shared, generation, &mut lines)).await;
    }
    let _ = timeout(END_PATIENCE, tail.follow(&mut stderr)).await;
    let error = match over {
        Over::Closed => {
            CustomError::Ended { how: ending("the interpreter", &how), stderr: tail.last_lines() }
        }
        Over::Stuck => CustomError::Ended {
            how: "the interpreter was ended because another call did not stop in time".to_owned(),
            stderr: String::new(),
        },
        Over::Unneeded => {
            CustomError::Ended { how: "the interpreter was ended".to_owned(), stderr: String::new() }
        }
        Over::Broken(error) => error,
    };
    let Some(shared) = shared.upgrade() else { return };
    let waiting = {
        let mut state = shared.lock();
        if state.of(generation).is_none() {
            return;
        }
        state.alive.take().map(|alive| alive.waiting).unwrap_or_default()
    };
    for (_, Waiting { answer, progress }) in waiting {
        // Who has given up in this moment does not want to know.
        let _ = answer.send(Answer::Lost { progress, error: error.clone() });
    }
}

/// Hands out replies until there are no more.
async fn read(
    shared: &Weak<Shared>,
    generation: u64,
    lines: &mut Lines<impl tokio::io::AsyncBufRead + Unpin>,
) -> Over {
    loop {
        let line = match lines.next().await {
            Ok(Some(Read::All(line))) => line,
            Ok(Some(Read::TooMuch)) => {
                return Over::Broken(CustomError::TooMuch(limits::CUSTOM_RESULT_BYTES));
            }
            Ok(None) | Err(_) => return Over::Closed,
        };
        let Some((number, mut said)) = reply_of(&line) else {
            let text = "the interpreter wrote what is no reply; its functions must leave its output alone";
            return Over::Broken(CustomError::Form(text.to_owned()));
        };
        let Some(shared) = shared.upgrade() else { return Over::Unneeded };
        let mut state = shared.lock();
        let Some(alive) = state.of(generation) else { return Over::Unneeded };
        if said.remove("began").is_some() {
            if let Some(waiting) = alive.waiting.get_mut(&number) {
                waiting.progress = Progress::Begun;
            }
        } else if let Some(waiting) = alive.waiting.remove(&number) {
            let _ = waiting.answer.send(Answer::Said(said));
        } else {
            alive.stopping.remove(&number);
        }
    }
}

fn reply_of(line: &[u8]) -> Option<(u64, Map<String, Value>)> {
    let mut said: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let number = said.remove("id")?.as_u64()?;
    Some((number, said))
}
