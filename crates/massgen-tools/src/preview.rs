//! Results that are too long for a prompt go to a file, and the model sees their two ends.

use massgen_protocol::Timestamp;
use massgen_protocol::limits::{TOOL_PREVIEW_BYTES, TOOL_RESULT_BYTES, TOOL_RESULT_IN_PROMPT_BYTES};
use massgen_workspace::access::{Found, Last};

use crate::desk::Desk;
use crate::naming::bare;
use crate::source::{Failed, Page};

/// The folder in a workspace that holds long results.
pub(crate) const FOLDER: &str = ".tool_results";

/// `text` if it is short; else the two ends of its `page`, or of itself, with the file that holds that.
pub(crate) fn shortened(
    desk: Option<&Desk>,
    tool: &str,
    text: String,
    page: impl FnOnce(&str) -> Option<Page>,
    (now, id): (Timestamp, u64),
) -> Result<String, Failed> {
    if text.len() <= TOOL_RESULT_IN_PROMPT_BYTES {
        return Ok(text);
    }
    let Page { text, left_out } = page(&text).unwrap_or(Page { text, left_out: 0 });
    let kept = front(&text, TOOL_RESULT_BYTES);
    let cut = text.len() - kept.len();
    let place = match desk {
        None => "It was not kept; ask for less at a time.".to_owned(),
        Some(desk) => {
            let path = format!("{FOLDER}/{}_{}_{:08x}.txt", file_name(tool), moment(now), id & 0xffff_ffff);
            match desk.find(&path, Last::AsItIs)? {
                Found::There(place) => place.replace(kept.as_bytes())?,
                Found::Missing(gap) => gap.into_place()?.replace(kept.as_bytes())?,
            }
            let what = match (left_out, cut) {
                (0, 0) => format!("All of it is in `{path}`"),
                (0, cut) => format!("All but its last {cut} bytes are in `{path}`"),
                (left_out, cut) => {
                    let missing = left_out.saturating_add(cut.try_into().unwrap_or(u64::MAX));
                    format!(
                        "`{path}` holds its beginning and its end; {missing} bytes between them were not kept"
                    )
                }
            };
            format!("{what}. Read the parts that you need.")
        }
    };
    let head = front(&text, TOOL_PREVIEW_BYTES * 3 / 4);
    let tail = back(&text, TOOL_PREVIEW_BYTES / 4);
    let size = match left_out {
        0 => format!("{} bytes, {} lines", text.len(), text.lines().count()),
        left_out => format!("{} bytes", left_out.saturating_add(text.len().try_into().unwrap_or(u64::MAX))),
    };
    let between = text.len().saturating_sub(head.len() + tail.len());
    Ok(format!("The result is long: {size}. {place}\n\n{head}\n\n[… {between} bytes left out …]\n\n{tail}"))
}

/// The beginning of `text`, at most `most` bytes, cut between characters.
pub(crate) fn front(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The end of `text`, at most `most` bytes, cut between characters.
pub(crate) fn back(text: &str, most: usize) -> &str {
    let mut begin = text.len().saturating_sub(most);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    text.get(begin..).unwrap_or_default()
}

fn file_name(tool: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    bare(tool).chars().take(64).map(plain).collect()
}

fn moment(now: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(now.micros())
        .map(|moment| moment.strftime("%Y%m%d_%H%M%S").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_of_a_long_result_is_told() {
        let text = "ä".repeat(TOOL_RESULT_BYTES / 2 + 10);
        let shown = shortened(None, "tool", text, |_| None, (Timestamp::default(), 1)).expect("shortened");
        assert!(
            shown.contains("It was not kept") && shown.len() < TOOL_PREVIEW_BYTES + 500,
            "{}",
            shown.len()
        );
        let short = "x".repeat(TOOL_RESULT_IN_PROMPT_BYTES);
        let same = shortened(None, "tool", short.clone(), |_| None, (Timestamp::default(), 1));
        assert_eq!(same, Ok(short));
    }

    #[test]
    fn names_of_files_come_from_nothing_but_plain_letters() {
        assert_eq!(file_name("mcp__a__../../etc/passwd"), "______etc_passwd");
    }
}
