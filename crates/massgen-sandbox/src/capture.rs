//! What is kept of the output of a command, while it comes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;

use fs_err::File;

/// How much of an output stream is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Bytes from the beginning that stay in memory.
    pub head: usize,
    /// Bytes from the end that stay in memory.
    pub tail: usize,
    /// Where all of it is written when it is more than that; `None` keeps the two ends only.
    pub file: Option<PathBuf>,
    /// Bytes at most that are written there.
    pub file_bytes: u64,
}

impl Keep {
    /// 64 KiB of each end, and no file.
    pub const STANDARD: Self = Self { head: 64 * 1024, tail: 64 * 1024, file: None, file_bytes: 0 };
}

/// What was kept of an output stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its beginning; all of it when `left_out` is 0.
    pub head: Vec<u8>,
    /// Its end, after what was left out.
    pub tail: Vec<u8>,
    /// Bytes between the two that are not here.
    pub left_out: u64,
    /// The file that holds all of it, or as much as [`Keep::file_bytes`] says.
    pub file: Option<PathBuf>,
}

impl Captured {
    /// Bytes that the command wrote.
    pub fn total(&self) -> u64 {
        let kept = self.head.len() + self.tail.len();
        self.left_out.saturating_add(u64::try_from(kept).unwrap_or(u64::MAX))
    }

    /// The text, with `gap` in place of what was left out. Bytes that are no UTF-8 become replacement characters.
    pub fn text(&self, gap: impl FnOnce(u64) -> String) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.left_out > 0 {
            text.push_str(&gap(self.left_out));
            text.push_str(&String::from_utf8_lossy(&self.tail));
        }
        text
    }
}

/// Takes an output stream piece by piece.
#[derive(Debug)]
pub(crate) struct Capture {
    keep: Keep,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    file: Option<File>,
    written: u64,
}

impl Capture {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, head: Vec::new(), tail: VecDeque::new(), total: 0, file: None, written: 0 }
    }

    /// Takes a piece. An error is one of the file; what stays in memory is taken all the same.
    pub(crate) fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        let written = self.spill(piece);
        self.total = self.total.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let room = self.keep.head.saturating_sub(self.head.len()).min(piece.len());
        let (first, rest) = piece.split_at(room);
        self.head.extend_from_slice(first);
        let rest = rest.get(rest.len().saturating_sub(self.keep.tail)..).unwrap_or_default();
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.keep.tail);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(rest);
        written
    }

    /// Writes the piece to the file when not everything fits into memory. The first time, what was kept until then is
    /// everything, and goes before it.
    fn spill(&mut self, piece: &[u8]) -> io::Result<()> {
        let Some(path) = &self.keep.file else { return Ok(()) };
        let fits = self.keep.head.saturating_add(self.keep.tail);
        let after = self.total.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if self.file.is_none() {
            if after <= u64::try_from(fits).unwrap_or(u64::MAX) {
                return Ok(());
            }
            let mut file = File::create(path)?;
            let (front, back) = self.tail.as_slices();
            for part in [self.head.as_slice(), front, back] {
                self.written += write_some(&mut file, part, self.keep.file_bytes - self.written)?;
            }
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        self.written += write_some(file, piece, self.keep.file_bytes - self.written)?;
        Ok(())
    }

    pub(crate) fn finish(self) -> Captured {
        let mut head = self.head;
        let mut tail: Vec<u8> = self.tail.into();
        let kept = u64::try_from(head.len() + tail.len()).unwrap_or(u64::MAX);
        let left_out = self.total.saturating_sub(kept);
        if left_out == 0 {
            head.append(&mut tail);
        }
        Captured { head, tail, left_out, file: self.file.and(self.keep.file) }
    }
}

/// Writes as much of `bytes` as `room` allows, and returns how much that was.
fn write_some(file: &mut File, bytes: &[u8], room: u64) -> io::Result<u64> {
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
    file.write_all(bytes.get(..room).unwrap_or_default())?;
    Ok(u64::try_from(room).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keep(head: usize, tail: usize) -> Keep {
        Keep { head, tail, file: None, file_bytes: 0 }
    }

    #[test]
    fn both_ends_of_a_long_output_are_kept_and_the_gap_is_told() {
        let mut capture = Capture::new(keep(4, 3));
        for piece in [b"ab".as_slice(), b"cdef", b"ghij"] {
            capture.take(piece).expect("no file");
        }
        let captured = capture.finish();
        assert_eq!(captured.text(|bytes| format!("[{bytes}]")), "abcd[3]hij");
        assert_eq!(captured.total(), 10);
    }

    #[test]
    fn a_file_holds_all_of_a_long_output_and_is_not_made_for_a_short_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = |bytes: &[u8], most| {
            let path = folder.path().join(format!("out-{}-{most}", bytes.len()));
            let mut capture = Capture::new(Keep { head: 2, tail: 2, file: Some(path), file_bytes: most });
            for piece in bytes.chunks(3) {
                capture.take(piece).expect("written");
            }
            capture.finish().file.map(|path| fs_err::read(path).expect("read"))
        };
        assert_eq!(kept(b"abcd", 100), None);
        assert_eq!(kept(b"abcde", 100).as_deref(), Some(b"abcde".as_slice()));
        assert_eq!(kept(b"abcdefghijk", 100).as_deref(), Some(b"abcdefghijk".as_slice()));
        assert_eq!(kept(b"abcdefghijk", 7).as_deref(), Some(b"abcdefg".as_slice()));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_two_ends_however_the_output_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 1usize..20,
            head in 0usize..40,
            tail in 0usize..40,
        ) {
            let mut capture = Capture::new(keep(head, tail));
            for piece in bytes.chunks(cut) {
                capture.take(piece).expect("no file");
                prop_assert!(capture.head.len() <= head && capture.tail.len() <= tail);
            }
            let captured = capture.finish();
            prop_assert_eq!(captured.total(), bytes.len() as u64);
            if bytes.len() <= head + tail {
                prop_assert_eq!(&captured.head, &bytes);
            } else {
                prop_assert_eq!(&captured.head, &bytes[..head]);
                prop_assert_eq!(&captured.tail, &bytes[bytes.len() - tail..]);
            }
        }
    }
}
