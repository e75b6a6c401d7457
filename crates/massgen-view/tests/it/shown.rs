//! What a person reads of a run.

use massgen_protocol::event::{EndCause, RunOutcome, WinnerBasis};
use massgen_protocol::spec::Budget;
use massgen_protocol::{Delta, DeltaKind, Event, RunMillis};
use massgen_view::{
    Color, Ends, Glyphs, Place, RunView, Style, Weight, agent_line, event_line, final_answer, most_active,
    status_line, summary, transcript, weight,
};

use crate::history::{History, agent, label, no, simulated, three_agents};

fn colored(width: usize) -> Style {
    Style { color: Color::Always, ..Style::plain(width) }
}

fn ascii(width: usize) -> Style {
    Style { glyphs: Glyphs::Ascii, ..Style::plain(width) }
}

fn places() -> Vec<Place> {
    let place = |what: &str, path: &str| Place { what: what.into(), path: path.into() };
    vec![
        place("log", "/home/me/project/.massgen/massgen_logs/log_20270115_080000_000000"),
        place(
            "answer",
            "/home/me/project/.massgen/massgen_logs/log_20270115_080000_000000/turn_1/final/answer.txt",
        ),
    ]
}

/// The live lines at `seq` of a run.
fn live(run: &History, seq: usize, style: &Style) -> String {
    let mut view = RunView::of(&run.events[..seq]);
    let open = run.events[..seq].iter().rev().find_map(|envelope| match &envelope.event {
        Event::ModelCallStarted { call, .. } if call.agent == no(0) => Some(*call),
        _ => None,
    });
    if let Some(call) = open {
        let text = "a line that is still being written and that does not fit on any narrow terminal at all";
        let kind = DeltaKind::Text;
        view.apply_delta(&Delta { call, kind, text: text.into() });
    }
    let mut lines: Vec<_> = view.agents.iter().map(|agent| agent_line(&view, agent, style)).collect();
    lines.push(status_line(&view, view.elapsed, style));
    lines.join("\n")
}

fn position(run: &History, wanted: impl Fn(&Event) -> bool) -> usize {
    run.events.iter().position(|envelope| wanted(&envelope.event)).unwrap() + 1
}

fn assert_fits(text: &str, style: &Style) {
    let plain = strip(text);
    for line in plain.lines().filter(|line| !line.contains("/home/") && !line.starts_with("    ")) {
        let columns = unicode_width::UnicodeWidthStr::width(line);
        assert!(columns <= style.width, "{columns} columns: {line:?}");
        assert_eq!(line.trim_end(), line, "no spaces at the end");
    }
}

/// Without our own colours; anything else that is left of an escape sequence is an error.
pub(crate) fn strip(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let (codes, tail) = after.split_once('m').expect("a colour ends");
        assert!(codes.chars().all(|c| c.is_ascii_digit() || c == ';'), "not a colour: {codes:?}");
        rest = tail;
    }
    plain.push_str(rest);
    assert!(plain.chars().all(|c| c == '\n' || !c.is_control()), "control characters in {plain:?}");
    plain
}

#[test]
fn a_run_of_three_agents_as_a_transcript() {
    let run = three_agents();
    let wide = transcript(&run.events, &places(), &Style::plain(80));
    insta::assert_snapshot!("transcript_80", wide);
    let narrow = transcript(&run.events, &places(), &Style::plain(40));
    insta::assert_snapshot!("transcript_40", narrow);
    insta::assert_snapshot!("transcript_40_ascii", transcript(&run.events, &places(), &ascii(40)));
    let bright = transcript(&run.events, &places(), &colored(80));
    insta::assert_snapshot!("transcript_80_color", bright.replace('\u{1b}', "␛"));
    assert_fits(&wide, &Style::plain(80));
    assert_fits(&narrow, &Style::plain(40));
    assert_fits(&bright, &colored(80));
}

#[test]
fn live_lines_at_every_moment_fit_and_stand_in_columns() {
    let run = three_agents();
    for seq in 1..=run.events.len() {
        for style in [Style::plain(80), Style::plain(40), colored(80), ascii(20), Style::plain(1)] {
            assert_fits(&live(&run, seq, &style), &style);
        }
    }
    let retry = position(&run, |event| matches!(event, Event::ModelCallRetried { .. }));
    let ignored = position(&run, |event| matches!(event, Event::VoteIgnored { .. }));
    let voted = position(&run, |event| matches!(event, Event::VoteCast { .. })) + 1;
    let mut shown = String::new();
    for (name, seq) in
        [("start", 1), ("retry", retry), ("ignored", ignored), ("voted", voted), ("end", run.events.len())]
    {
        for width in [80, 40] {
            shown.extend(["--- ", name, "\n", &live(&run, seq, &Style::plain(width)), "\n"]);
        }
    }
    insta::assert_snapshot!("live", shown);
    insta::assert_snapshot!("live_color", live(&run, voted, &colored(80)).replace('\u{1b}', "␛"));
}

#[test]
fn a_simulated_team_is_called_simulated_everywhere() {
    let mut run = History::new(vec![simulated("agent_a"), simulated("agent_b")], Budget::default());
    run.works(0).works(1).after(100).replies(0, "x", Some(0.0)).answers(0, "An answer.");
    run.votes(1, "agent1.1", "why not").votes(0, "agent1.1", "mine").wins("agent1.1", &[("agent1.1", 2)]);
    run.presents(0, "An answer.").finishes(RunOutcome::Answered);
    let style = Style::plain(80);
    let text = transcript(&run.events, &[], &style);
    insta::assert_snapshot!("simulated", text);
    let view = RunView::of(&run.events);
    assert!(final_answer(&view, &style).unwrap().contains("SIMULATED"));
    assert!(summary(&view, &[], &style).contains("SIMULATED"));
    assert!(status_line(&view, RunMillis(0), &Style::plain(40)).contains("SIMULATED"));
    assert!(agent_line(&view, &view.agents[0], &Style::plain(40)).contains("sim"));
    let mixed = History::new(vec![simulated("agent_a"), agent("agent_b", "gpt-5.4")], Budget::default());
    let view = RunView::of(&mixed.events);
    assert!(status_line(&view, RunMillis(0), &style).contains("PARTLY SIMULATED"));
}

#[test]
fn a_run_without_an_answer_says_why() {
    let mut run = History::new(vec![agent("agent_a", "m"), agent("agent_b", "m")], Budget::default());
    run.works(0).works(1).after(500).fails(0, "no such model").fails(1, "connection refused");
    run.event(Event::CoordinationEnded { cause: EndCause::AllOut });
    run.event(Event::RunFinished { outcome: RunOutcome::NoAnswer });
    let view = RunView::of(&run.events);
    assert_eq!(final_answer(&view, &Style::plain(80)), None);
    insta::assert_snapshot!("no_answer", summary(&view, &[], &Style::plain(80)));
}

#[test]
fn an_interrupted_run_says_what_it_has() {
    let mut run = History::new(vec![agent("agent_a", "m")], Budget::default());
    run.works(0).answers(0, "An answer.").works(0);
    run.event(Event::RunInterrupted { best: Some(label("agent1.1")) });
    let last = run.events.last().unwrap();
    let view = RunView::of(&run.events);
    insta::assert_snapshot!(
        event_line(&view, last, &Style::plain(80)).unwrap(),
        @"
    00:00  the run is interrupted and can be resumed; the best answer so far is
           agent1.1
    "
    );
    assert!(summary(&view, &[], &Style::plain(80)).contains("interrupted and can be resumed"));
}

#[test]
fn a_winner_without_votes_is_not_said_to_have_votes() {
    let mut run = History::new(vec![agent("agent_a", "m")], Budget::default());
    run.works(0).answers(0, "An answer.").event(Event::WinnerSelected {
        answer: label("agent1.1"),
        tally: Vec::new(),
        basis: WinnerBasis::LatestAnswer,
    });
    let view = RunView::of(&run.events);
    insta::assert_snapshot!(
        event_line(&view, run.events.last().unwrap(), &Style::plain(80)).unwrap(),
        @"00:00  agent_a wins with agent1.1: no votes, latest answer"
    );
}

#[test]
fn three_hundred_agents_keep_to_one_screen() {
    let agents = (0..300).map(|i| agent(&format!("worker_{i:03}"), "gpt-5.4")).collect();
    let mut run = History::new(agents, Budget::default());
    for i in 0..300 {
        run.works(i);
    }
    for i in 0..200 {
        run.after(10).replies(i, "An idea.", Some(0.001)).answers(i, "An answer.");
    }
    for i in 200..215 {
        run.fails(i, "quota exhausted");
    }
    run.works(100);
    for i in 215..300 {
        run.votes(i, if i % 3 == 0 { "agent2.1" } else { "agent1.1" }, "good");
    }
    let view = RunView::of(&run.events);
    let style = Style::plain(80);
    let active: Vec<_> = most_active(&view, 5).iter().map(|agent| agent.id.to_string()).collect();
    assert_eq!(active, ["worker_000", "worker_001", "worker_002", "worker_003", "worker_100"]);
    assert_eq!(most_active(&view, 1000).len(), 300);
    let text = summary(&view, &places(), &style);
    assert!(text.lines().count() < 80, "{} lines", text.lines().count());
    insta::assert_snapshot!("three_hundred_agents", text);
    insta::assert_snapshot!(
        status_line(&view, view.elapsed, &style),
        @"00:02 / 30:00  1 of 300 at work  200 answers  votes agent1.1 ×57, agent2.1 ×28"
    );
}

#[test]
fn every_step_has_a_line_and_every_silent_event_none() {
    let run = three_agents();
    let mut view = RunView::default();
    for envelope in &run.events {
        view.apply(envelope);
        let line = event_line(&view, envelope, &Style::plain(80));
        assert_eq!(line.is_some(), weight(&envelope.event) != Weight::Silent, "{}", envelope.event.kind());
    }
}

#[test]
fn a_reason_is_cut_for_a_person_who_watches_and_whole_in_a_file() {
    let mut run = three_agents();
    let reason =
        "it says more, and says it better, than all that came before it did, and at the end the cause";
    run.votes(0, "agent2.1", reason);
    let view = RunView::of(&run.events);
    let vote = run.events.iter().rfind(|envelope| matches!(envelope.event, Event::VoteCast { .. })).unwrap();
    let shown = |style: &Style| event_line(&view, vote, style).unwrap();
    let cut = shown(&Style::plain(80));
    assert!(cut.ends_with('…') && cut.lines().count() == 1, "{cut}");
    let whole = shown(&Style { ends: Ends::Kept, ..Style::plain(80) });
    let words: Vec<&str> = whole.split_whitespace().collect();
    assert!(words.join(" ").ends_with(reason), "{whole}");
}
