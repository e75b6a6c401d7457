//! Server-sent events, or lines, out of bytes that arrive in pieces of any size.

use bytes::{Buf, Bytes, BytesMut};

use super::codec::Framing;

/// An event: its data, several `data:` lines joined by line feeds. Where lines are the frames, each is an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// The data, not yet known to be UTF-8.
    pub(super) data: Bytes,
    /// Whether `event:` said `error`.
    pub(super) is_error: bool,
}

/// Splits a stream into events. Every byte is looked at once, however the stream is cut.
#[derive(Debug)]
pub(super) struct SseReader {
    framing: Framing,
    buffer: BytesMut,
    /// Bytes of `buffer` that are known to hold no line feed.
    scanned: usize,
    data: Option<BytesMut>,
    is_error: bool,
    begun: bool,
}

impl SseReader {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, buffer: BytesMut::new(), scanned: 0, data: None, is_error: false, begun: false }
    }

    /// Takes the next piece of the stream.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that wait for the end of their event.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() + self.data.as_ref().map_or(0, BytesMut::len)
    }

    /// The next complete event.
    pub(super) fn next(&mut self) -> Option<SseEvent> {
        while let Some(mut line) = self.line() {
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            if let Some(event) = self.take(line) {
                return Some(event);
            }
        }
        None
    }

    /// Takes a line; the event that it completes.
    fn take(&mut self, mut line: Bytes) -> Option<SseEvent> {
        if !self.begun {
            self.begun = true;
            if line.starts_with(b"\xEF\xBB\xBF") {
                line.advance(3);
            }
        }
        match (self.framing, line.is_empty()) {
            (Framing::Events, true) => self.dispatch(),
            (Framing::Events, false) => {
                self.field(line);
                None
            }
            (Framing::Lines, true) => None,
            (Framing::Lines, false) => Some(SseEvent { data: line, is_error: false }),
        }
    }

    /// The stream has ended: an event whose closing blank line is missing.
    pub(super) fn finish(&mut self) -> Option<SseEvent> {
        let rest = self.buffer.split().freeze();
        self.scanned = 0;
        let last = if rest.is_empty() { None } else { self.take(rest) };
        last.or_else(|| self.dispatch())
    }

    fn line(&mut self) -> Option<Bytes> {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(found) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.scanned + found).freeze();
        self.buffer.advance(1);
        self.scanned = 0;
        Some(line)
    }

    fn field(&mut self, mut line: Bytes) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return;
        };
        let mut value = line.split_off(colon);
        value.advance(1);
        if value.first() == Some(&b' ') {
            value.advance(1);
        }
        match line.as_ref() {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.extend_from_slice(b"\n");
                    data.extend_from_slice(&value);
                }
                None => self.data = Some(BytesMut::from(value)),
            },
            b"event" => self.is_error = value.as_ref() == b"error",
            // `id`, `retry`, comments and fields that nobody has defined.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let is_error = std::mem::take(&mut self.is_error);
        let data = self.data.take()?.freeze();
        Some(SseEvent { data, is_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        read_as(Framing::Events, pieces)
    }

    fn read_as(framing: Framing, pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = SseReader::new(framing);
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next() {
                events.push(event);
            }
        }
        events.extend(reader.finish());
        let text = |event: SseEvent| {
            let mark = if event.is_error { "!" } else { "" };
            format!("{mark}{}", String::from_utf8(event.data.to_vec()).unwrap())
        };
        events.into_iter().map(text).collect()
    }

    const STREAM: &str = "\u{feff}: hello\r\ndata: {\"a\":\r\ndata:\"é\"}\r\n\r\nevent: error\nid: 7\ndata: no\n\n\n\
                          retry: 5\n\ndata\ndata: ü\n\ndata: last";

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let whole = read(&[STREAM.as_bytes()]);
        assert_eq!(whole, ["{\"a\":\n\"é\"}", "!no", "ü", "last"]);
        for cut in 0..=STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(cut);
            assert_eq!(read(&[left, right]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(read(&single), whole);
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        const LINES: &str = "\u{feff}{\"a\":1}\r\n\n{\"data: é\":2}\n \n{}";
        let whole = read_as(Framing::Lines, &[LINES.as_bytes()]);
        assert_eq!(whole, ["{\"a\":1}", "{\"data: é\":2}", " ", "{}"]);
        for cut in 0..=LINES.len() {
            let (left, right) = LINES.as_bytes().split_at(cut);
            assert_eq!(read_as(Framing::Lines, &[left, right]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_told_by_its_size() {
        let mut reader = SseReader::new(Framing::Events);
        for _ in 0..1000 {
            reader.push(&[b'x'; 100]);
            assert!(reader.next().is_none());
        }
        assert_eq!(reader.pending(), 100_000);
    }
}
