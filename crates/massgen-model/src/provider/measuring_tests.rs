//! The recorded streams that the fuzz targets begin with (`fuzz/corpus`), damaged in every way.

use std::path::PathBuf;

use massgen_protocol::limits;
use proptest::prelude::*;

use super::*;

fn recorded(protocol: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(protocol);
    let files = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut recorded: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "sse"))
        .map(|file| (file.file_stem().unwrap().to_string_lossy().into_owned(), fs_err::read(&file).unwrap()))
        .collect();
    recorded.sort();
    recorded
}

/// Reads `bytes` as one piece and in pieces of `size`, and looks at what came of it.
fn survive(reader: &Reader, bytes: &[u8], size: usize) {
    let whole = reader.stream([bytes]);
    assert_eq!(reader.stream(bytes.chunks(size)), whole, "pieces of {size}");
    assert!(whole.shown <= bytes.len(), "{} bytes of {} are shown", whole.shown, bytes.len());
    for outcome in [whole, reader.document(bytes)] {
        if let Ok(reply) = outcome.reply {
            let held = serde_json::to_vec(&reply).unwrap().len();
            assert!(held <= 8 * bytes.len() + 1000, "{} bytes became {held}", bytes.len());
        }
    }
}

#[test]
fn every_recorded_stream_is_read_as_its_name_says() {
    for (name, protocol) in PROTOCOLS {
        let reader = Reader::new(protocol).unwrap();
        let recorded = recorded(name);
        for kind in ["text", "tools", "thinking", "cut", "error"] {
            assert!(recorded.iter().any(|(file, _)| file.starts_with(kind)), "{name} has no `{kind}`");
        }
        for (file, bytes) in recorded {
            let reply = reader.stream([bytes.as_slice()]).reply;
            match file.split('-').next().unwrap() {
                "text" => assert!(!reply.unwrap().text().is_empty(), "{name}/{file}"),
                "tools" => assert!(reply.unwrap().tool_calls().count() > 1, "{name}/{file}"),
                "thinking" => {
                    let reply = reply.unwrap();
                    assert!(!reply.reasoning().is_empty(), "{name}/{file}");
                    assert!(reply.tool_calls().count() > 0, "{name}/{file}");
                }
                "cut" => assert_eq!(reply, Err("cut".to_owned()), "{name}/{file}"),
                "error" => assert!(reply.unwrap_err().starts_with("the service said"), "{name}/{file}"),
                other => panic!("{name}/{file}: what is `{other}`?"),
            }
        }
    }
}

#[test]
fn every_recorded_stream_is_the_same_in_pieces_of_any_size() {
    for (name, protocol) in PROTOCOLS {
        let reader = Reader::new(protocol).unwrap();
        for (_, bytes) in recorded(name) {
            for size in 1..80 {
                survive(&reader, &bytes, size);
            }
        }
    }
}

#[test]
fn a_text_without_an_end_is_let_go_at_the_bound_of_replies() {
    let filling = "x".repeat(64 * 1024);
    for (name, protocol) in PROTOCOLS {
        let reader = Reader::new(protocol).unwrap();
        let text = recorded(name).into_iter().find(|(file, _)| file == "text").unwrap().1;
        let text = String::from_utf8(text).unwrap();
        let delta = text.split_inclusive('\n').find(|line| line.contains("MARK")).unwrap();
        let (head, _) = text.split_once(delta).unwrap();
        let event = delta.replace("MARK", &filling) + "\n";
        let mut pushed = 0;
        let endless = std::iter::repeat_n(event.as_bytes(), 1000).inspect(|piece| pushed += piece.len());
        let outcome = reader.stream(std::iter::once(head.as_bytes()).chain(endless));
        assert!(outcome.reply.unwrap_err().starts_with("a reply of more than"), "{name}");
        assert!(pushed < limits::REPLY_BYTES + 2 * event.len() * 2, "{name} took {pushed} bytes");
        let mut pushed = 0;
        let line = std::iter::repeat_n(filling.as_bytes(), 1000).inspect(|piece| pushed += piece.len());
        assert_eq!(reader.stream(line).reply, Err("an event without an end".to_owned()), "{name}");
        assert!(pushed <= limits::REPLY_BYTES + filling.len(), "{name} took {pushed} bytes");
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Put(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    /// A number or a sign in the place of another, so that the JSON stays JSON more often.
    Digit(usize, u8),
    /// The rest of another recorded stream.
    Splice(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let (at, length) = (0..100_000_usize, 1..400_usize);
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Put(at, byte)),
        (at.clone(), length.clone()).prop_map(|(at, length)| Damage::Remove(at, length)),
        (at.clone(), length).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (at.clone(), b'0'..=b'9').prop_map(|(at, digit)| Damage::Digit(at, digit)),
        (at.clone(), at).prop_map(|(at, from)| Damage::Splice(at, from)),
    ]
}

fn damaged(bytes: &[u8], other: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        let length = bytes.len().max(1);
        match *damage {
            Damage::Put(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = byte;
                }
            }
            Damage::Remove(at, count) => {
                let at = at % length;
                drop(bytes.drain(at.min(bytes.len())..bytes.len().min(at + count)));
            }
            Damage::Repeat(at, count) => {
                let at = (at % length).min(bytes.len());
                let again = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, again);
            }
            Damage::Digit(at, digit) => {
                let places: Vec<usize> =
                    (0..bytes.len()).filter(|&place| bytes[place].is_ascii_digit()).collect();
                if let Some(&place) = places.get(at % places.len().max(1)) {
                    bytes[place] = digit;
                }
            }
            Damage::Splice(at, from) => {
                bytes.truncate(at % length);
                bytes.extend_from_slice(&other[from % other.len().max(1)..]);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_recordings_are_survived(
        pick in any::<[prop::sample::Index; 3]>(),
        damages in prop::collection::vec(damage(), 1..8),
        size in 1..300_usize,
    ) {
        let (name, protocol) = PROTOCOLS[pick[0].index(PROTOCOLS.len())];
        let recorded = recorded(name);
        let (one, other) = (pick[1].get(&recorded), pick[2].get(&recorded));
        survive(&Reader::new(protocol).unwrap(), &damaged(&one.1, &other.1, &damages), size);
    }

    /// A stream of one protocol on a connection of another.
    #[test]
    fn a_foreign_protocol_is_survived(pick in any::<[prop::sample::Index; 3]>(), size in 1..300_usize) {
        let recorded = recorded(PROTOCOLS[pick[0].index(PROTOCOLS.len())].0);
        let (_, protocol) = PROTOCOLS[pick[2].index(PROTOCOLS.len())];
        survive(&Reader::new(protocol).unwrap(), &pick[1].get(&recorded).1, size);
    }
}
