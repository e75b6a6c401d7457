//! What every fuzz target asks of its decoder.

use massgen_model::measuring::Reader;
use massgen_protocol::spec::Protocol;

/// Reads `data` in `protocol`: as a stream in one piece and in small ones, which must come to the same, and as a
/// document. What is kept of it must be in proportion to it.
///
/// # Panics
/// When that is not so, which is what a fuzzer looks for.
pub fn read(protocol: Protocol, data: &[u8]) {
    thread_local! {
        static READERS: std::cell::RefCell<Option<(Protocol, Reader)>> = const { std::cell::RefCell::new(None) };
    }
    READERS.with_borrow_mut(|known| {
        let (_, reader) =
            known.get_or_insert_with(|| (protocol, Reader::new(protocol).expect("a reader of the protocol")));
        let whole = reader.stream([data]);
        let size = usize::from(data.first().copied().unwrap_or(0)) % 64 + 1;
        assert_eq!(reader.stream(data.chunks(size)), whole, "pieces of {size}");
        assert!(whole.shown <= data.len(), "{} bytes of {} are shown", whole.shown, data.len());
        for outcome in [whole, reader.document(data)] {
            if let Ok(reply) = outcome.reply {
                let held = serde_json::to_vec(&reply).map_or(0, |json| json.len());
                assert!(held <= 8 * data.len() + 1000, "{} bytes became {held}", data.len());
            }
        }
    });
}
