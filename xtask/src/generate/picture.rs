//! The picture of a run in the README: what the terminal shows for a recorded history, as an image.

use anstyle_svg::Term;
use anyhow::{Context, Result};
use massgen_protocol::Envelope;
use massgen_view::{Color, Glyphs, Style, transcript};

use crate::places;

/// The recorded history: an envelope per line, as the journal holds them.
const HISTORY: &str = "docs/assets/run.jsonl";
/// Columns of the terminal in the picture.
const WIDTH: usize = 96;

pub(crate) fn run() -> Result<String> {
    let history =
        fs_err::read_to_string(places::root().join(HISTORY)).context("the recorded run is missing")?;
    picture(&history)
}

fn picture(history: &str) -> Result<String> {
    let envelope = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("line {number} of {HISTORY} is no envelope"))
    };
    let events: Vec<Envelope> = (1..).zip(history.lines()).map(envelope).collect::<Result<_>>()?;
    let style = Style {
        color: Color::Always,
        glyphs: Glyphs::Unicode,
        ..Style::plain(WIDTH)
    };
    Ok(Term::new().render_svg(&transcript(&events, &[], &style)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_becomes_an_image_and_a_bad_line_is_told_by_its_number() {
        let line =
            |seq: u64, event: &str| format!(r#"{{"v":1,"seq":{seq},"at":0,"run_time":0,"event":{event}}}"#);
        let resumed = line(1, r#"{"type":"run_resumed"}"#);
        assert!(picture(&resumed).unwrap().starts_with("<svg "));
        let error = picture(&format!("{resumed}\nnot json")).unwrap_err();
        assert!(
            error.to_string().starts_with("line 2 of docs/assets/run.jsonl"),
            "{error}"
        );
    }
}
