//! Whatever models, providers and files say, the terminal obeys only us.

use massgen_protocol::event::RunOutcome;
use massgen_protocol::spec::Budget;
use massgen_protocol::turn::Refusal;
use massgen_protocol::{Delta, DeltaKind};
use massgen_view::{Color, Place, RunView, Style, agent_line, markdown, status_line, transcript};
use proptest::prelude::*;

use crate::history::{History, agent};
use crate::shown::strip;

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}]8;;https://evil.example\u{1b}\\click\u{1b}]8;;\u{1b}\\ \
    \u{202e}reversed\u{202c}\rover\u{8}\u{9b}31m 日本語テキスト 👨\u{200d}👩\u{200d}👧 \
    averylongwordthatneverendsaverylongwordthatneverendsaverylongwordthatneverends";

/// A run in which every free text is `text`.
fn run_that_says(text: &str) -> History {
    let mut hostile = agent("agent_a", text);
    hostile.system_message = Some(text.into());
    let mut run = History::new(vec![hostile, agent("agent_b", text)], Budget::default());
    run.degraded(text, Some(0)).works(0).works(1).retries(0, text).replies(0, text, None);
    run.answers(0, text).vote_is_ignored(1, "agent1.1", &["agent1.1"]);
    run.is_refused(0, Refusal::InvalidTarget { named: text.into() });
    run.is_refused(0, Refusal::BadArguments { problem: text.into() });
    run.votes(1, "agent1.1", text).calls(1).fails(1, text);
    run.wins("agent1.1", &[("agent1.1", 1)]).presents(0, text).finishes(RunOutcome::Answered);
    run
}

fn everything(run: &History, text: &str, style: &Style) -> String {
    let mut view = RunView::default();
    let mut seen = String::new();
    for envelope in &run.events {
        view.apply(envelope);
        for kind in [DeltaKind::Text, DeltaKind::Reasoning, DeltaKind::ToolArguments] {
            view.apply_delta(&Delta { call: run.call(0), kind, text: text.into() });
            for agent in &view.agents {
                seen.push_str(&agent_line(&view, agent, style));
                seen.push('\n');
            }
        }
        seen.push_str(&status_line(&view, view.elapsed, style));
        seen.push('\n');
    }
    let places = [Place { what: text.into(), path: text.into() }];
    seen.push_str(&transcript(&run.events, &places, style));
    seen
}

/// Fails on anything that is not visible text, a line feed or one of our colours.
fn assert_harmless(seen: &str) {
    let plain = strip(seen);
    let overrides = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200f}');
    assert!(!plain.contains(overrides), "direction overrides in {plain:?}");
}

#[test]
fn hostile_text_stays_text() {
    let run = run_that_says(HOSTILE);
    for width in [80, 40] {
        assert_harmless(&everything(&run, HOSTILE, &Style::plain(width)));
        assert_harmless(&everything(&run, HOSTILE, &Style { color: Color::Always, ..Style::plain(width) }));
    }
    insta::assert_snapshot!("hostile_40", transcript(&run.events, &[], &Style::plain(40)));
}

#[test]
fn control_characters_that_markdown_spells_out_are_removed_too() {
    let style = Style::plain(80);
    let page =
        "a&#27;[31mb &#x1b;]0;t&#7; &#x202e;c `&#27;` [x](https://e.org/&#27;[2J)\n\n```&#27;[2J\n&#27;\n```";
    assert_harmless(&markdown(page, &style));
    assert_harmless(&markdown(page, &Style { color: Color::Always, ..style }));
    assert!(markdown("| &#27;[2J |\n|--|\n| &#155;2J |", &style).contains("[2J"));
}

#[test]
fn deep_and_large_markdown_is_taken_in_stride() {
    let style = Style::plain(40);
    for page in [
        ">".repeat(20_000),
        "- ".repeat(5_000) + "x",
        "*".repeat(50_000),
        "[".repeat(20_000),
        format!("|{}\n|{}\n|{}", "a|".repeat(2_000), "-|".repeat(2_000), "b|".repeat(2_000)),
        "```\n".to_owned() + &"x".repeat(1_000_000),
        "word ".repeat(200_000),
    ] {
        assert!(markdown(&page, &style).len() <= page.len() * 8 + 1_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_is_harmless(text in ".{0,60}", bytes in prop::collection::vec(any::<char>(), 0..40)) {
        let text = text + &bytes.iter().collect::<String>();
        let style = Style { color: Color::Always, ..Style::plain(40) };
        assert_harmless(&everything(&run_that_says(&text), &text, &style));
    }

    #[test]
    fn any_markdown_is_harmless_and_fits(page in "[-a-c *_`#>|\\[\\]()!<&;0-9\n\t~日é\u{1b}]{0,200}", width in 20_usize..80) {
        let seen = markdown(&page, &Style { color: Color::Always, ..Style::plain(width) });
        let plain = strip(&seen);
        for line in plain.lines().filter(|line| !line.contains("    ")) {
            prop_assert!(unicode_width::UnicodeWidthStr::width(line) <= width, "{line:?}");
        }
    }
}
