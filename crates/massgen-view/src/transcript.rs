//! A whole recorded run as the text that a terminal shows.

use massgen_protocol::Envelope;

use crate::event_line::event_line;
use crate::style::Style;
use crate::summary::{Place, final_answer, summary};
use crate::view::RunView;

/// What a terminal without live display shows for a run with `events`: a line per event, the final answer, the
/// summary with `places`. Ends with a line feed.
pub fn transcript(events: &[Envelope], places: &[Place], style: &Style) -> String {
    let mut view = RunView::default();
    let mut text = String::new();
    for envelope in events {
        view.apply(envelope);
        if let Some(line) = event_line(&view, envelope, style) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    for block in final_answer(&view, style).into_iter().chain([summary(&view, places, style)]) {
        text.push('\n');
        text.push_str(&block);
        text.push('\n');
    }
    text
}
