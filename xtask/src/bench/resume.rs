//! A run that is killed in the middle and taken up again.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::log::paid_twice;
use super::report::{Figure, Unit, min_and_median};
use super::server::{ModelServer, Schedule};
use super::teams::agents;
use crate::product::{Stage, configuration, last_line, value, wait};

const TIMES: usize = 5;
const AGENTS: usize = 3;
const MOST_TO_FIRST_REQUEST_MS: f64 = 300.0;
const LONGEST: Duration = Duration::from_mins(1);

pub(crate) fn figures(program: &Path) -> Result<Vec<Figure>> {
    let runs: Vec<(f64, usize)> = (0..TIMES).map(|_| run(program)).collect::<Result<_>>()?;
    let (least, median) = min_and_median(&runs.iter().map(|run| run.0).collect::<Vec<_>>());
    let twice: usize = runs.iter().map(|run| run.1).sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let twice = twice as f64;
    Ok(vec![
        Figure::bounded(
            "resume after kill -9: start → first request",
            median,
            Unit::Ms,
            MOST_TO_FIRST_REQUEST_MS,
        )
        .noted(format!("median of {TIMES}, least {least:.1}")),
        Figure::bounded("resume after kill -9: requests paid twice", twice, Unit::Count, 0.0)
            .noted(format!("in {TIMES} runs, killed while all {AGENTS} agents vote")),
    ])
}

/// Kills a run while all agents wait for the first token of their votes, resumes it, and returns how long the first
/// request took and how many finished ones came again.
fn run(program: &Path) -> Result<(f64, usize)> {
    let mut server = ModelServer::start(Schedule::default())?;
    let stage = Stage::new(program, &configuration(&agents(AGENTS, &server.base_url)), super::KEY)?;
    let mut child = stage.spawn(stage.ask(super::QUESTION))?;
    let begin = Instant::now();
    while server.begun()? < 2 * AGENTS {
        ensure!(begin.elapsed() < LONGEST, "the agents did not come to vote within {LONGEST:?}");
        ensure!(child.try_wait()?.is_none(), "the run ended before it could be killed");
        sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    let log_dir =
        value(&stage.printed()?, "LOG_DIR").context("the run printed no line `LOG_DIR:`")?.to_owned();
    let before = server.log()?;

    let resumed_ms = server.now_ms()?;
    let mut child = stage.spawn(stage.command(&["--resume", &log_dir, "--automation"]))?;
    let status = wait(&mut child, LONGEST)?
        .with_context(|| format!("a resumed run did not end within {LONGEST:?}"))?;
    ensure!(status.success(), "a resumed run ended with {status}: {}", last_line(&stage.complained()?));
    let after = server.log()?.split_off(before.len());
    let first = after.iter().map(|request| request.begin_ms).reduce(f64::min);
    let first = first.context("a resumed run sent no request")?;
    Ok((first - resumed_ms, paid_twice(&before, &after)))
}
