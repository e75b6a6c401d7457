//! Reading what programs write, never more than is wanted.

use std::collections::VecDeque;
use std::io;

use massgen_protocol::limits;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

/// Bytes of standard error that are kept.
const TAIL: usize = limits::HOOK_TEXT_BYTES;

/// Bytes of its last lines that a message shows.
const SHOWN: usize = 1024;

/// Bytes that are read at a time.
const PIECE: usize = 8 * 1024;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// These bytes.
    All(Vec<u8>),
    /// More than was wanted.
    TooMuch,
}

/// A stream that is read line by line. Reading may be given up and gone on with: nothing is lost.
pub(crate) struct Lines<R> {
    from: R,
    most: usize,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `most` bytes.
    pub(crate) fn new(from: R, most: usize) -> Self {
        Self { from, most, line: Vec::new() }
    }

    /// The next line without its end; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Read>> {
        loop {
            let piece = self.from.fill_buf().await?;
            if piece.is_empty() {
                let rest = std::mem::take(&mut self.line);
                return Ok(if rest.is_empty() { None } else { Some(Read::All(rest)) });
            }
            let (part, used, is_whole) = match piece.iter().position(|byte| *byte == b'\n') {
                Some(end) => (piece.get(..end).unwrap_or_default(), end + 1, true),
                None => (piece, piece.len(), false),
            };
            if self.line.len() + part.len() > self.most {
                return Ok(Some(Read::TooMuch));
            }
            self.line.extend_from_slice(part);
            self.from.consume(used);
            if is_whole {
                return Ok(Some(Read::All(std::mem::take(&mut self.line))));
            }
        }
    }
}

/// Everything until the end, at most `most` bytes.
pub(crate) async fn all(from: impl AsyncRead + Unpin, most: usize) -> io::Result<Read> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_to_end(&mut bytes).await?;
    Ok(if bytes.len() > most { Read::TooMuch } else { Read::All(bytes) })
}

/// The end of what a program writes to standard error.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<u8>);

impl Tail {
    /// Reads until the end, and keeps the last of it. May be given up: what was read by then is there.
    pub(crate) async fn follow(&mut self, from: &mut (impl AsyncRead + Unpin)) {
        let mut piece = vec![0; PIECE];
        // A stream that cannot be read any more has ended.
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            self.0.extend(piece.get(..read).unwrap_or_default());
            let excess = self.0.len().saturating_sub(TAIL);
            self.0.drain(..excess);
        }
    }

    /// All that was kept.
    pub(crate) fn whole(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// Its last lines as one.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.whole();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        cut(lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join(" | "), SHOWN)
    }
}

/// Lines of standard error that a message shows.
const LINES: usize = 4;

/// `text`, at most `most` bytes of it.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        const MARK: &str = "…";
        let mut end = most.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn lines_are_read_whole_and_a_long_one_is_noticed_before_it_is_held() {
        let mut lines = Lines::new(io::Cursor::new(b"a\n\nlong one\nrest".to_vec()), 4);
        let mut next = async || lines.next().await.expect("read");
        assert_eq!(next().await, Some(Read::All(b"a".to_vec())));
        assert_eq!(next().await, Some(Read::All(Vec::new())));
        assert_eq!(next().await, Some(Read::TooMuch));
        let mut last = Lines::new(io::Cursor::new(b"rest".to_vec()), 4);
        assert_eq!(last.next().await.expect("read"), Some(Read::All(b"rest".to_vec())));
        assert_eq!(last.next().await.expect("read"), None);
        assert_eq!(all(io::Cursor::new(b"abcde"), 4).await.expect("read"), Read::TooMuch);
        assert_eq!(all(io::Cursor::new(b"abcd"), 4).await.expect("read"), Read::All(b"abcd".to_vec()));
    }

    #[tokio::test]
    async fn a_line_that_comes_in_two_pieces_survives_a_reader_that_gave_up_between_them() {
        use tokio::io::{AsyncWriteExt, BufReader, duplex};
        let (mut writer, reader) = duplex(64);
        let mut lines = Lines::new(BufReader::new(reader), 64);
        writer.write_all(b"one ").await.expect("written");
        assert!(futures::poll!(Box::pin(lines.next())).is_pending());
        writer.write_all(b"line\n").await.expect("written");
        assert_eq!(lines.next().await.expect("read"), Some(Read::All(b"one line".to_vec())));
    }

    #[tokio::test]
    async fn of_long_messages_the_last_lines_are_kept() {
        let mut tail = Tail::default();
        let text = format!("{}\nfirst\n\nsecond\nthird\nfourth\n", "x".repeat(100_000));
        tail.follow(&mut io::Cursor::new(text)).await;
        assert_eq!(tail.last_lines(), "first | second | third | fourth");
        assert!(tail.0.len() <= TAIL);
    }

    proptest! {
        #[test]
        fn a_text_is_cut_between_characters(text in "[a-zä€😀]{0,40}", most in 4usize..60) {
            let shorter = cut(text.clone(), most);
            prop_assert!(shorter.len() <= most);
            prop_assert!(text.starts_with(shorter.trim_end_matches('…')));
        }
    }
}
