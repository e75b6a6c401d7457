//! Asking one question after the other within a session: each is a run of its own, that knows the answers before it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use massgen_engine::{Ports, Redactor, Session, SystemClock};
use massgen_journal::SqliteJournal;
use massgen_journal::artifacts::{RunFolder, link_in_home};
use massgen_model::Keys;
use massgen_ports::{Clock, SessionHandle};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::{MemoryFiles, Seq, Timestamp};
use massgen_workspace::Beginning;

use crate::JournalLayer;
use crate::arguments::Arguments;
use crate::closing::Closing;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::Told;
use crate::reach::{self, Reach};
use crate::remarks::Remarks;
use crate::run::{self, Manner, OnInterrupt, Prepared, Signals, TurnEnd};
use crate::sessions::{OpenSession, Registration, Remembered};
use crate::setup::{self, Setup};
use crate::uploads::{self, Files};
use crate::wiring::{Wired, wire};
use crate::workbench::{RunState, Surroundings, Workbench, memory};

/// Folders of a project that the first run in it makes, the deepest first.
const AROUND: [&str; 5] = [
    ".massgen/massgen_logs",
    ".massgen/workspaces",
    ".massgen/temp_workspaces",
    ".massgen/sessions",
    ".massgen",
];

/// What a run begins with.
struct Launch<'a> {
    setup: Setup,
    wired: Wired,
    keys: Keys,
    redactor: Redactor,
    files: Files,
    folder: &'a RunFolder,
    now: Timestamp,
}

/// Starts the session, with ears for whoever interrupts it.
fn start(spec: RunSpec, meta: RunMeta, ports: Ports) -> Result<(Arc<dyn SessionHandle>, Signals), Failure> {
    let signals = Signals::listen().map_err(Failure::configuration)?;
    let session = Session::start(spec, meta, ports).map_err(Failure::configuration)?;
    Ok((Arc::new(session), signals))
}

/// The questions of one session, one after the other.
pub(crate) struct Asking<'a> {
    arguments: &'a mut Arguments,
    environment: &'a Environment,
    layer: &'a JournalLayer,
    on_interrupt: OnInterrupt,
    session: OpenSession,
    reach: Reach,
    /// Remarks about the configuration that were told: nobody wants to read them at every question.
    told: BTreeSet<String>,
}

impl<'a> Asking<'a> {
    /// A new session, or the one that `arguments` go on with.
    ///
    /// # Errors
    /// When there is no such session, or services cannot be reached as the environment says.
    pub(crate) fn begin(
        arguments: &'a mut Arguments,
        environment: &'a Environment,
        layer: &'a JournalLayer,
        on_interrupt: OnInterrupt,
    ) -> Result<Self, Failure> {
        let found = match &arguments.sessions.session_id {
            Some(id) => Some(OpenSession::with_id(id, environment)?),
            None if arguments.sessions.continue_session => Some(OpenSession::newest(environment)?),
            None => None,
        };
        let session = match found {
            Some((session, remembered)) => {
                recall(arguments, remembered, environment);
                session
            }
            None => OpenSession::new(environment, registration(arguments)),
        };
        let reach = Reach::of(environment)?;
        Ok(Self { arguments, environment, layer, on_interrupt, session, reach, told: BTreeSet::new() })
    }

    /// Runs `question` (`None`: the one of the command line or the configuration) and shows it, to its end. The first
    /// Ctrl-C interrupts the run and keeps what there is, the second one ends the process.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Why the run could not begin, or that its journal failed. The session goes on with its next question.
    pub(crate) async fn ask(&mut self, question: Option<&str>) -> Result<TurnEnd, Failure> {
        if let Some(question) = question {
            self.arguments.question = Some(question.to_owned());
        }
        let paths = run::paths(self.arguments, self.environment)?;
        let (prepared, folder) = self.start().await?;
        let followed = run::follow(prepared, paths, self.environment, self.on_interrupt).await;
        self.session.end(folder.turn, &followed.record, SystemClock::start().now());
        followed.end
    }

    /// Forgets the conversation: the next question begins a new session.
    pub(crate) fn reset(&mut self) {
        self.session = OpenSession::new(self.environment, registration(self.arguments));
    }

    /// The session.
    pub(crate) fn session(&self) -> &OpenSession {
        &self.session
    }

    /// The arguments that the next question is asked with.
    pub(crate) fn arguments(&mut self) -> &mut Arguments {
        self.arguments
    }

    async fn start(&mut self) -> Result<(Prepared, RunFolder), Failure> {
        let environment = self.environment;
        let mut setup = setup::prepare(self.arguments, environment)?;
        for remark in &setup.remarks {
            self.tell_once(remark);
        }
        self.session.catch_up()?;
        if self.session.was_simulated() && !setup.spec.is_simulated() {
            self.tell_once(
                "warning: simulated agents answered so far in this session; from here on models are asked",
            );
        }
        let replies = run::replies(self.arguments);
        let secrets = self.reach.secrets(&setup.spec.agents, replies, environment).await?;
        let literal = std::mem::take(&mut setup.literal_secrets).into_iter();
        let redactor = environment.redactor(literal.chain(secrets.values()));
        let history = self.session.history(&|text| redactor.text(text).into_owned());
        if history.left_out > 0 {
            self.tell_once("the oldest turns of the session are left out: a prompt does not hold them all");
        }
        setup.spec.history = history.turns;
        let files = uploads::read(&setup.uploads, &mut setup.spec, self.reach.http(), &redactor).await?;
        let keys = environment.keys(secrets.keys.into_iter().chain(std::mem::take(&mut setup.literal_keys)));
        let tape = run::tape(self.arguments, environment);
        let wired = wire(&setup.spec, &[], &keys, self.reach.http(), &redactor, &tape)?;
        let now = SystemClock::start().now();
        let folder = self.session.next_run(now, setup.meta.utc_offset_seconds, environment)?;
        let (before, meta) = (self.session.clone(), setup.meta.clone());
        let prepared =
            self.launch(Launch { setup, wired, keys, redactor, files, folder: &folder, now }).await;
        match prepared {
            Ok(prepared) => Ok((prepared, folder)),
            Err(failure) => {
                // Nothing is left behind by a run that cannot begin.
                self.session.take_back(before, &meta, now);
                self.give_up(&folder);
                Err(failure)
            }
        }
    }

    /// Begins a run in a folder that was made for it. When that fails, what agents would have used is gone again; the
    /// folder and the turn of the session are not.
    async fn launch(&mut self, launch: Launch<'_>) -> Result<Prepared, Failure> {
        let environment = self.environment;
        let Launch { mut setup, wired, keys, redactor, files, folder, now } = launch;
        let journal = SqliteJournal::create(&folder.journal_dir(), &run::owner(now))
            .map_err(|error| run::journal_failure(&error))?;
        uploads::keep(&files, &journal).map_err(|error| run::journal_failure(&error))?;
        let unlinked = match environment.home.as_deref().map(|home| link_in_home(home, folder)) {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some((
                error.to_string(),
                "to resume it, or to apply or undo its changes later, trust it then",
            )),
            None => Some((
                "HOME is not set".to_owned(),
                "set HOME: without it the run cannot be resumed, nor its changes be applied or undone later",
            )),
        };
        if let Some((why, hint)) = unlinked {
            self.tell_once(&format!(
                "warning: nothing will tell that this run is yours: {why}
hint: {hint}"
            ));
        }
        let memories = memory::recall(self.session.store(), folder.turn, &mut setup.spec, &redactor);
        let memories = memories.unwrap_or_else(|problem| {
            self.tell_once(&format!("warning: {problem}"));
            MemoryFiles::new()
        });
        setup.meta.session = self.session.begin(folder, &setup.spec, &setup.meta, now);
        let (journal, closing) = Closing::watch(self.layer.around(Arc::new(journal)));
        let mut workbench = Workbench::open(&setup.spec, folder, Beginning::New, environment)?;
        for problem in memory::restore(&setup.spec, &memories) {
            self.tell_once(&problem);
        }
        let lookup = reach::lookup(&keys, environment);
        let configuration = setup.meta.config_path.as_ref().map(Into::into);
        let web = self.reach.web()?;
        let surroundings = Surroundings { environment, configuration, lookup, web, past: &[] };
        let spec = setup.spec.clone();
        let started = match workbench.equip(&spec, folder, surroundings).await {
            Ok(()) => start(setup.spec, setup.meta, wired.ports(journal, &workbench, redactor, files)),
            Err(failure) => {
                drop(journal);
                Err(failure)
            }
        };
        let (session, signals) = match started {
            Ok(started) => started,
            Err(failure) => {
                for trouble in workbench.close(RunState::Over).await {
                    Remarks::direct()
                        .tell(&format!("warning: something that agents would have used is left: {trouble}"));
                }
                closing.closed().await;
                return Err(failure);
            }
        };
        self.session.announce();
        workbench.follow(&session);
        Ok(Prepared {
            session,
            folder: folder.clone(),
            past: Vec::new(),
            told: Told::UpTo(Seq(0)),
            manner: Manner::of(self.arguments, &setup.ui),
            recording: wired.recording,
            closing,
            workbench,
            signals,
        })
    }

    /// Removes the folder of a run that could not begin, and what a first run makes around it.
    fn give_up(&self, folder: &RunFolder) {
        let home = self.environment.home.as_deref();
        if let Err(error) = folder.give_up(home) {
            let place = folder.journal_dir();
            let remark = format!(
                "warning: the folder of a run that could not begin is left in `{}`: {error}",
                place.display()
            );
            Remarks::direct().tell(&remark);
        }
        for around in AROUND {
            // One with something in it stays.
            let _ = fs_err::remove_dir(self.environment.working_directory.join(around));
        }
    }

    fn tell_once(&mut self, remark: &str) {
        if self.told.insert(remark.to_owned()) {
            Remarks::direct().tell(remark);
        }
    }
}

fn registration(arguments: &Arguments) -> Registration {
    if arguments.sessions.no_session_registry { Registration::No } else { Registration::Yes }
}

/// Takes from how the session was run what `arguments` leave open.
fn recall(arguments: &mut Arguments, remembered: Remembered, environment: &Environment) {
    let Remembered { config, flags } = remembered;
    // An address alone names nobody: it goes with who answered so far.
    let has_flags = arguments.backend.is_some() || arguments.model.is_some();
    if flags.simulate && !arguments.simulate && !has_flags && arguments.config.is_none() {
        arguments.simulate = true;
        Remarks::direct().tell(
            "the session was simulated so far and stays so: no model is asked\n\
             hint: to go on with models, say who answers: `--config FILE` or `--backend TYPE`",
        );
    }
    let given = arguments.config.as_ref().map(|path| environment.absolute(path));
    let other = |path: &PathBuf| {
        let path = path.display();
        Remarks::direct().tell(&format!(
            "warning: the session was run with `{path}`; it goes on as the command line says"
        ));
    };
    match (&config, &given) {
        (Some(config), Some(given)) if config != given => other(config),
        (Some(config), None) if has_flags => other(config),
        (Some(_), None) => {
            arguments.config = config;
            arguments.is_config_recalled = true;
        }
        (None, None) if !has_flags => {
            arguments.backend = flags.backend;
            arguments.model = flags.model;
            arguments.base_url = arguments.base_url.take().or(flags.base_url);
            arguments.system_message = arguments.system_message.take().or(flags.system_message);
        }
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
}

#[cfg(test)]
#[path = "asking_tests.rs"]
mod tests;
