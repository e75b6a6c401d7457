//! The picture of a run in the README: what the terminal shows for a recorded history, as an image.

use anstyle::{Color as Ansi, RgbColor};
use anstyle_svg::{Palette, Term};
use anyhow::{Context, Result};
use massgen_protocol::Envelope;
use massgen_view::{Color, Glyphs, Style, transcript};

use crate::places;

/// The recorded history: an envelope per line, as the journal holds them.
const HISTORY: &str = "docs/assets/run.jsonl";
/// Columns of the terminal in the picture.
const WIDTH: usize = 96;

/// Colours that can be read on [`BACKGROUND`]: those of a terminal's first palette cannot.
const PALETTE: Palette = Palette([
    RgbColor(0x3b, 0x42, 0x52),
    RgbColor(0xe0, 0x6c, 0x75),
    RgbColor(0x98, 0xc3, 0x79),
    RgbColor(0xe5, 0xc0, 0x7b),
    RgbColor(0x61, 0xaf, 0xef),
    RgbColor(0xc6, 0x78, 0xdd),
    RgbColor(0x56, 0xb6, 0xc2),
    RgbColor(0xd7, 0xda, 0xe0),
    RgbColor(0x7f, 0x84, 0x8e),
    RgbColor(0xef, 0x8c, 0x95),
    RgbColor(0xb5, 0xdd, 0x97),
    RgbColor(0xf2, 0xd3, 0x97),
    RgbColor(0x8a, 0xc6, 0xf5),
    RgbColor(0xd8, 0x9b, 0xea),
    RgbColor(0x7c, 0xcf, 0xd9),
    RgbColor(0xff, 0xff, 0xff),
]);
const FOREGROUND: Ansi = Ansi::Rgb(RgbColor(0xd7, 0xda, 0xe0));
const BACKGROUND: Ansi = Ansi::Rgb(RgbColor(0x1e, 0x21, 0x27));

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
    let style = Style { color: Color::Always, glyphs: Glyphs::Unicode, ..Style::plain(WIDTH) };
    let terminal = Term::new().palette(PALETTE).fg_color(FOREGROUND).bg_color(BACKGROUND);
    Ok(terminal.render_svg(&transcript(&events, &[], &style)))
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
        assert!(error.to_string().starts_with("line 2 of docs/assets/run.jsonl"), "{error}");
    }
}
