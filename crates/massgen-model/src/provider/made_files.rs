//! Files that models made, in words: for models and protocols that cannot be shown them.

use std::collections::BTreeMap;

use massgen_protocol::ReplyFile;
use massgen_protocol::message::{ItemContent, ReplyItem};

/// Whether who reads the line sees the file itself as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It goes along in another place.
    Shown,
    /// The line is all that is told.
    NotShown,
}

/// `items` with a line of text in place of each file, such as `[image 1: image/png, 34 KB, not shown]`.
pub(crate) fn in_words(items: &[ReplyItem], sight: Sight) -> Vec<ReplyItem> {
    let says = |at: usize| {
        let item = items.get(at);
        item.is_some_and(
            |item| matches!(&item.content, ItemContent::Text { text } if !text.trim().is_empty()),
        )
    };
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut told = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let Some(file) = item.file() else {
            told.push(item.clone());
            continue;
        };
        let number = counts.entry(file.kind()).or_default();
        *number += 1;
        // Texts of one message are put together as they are.
        let before = if at > 0 { "\n" } else { "" };
        let after = if says(at + 1) { "\n" } else { "" };
        told.push(
            ItemContent::Text { text: format!("{before}{}{after}", line(&file, *number, sight)) }.into(),
        );
    }
    told
}

fn line(file: &ReplyFile<'_>, number: usize, sight: Sight) -> String {
    let aside = match sight {
        Sight::Shown => "",
        Sight::NotShown => ", not shown",
    };
    format!("[{} {number}: {file}{aside}]", file.kind())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_stands_where_the_file_was() {
        let file =
            |media_type| ReplyItem::with_file(json!({"data": "A".repeat(44_000)}), "/data", Some(media_type));
        let said = |text: &str| ReplyItem::from(ItemContent::Text { text: text.to_owned() });
        let items =
            [file("image/png"), said("and"), file("image/webp"), file("audio/wav"), said("."), said("!")];
        let text = |sight| {
            let texts = in_words(&items, sight).into_iter().map(|item| match item.content {
                ItemContent::Text { text } => text,
                other => panic!("{other:?}"),
            });
            texts.collect::<String>()
        };
        assert_eq!(
            text(Sight::NotShown),
            "[image 1: image/png, 33 KB, not shown]\nand\n[image 2: image/webp, 33 KB, not shown]\
             \n[audio 1: audio/wav, 33 KB, not shown]\n.!"
        );
        assert!(text(Sight::Shown).starts_with("[image 1: image/png, 33 KB]\nand"));
    }
}
