//! What a process does not know yet of its session: turns of earlier processes, of processes that were killed, and of
//! those that ask in the same session.

use massgen_journal::artifacts::RunFolder;
use massgen_journal::read;
use massgen_journal::sessions::{SessionFolder, StoredEnd, StoredTurn, TurnRecord};
use massgen_prompt::Prompts;
use massgen_prompt::history::{NoAnswerReason, NoFinalAnswer, OpenAnswer};
use massgen_protocol::paths::Rules;
use massgen_protocol::{PastTurn, limits, places};

use super::{OpenSession, unusable};
use crate::failure::Failure;
use crate::remarks::Remarks;
use crate::run::resume_command;

impl OpenSession {
    /// Learns the turns that are newer than the newest one that is known. The truth about a turn is its journal: what
    /// was not kept of it, or not all, is kept now.
    ///
    /// # Errors
    /// When a process is at work on one of them: the next question would not know what comes of it. And when the
    /// session cannot be read.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let is_first_look = self.newest == 0;
        let runs =
            self.root.as_deref().map(RunFolder::turns_in).transpose().map_err(Failure::configuration)?;
        let mut runs = runs.unwrap_or_default();
        runs.retain(|run| run.turn > self.newest);
        for run in &runs {
            self.refuse_at_work(run)?;
        }
        let logged = runs.last().map_or(0, |run| run.turn);
        let kept = folder.turns().map_err(|error| unusable(&error))?;
        for run in &runs {
            let stored =
                kept.contains(&run.turn).then(|| folder.turn(run.turn).map_err(|error| error.to_string()));
            let told = keep_from_journal(&folder, run, stored.as_ref(), run.turn == logged);
            if let Some(remark) = told {
                Remarks::direct().tell(&remark);
            }
        }
        let mut numbers = folder.turns().map_err(|error| unusable(&error))?;
        numbers.retain(|number| *number > self.newest);
        let (older, newer) = numbers.split_at(numbers.len().saturating_sub(limits::HISTORY_TURNS));
        self.older += older.len();
        for number in newer {
            match folder
                .turn(*number)
                .map_err(|error| error.to_string())
                .and_then(|turn| Ok((self.past_turn(&turn)?, turn)))
            {
                Ok((past, turn)) => {
                    self.remember(past);
                    self.was_simulated = turn.is_simulated;
                    if !is_first_look {
                        Remarks::direct().tell(&format!(
                            "turn {number} of the session was asked by another process; it is remembered"
                        ));
                    }
                }
                Err(problem) => Remarks::direct()
                    .tell(&format!("warning: turn {number} of the session is not remembered: {problem}")),
            }
        }
        self.newest = numbers.last().copied().unwrap_or(0).max(logged).max(self.newest);
        Ok(())
    }

    /// Refuses to go on while a process is at work on `run`.
    pub(super) fn refuse_at_work(&self, run: &RunFolder) -> Result<(), Failure> {
        let Some(holder) = run.holder().map_err(Failure::configuration)? else { return Ok(()) };
        let id = self.id().map(ToString::to_string).unwrap_or_default();
        Err(Failure::configuration(format!(
            "turn {} of the session `{id}` is still at work: {holder}",
            run.turn
        ))
        .hint("wait for its end; a question without `--continue` and `--session-id` begins a new session"))
    }

    /// A turn as the next question remembers it; says why it cannot be. The workspaces of the next turn begin with the
    /// files of this one: paths are relative to them.
    pub(super) fn past_turn(&self, turn: &StoredTurn) -> Result<PastTurn, String> {
        let mut past = past_turn(turn)?;
        if let (Some(root), Some(agent)) = (&self.root, &turn.winning_agent) {
            let real = fs_err::canonicalize(root).unwrap_or_else(|_| root.clone());
            let rules = [root.clone(), real].into_iter().flat_map(|root| {
                let kept = RunFolder::of_turn(root, turn.number).turn_final_workspace(agent);
                places::relative(&kept.to_string_lossy())
            });
            past.answer = Rules::new(rules).apply(&past.answer).into_owned();
        }
        Ok(past)
    }

    /// Adds the newest turn to what the next question is told.
    pub(super) fn remember(&mut self, turn: PastTurn) {
        self.past.push(turn);
        if self.past.len() > limits::HISTORY_TURNS {
            self.past.remove(0);
            self.older += 1;
        }
    }
}

/// Keeps what the journal of `run` knows and `stored`, what was kept of it, does not. Returns what a person has to know
/// of that.
fn keep_from_journal(
    folder: &SessionFolder,
    run: &RunFolder,
    stored: Option<&Result<StoredTurn, String>>,
    is_newest: bool,
) -> Option<String> {
    let number = run.turn;
    if let Some(Ok(StoredTurn { end: StoredEnd::Answered(_), .. })) = stored {
        return None;
    }
    let not_remembered = |problem: &dyn std::fmt::Display| {
        let warning = format!("warning: turn {number} of the session is not remembered: {problem}");
        // What was kept can be read, and is.
        if matches!(stored, Some(Ok(_))) { None } else { Some(warning) }
    };
    let events = match read(&run.journal_dir()) {
        Ok(events) => events,
        Err(error) => return not_remembered(&error),
    };
    let mut record = TurnRecord::of(run.clone());
    for envelope in &events {
        record.fold(envelope);
    }
    let Some(meta) = record.meta() else {
        let remark =
            format!("turn {number} of the session was killed before it began; ask its question again");
        return is_newest.then_some(remark);
    };
    let is_of_session = meta.session.as_ref().is_some_and(|session| session.id == folder.id().as_str());
    let known = record.as_stored(number);
    if !is_of_session || (known.is_some() && known.as_ref() == stored.and_then(|stored| stored.as_ref().ok()))
    {
        return None;
    }
    super::keep_memories(folder, run, &record);
    if let Err(error) = folder.keep(number, &record) {
        return not_remembered(&error);
    }
    Some(if record.ending().is_stop() {
        let finish = resume_command(&run.turn_dir());
        format!("turn {number} of the session was cut short; {finish} would finish it")
    } else {
        format!(
            "turn {number} of the session was missing or not whole; it was written again from its journal"
        )
    })
}

fn past_turn(turn: &StoredTurn) -> Result<PastTurn, String> {
    if turn.task.trim().is_empty() {
        return Err("its question is not known".to_owned());
    }
    let answer = match &turn.end {
        StoredEnd::Answered(answer) => answer.clone(),
        StoredEnd::Open { is_stopped, answers } => {
            let is_best = |agent: &str| turn.winning_agent.as_deref() == Some(agent);
            let (best, others): (Vec<_>, Vec<_>) = answers.iter().partition(|part| is_best(&part.agent));
            let open = best.into_iter().chain(others).map(|part| OpenAnswer {
                agent: &part.agent,
                answer: &part.answer,
                is_best: is_best(&part.agent),
            });
            let end = NoFinalAnswer {
                reason: if *is_stopped { NoAnswerReason::Stopped } else { NoAnswerReason::Failed },
                answers: open.collect(),
            };
            let told = Prompts::new().and_then(|prompts| prompts.no_final_answer(&end));
            told.map_err(|error| error.to_string())?
        }
    };
    Ok(PastTurn { question: turn.task.clone(), answer })
}
