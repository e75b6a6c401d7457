//! Teams of several sizes in which every agent answers once and votes, and the winner presents.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::log::{Served, ideal_ms, last_end, longest_chain, uncached_bytes};
use super::measure::{self, Usage};
use super::report::{Figure, Unit, min_and_median};
use super::server::{ModelServer, Schedule};
use crate::product::{Agent, Stage, configuration, last_line, value, wait};

/// A team that is measured.
struct Team {
    agents: usize,
    /// How often; the median counts.
    times: usize,
    /// What wall time ÷ ideal critical path may be.
    most_ratio: Option<f64>,
    /// What the prompts of such a run leave uncached with MassGen 0.1.97, in bytes, and the share of it that we may.
    reference: Option<(f64, f64)>,
}

const TEAMS: [Team; 4] = [
    Team { agents: 3, times: 5, most_ratio: Some(1.05), reference: Some((95e3, 0.35)) },
    Team { agents: 10, times: 1, most_ratio: None, reference: Some((345e3, 0.35)) },
    Team { agents: 30, times: 3, most_ratio: Some(1.2), reference: Some((1426e3, 0.60)) },
    Team { agents: 300, times: 5, most_ratio: Some(2.0), reference: None },
];

/// All answer, all vote, the winner presents.
pub(crate) const PHASES: f64 = 3.0;
/// Up to this many agents, requests that came one after the other also waited for each other.
const FEW: usize = 3;
const MOST_AFTER_LAST_REPLY_MS: f64 = 30.0;
const MOST_MB: f64 = 40.0;
const MOST_MB_PER_AGENT: f64 = 0.5;
const LONGEST: Duration = Duration::from_mins(5);

/// One run of a team.
struct Run {
    usage: Usage,
    /// When the process had ended, in the server's time.
    ended_ms: f64,
    /// Processor time of the model server.
    server_cpu_ms: f64,
    log: Vec<Served>,
    /// Where it ran. Kept until every team has been measured: what file systems do after the removal of thousands of
    /// files would be counted as the next run's.
    _stage: Option<Stage>,
}

pub(crate) fn figures(program: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut measured = Vec::new();
    for team in &TEAMS {
        let runs: Vec<Run> = (0..team.times).map(|_| run(program, team)).collect::<Result<_>>()?;
        figures.extend(team_figures(team, &runs).with_context(|| format!("the team of {}", team.agents))?);
        measured.push(runs);
    }
    Ok(figures)
}

/// The models of a team, each with a name of its own.
pub(crate) fn agents(count: usize, base_url: &str) -> Vec<Agent> {
    (1..=count)
        .map(|number| {
            Agent::of_chat_completions(format!("agent{number:03}"), format!("model-{number:03}"), base_url)
        })
        .collect()
}

fn run(program: &Path, team: &Team) -> Result<Run> {
    let count = team.agents;
    let mut server = ModelServer::start(Schedule::default())?;
    let stage = Stage::new(program, &configuration(&agents(count, &server.base_url)), super::KEY)?;
    let file = stage.folder().join("usage.json");
    let mut child = stage.spawn(measure::measured(&stage.ask(super::QUESTION), &file)?)?;
    wait(&mut child, LONGEST)?
        .with_context(|| format!("a run of {count} agents did not end within {LONGEST:?}"))?;
    let ended_ms = server.now_ms()?;
    let server_cpu_ms = server.cpu_ms()?;
    let usage = measure::usage(&file)?;
    let words = stage.complained()?;
    ensure!(
        usage.code == Some(0),
        "a run of {count} agents ended with {:?}: {}",
        usage.code,
        last_line(&words)
    );
    ensure!(value(&stage.printed()?, "ANSWER").is_some(), "a run of {count} agents gave no answer");
    // The bodies of a large team are large, and only looked at where there is something to compare with.
    let log = match team.reference {
        Some(_) => server.log()?,
        None => server.timings()?,
    };
    Ok(Run { usage, ended_ms, server_cpu_ms, log, _stage: Some(stage) })
}

#[expect(clippy::cast_precision_loss, reason = "numbers of requests and bytes stay far below 2^53")]
fn team_figures(team: &Team, runs: &[Run]) -> Result<Vec<Figure>> {
    let name = |what: &str| format!("{} agents: {what}", team.agents);
    let middle = |of: fn(&Run) -> f64| min_and_median(&runs.iter().map(of).collect::<Vec<_>>());
    let last = runs.last().context("no run")?;
    let mut figures = Vec::new();

    let (least, ratio) = middle(|run| run.usage.wall_ms / ideal_ms(&run.log, PHASES));
    let (_, wall) = middle(|run| run.usage.wall_ms);
    let ideal = ideal_ms(&last.log, PHASES);
    let of = match runs.len() {
        1 => "one run".to_owned(),
        count => format!("median of {count}, least {least:.3}"),
    };
    let note = format!("{of}; {wall:.0} ÷ {ideal:.0} ms");
    figures.push(Figure {
        at_most: team.most_ratio,
        ..Figure::plain(name("wall ÷ ideal"), ratio, Unit::Ratio).noted(note)
    });

    let least_requests = 2 * team.agents + 1;
    figures.push(Figure::bounded(
        name("requests"),
        last.log.len() as f64,
        Unit::Count,
        least_requests as f64,
    ));
    // In a large team some reply is over before a slow starter begins, so a chain in time is no chain of needs there.
    let chain = Figure::plain(name("longest chain"), longest_chain(&last.log) as f64, Unit::Count);
    let at_most = (team.agents <= FEW).then_some(PHASES);
    figures.push(Figure { at_most, ..chain });

    let (_, after) = middle(|run| last_end(&run.log).map_or(f64::NAN, |end| run.ended_ms - end));
    let after = Figure::bounded(name("last reply → exit"), after, Unit::Ms, MOST_AFTER_LAST_REPLY_MS);
    figures.push(after);

    let (_, peak) = middle(|run| run.usage.peak_mb);
    let most = MOST_MB + MOST_MB_PER_AGENT * team.agents as f64;
    let note = format!("{:.2} MB per agent", peak / team.agents as f64);
    figures.push(Figure::bounded(name("peak memory"), peak, Unit::Mb, most).noted(note));
    let (_, cpu) = middle(|run| run.usage.cpu_ms);
    let note = format!("the model server: {:.0} ms", middle(|run| run.server_cpu_ms).1);
    figures.push(Figure::plain(name("processor time"), cpu, Unit::Ms).noted(note));

    if let Some((reference, share)) = team.reference {
        let uncached = uncached_bytes(&last.log) as f64;
        let note = format!("{:.0} ÷ {:.0} KB", uncached / 1e3, reference / 1e3);
        figures.push(
            Figure::bounded(
                name("uncached prompt ÷ MassGen 0.1.97"),
                uncached / reference,
                Unit::Ratio,
                share,
            )
            .noted(note),
        );
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_perfect_run_is_worse_than_hoped_in_nothing() {
        let served = |agent: usize, begin_ms: f64| Served {
            begin_ms,
            end_ms: Some(begin_ms + 290.0),
            planned_ms: 290.0,
            chunks: 20,
            body: json!({"model": format!("model-{agent:03}"), "messages": []}),
        };
        let log = (1..=3)
            .flat_map(|agent| [served(agent, 0.0), served(agent, 291.0)])
            .chain([served(1, 582.0)])
            .collect();
        let usage = Usage { wall_ms: 880.0, cpu_ms: 20.0, peak_mb: 12.0, code: Some(0) };
        let figures = team_figures(
            &TEAMS[0],
            &[Run { usage, ended_ms: 880.0, server_cpu_ms: 30.0, log, _stage: None }],
        )
        .unwrap();
        assert_eq!(super::super::report::missed(&figures), 0, "{figures:?}");
        let value = |what: &str| figures.iter().find(|figure| figure.what == what).unwrap().value;
        assert!((value("3 agents: wall ÷ ideal") - 880.0 / 870.0).abs() < 1e-9);
        assert!((value("3 agents: requests") - 7.0).abs() < 1e-9);
        assert!((value("3 agents: longest chain") - 3.0).abs() < 1e-9);
        assert!((value("3 agents: last reply → exit") - 8.0).abs() < 1e-9);
    }
}
