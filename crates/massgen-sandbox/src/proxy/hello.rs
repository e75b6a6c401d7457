//! The host that the first message of a TLS connection names.

/// What the first bytes of a connection say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// The whole message is there, with the name in it.
    Whole(Option<String>),
    /// It is no such message.
    Other,
}

/// The first byte of a record that carries such a message.
pub(super) const RECORD: u8 = 0x16;

const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// Reads the first bytes of a connection: RFC 8446, 4.1.2 and 5.1; RFC 6066, 3.
pub(super) fn read(bytes: &[u8]) -> Hello {
    let mut records = Bytes(bytes);
    let mut message = Vec::new();
    loop {
        let whole = Bytes(&message).sized_message();
        match whole {
            Some((CLIENT_HELLO, body)) => return named(body).unwrap_or(Hello::Other),
            Some(_) => return Hello::Other,
            None => {}
        }
        match records.0.first() {
            None => return Hello::Incomplete,
            Some(&RECORD) => {}
            Some(_) => return Hello::Other,
        }
        let Some(fragment) = records.record() else { return Hello::Incomplete };
        if fragment.is_empty() {
            return Hello::Other;
        }
        message.extend_from_slice(fragment);
    }
}

/// The message whose body this is, `None` if the body is not well made.
fn named(body: &[u8]) -> Option<Hello> {
    let mut body = Bytes(body);
    let _version_and_random = body.take(2 + 32)?;
    let _session = body.short()?;
    let _ciphers = body.long()?;
    let _compressions = body.short()?;
    if body.0.is_empty() {
        return Some(Hello::Whole(None));
    }
    let mut extensions = Bytes(body.long()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let mut value = Bytes(extensions.long()?);
        if kind == SERVER_NAME {
            let mut names = Bytes(value.long()?);
            let [HOST_NAME] = *names.take(1)? else { return None };
            let name = std::str::from_utf8(names.long()?).ok()?;
            // Two names are one too many: the server may go by the other one.
            if !names.0.is_empty() || !value.0.is_empty() || found.is_some() {
                return None;
            }
            found = Some(name.to_owned());
        }
    }
    Some(Hello::Whole(found))
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn number(&mut self) -> Option<u16> {
        let [high, low] = *self.take(2)? else { return None };
        Some(u16::from_be_bytes([high, low]))
    }

    /// Bytes after their count in one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let [count] = *self.take(1)? else { return None };
        self.take(count.into())
    }

    /// Bytes after their count in two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.number()?;
        self.take(count.into())
    }

    /// The content of a record.
    fn record(&mut self) -> Option<&'a [u8]> {
        let _kind_and_version = self.take(3)?;
        self.long()
    }

    /// The kind and the body of a message.
    fn sized_message(&mut self) -> Option<(u8, &'a [u8])> {
        let [kind, a, b, c] = *self.take(4)? else { return None };
        let count = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        Some((kind, self.take(count)?))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(bytes: &[u8]) -> Vec<u8> {
        let count = u16::try_from(bytes.len()).expect("short").to_be_bytes();
        [count.as_slice(), bytes].concat()
    }

    /// A message that names `names`, in records of `size` bytes.
    pub(in crate::proxy) fn hello(names: &[&str], size: usize) -> Vec<u8> {
        let entry = |name: &&str| [&[HOST_NAME], counted(name.as_bytes()).as_slice()].concat();
        let names: Vec<u8> = names.iter().flat_map(entry).collect();
        let mut extensions = [&[0, 0x2B], counted(&[2, 3, 4]).as_slice()].concat();
        if !names.is_empty() {
            extensions.extend([&[0, 0], counted(&counted(&names)).as_slice()].concat());
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(counted(&extensions));
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        let message = [&[CLIENT_HELLO], &length[1..], body.as_slice()].concat();
        let record = |piece: &[u8]| [&[RECORD, 3, 1], counted(piece).as_slice()].concat();
        message.chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_however_the_message_is_cut() {
        for size in [1, 7, 60, 4000] {
            let bytes = hello(&["example.org"], size);
            assert_eq!(read(&bytes), Hello::Whole(Some("example.org".to_owned())));
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Hello::Incomplete, "{end}");
            }
        }
        assert_eq!(read(&hello(&[], 4000)), Hello::Whole(None));
    }

    #[test]
    fn two_names_and_other_messages_are_refused() {
        assert_eq!(read(&hello(&["example.org", "evil.net"], 4000)), Hello::Other);
        assert_eq!(read(b"GET / HTTP/1.1"), Hello::Other);
        assert_eq!(read(&[RECORD, 3, 1, 0, 4, 2, 0, 0, 0]), Hello::Other);
        assert_eq!(read(&[RECORD, 3, 1, 0, 0]), Hello::Other);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..80) {
            let _ = read(&bytes);
            let mut changed = hello(&["example.org"], 4000);
            let at = at.min(changed.len());
            changed.truncate(at);
            changed.append(&mut bytes);
            let _ = read(&changed);
        }
    }
}
