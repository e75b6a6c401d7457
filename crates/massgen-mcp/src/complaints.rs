//! What a server writes to its standard error: kept in a file, with bounds, and its last line for messages.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::{File, OpenOptions};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::limits::{STDERR_BYTES, STDERR_LINE_BYTES};
use crate::notice::{quoted, without_codes};
use crate::variables::Mask;

/// The last line that was worth reading.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWords(Arc<Mutex<Option<String>>>);

impl LastWords {
    fn set(&self, line: &str) {
        let line = quoted(line);
        if !line.is_empty() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        }
    }

    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The file for one server.
pub(crate) fn path(folder: &Path, server: &str) -> PathBuf {
    folder.join(format!("mcp_{server}_stderr.log"))
}

/// Opens the file; what an earlier process of the server wrote stays.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Takes everything until the stream ends, so that the server never waits. Values of variables are masked; bytes that are no
/// UTF-8 become replacement characters, and codes that steer terminals are left out. What does not fit into the file is
/// dropped.
pub(crate) async fn keep(
    stream: Box<dyn AsyncRead + Send + Unpin>,
    mut file: File,
    mask: Mask,
    last: LastWords,
) {
    let mut room = STDERR_BYTES.saturating_sub(file.metadata().map_or(0, |file| file.len()));
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    // A stream that cannot be read has ended.
    while let Ok(available) = stream.fill_buf().await {
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(available.len(), |at| at + 1).min(STDERR_LINE_BYTES - line.len());
        line.extend(available.iter().take(taken));
        stream.consume(taken);
        if line.ends_with(b"\n") || line.len() >= STDERR_LINE_BYTES {
            write(&mut file, &mut room, &line, &mask, &last);
            line.clear();
        }
    }
    write(&mut file, &mut room, &line, &mask, &last);
}

fn write(file: &mut File, room: &mut u64, line: &[u8], mask: &Mask, last: &LastWords) {
    // People read the file in a terminal. Codes go first: one inside a value would hide it from the mask.
    let text = mask.apply(&without_codes(&String::from_utf8_lossy(line)));
    last.set(&text);
    let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    if size > *room {
        *room = 0;
        return;
    }
    *room -= size;
    if let Err(error) = file.write_all(text.as_bytes()) {
        // The log is a help, not a result: a full disk is told by what matters more.
        tracing::warn!(%error, "the standard error of a tool server cannot be kept");
        *room = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn kept(folder: &Path, written: Vec<u8>, mask: Mask) -> (String, Option<String>) {
        let path = path(folder, "git");
        let last = LastWords::default();
        keep(Box::new(std::io::Cursor::new(written)), open(&path).expect("a file"), mask, last.clone()).await;
        (fs_err::read_to_string(path).expect("read"), last.get())
    }

    #[tokio::test]
    async fn all_of_it_is_kept_over_restarts_and_the_last_line_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        kept(folder.path(), b"first\n".to_vec(), Mask::default()).await;
        let (text, last) = kept(
            folder.path(),
            b"\xffsecond\n\x1b[31mthi\x00rd\x1b[0m\r\n \n\x1b]0;title\x07".to_vec(),
            Mask::default(),
        )
        .await;
        assert_eq!(text, "first\n\u{fffd}second\nthird\n \n");
        assert_eq!(last.as_deref(), Some("third"));
    }

    #[tokio::test]
    async fn a_flood_is_read_to_its_end_and_bounded_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let most = usize::try_from(STDERR_BYTES).expect("a size");
        let mut written = vec![b'x'; most + 1000];
        written.extend(b"\nthe end\n");
        let (text, last) = kept(folder.path(), written, Mask::default()).await;
        assert!(text.len() <= most);
        assert_eq!(last.as_deref(), Some("the end"));
    }

    #[tokio::test]
    async fn values_of_variables_do_not_get_into_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let lookup = |_: &str| Some(crate::variables::Variable::secret("canary-value"));
        let mut substitution = crate::variables::Substitution::new(&lookup);
        substitution.apply("${KEY}").expect("applied");
        let (text, _) = kept(folder.path(), b"bad canary-value\n".to_vec(), substitution.into_mask()).await;
        assert_eq!(text, "bad [KEY]\n");
    }
}
