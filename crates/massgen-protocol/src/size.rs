//! Numbers of bytes as people say them. A KB has 1024 bytes here, as in [`crate::limits`].

const KB: u64 = 1024;
const MB: u64 = KB * KB;
const GB: u64 = MB * KB;

/// A number of bytes as people say it, rounded up: `340 bytes`, `34 KB`, `3 MB`, `1.5 GB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..KB => format!("{bytes} bytes"),
        KB..MB => format!("{} KB", bytes.div_ceil(KB)),
        MB..GB => format!("{} MB", bytes.div_ceil(MB)),
        GB.. => {
            let tenths = u128::from(bytes).saturating_mul(10).div_ceil(u128::from(GB));
            match tenths % 10 {
                0 => format!("{} GB", tenths / 10),
                tenth => format!("{}.{tenth} GB", tenths / 10),
            }
        }
    }
}

/// A bound in bytes as people say it, exactly: `5 MB`, `3840 KB`, `22000000 bytes`.
pub fn bound(bytes: u64) -> String {
    if bytes >= MB && bytes.is_multiple_of(MB) {
        format!("{} MB", bytes / MB)
    } else if bytes >= KB && bytes.is_multiple_of(KB) {
        format!("{} KB", bytes / KB)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_short_and_never_less_than_it_is() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KB"),
            (34_000, "34 KB"),
            (MB, "1 MB"),
            (MB + 1, "2 MB"),
            (2 * GB, "2 GB"),
            (2 * GB + 1, "2.1 GB"),
            (u64::MAX, "17179869184 GB"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn a_bound_is_told_as_it_is() {
        for (bytes, told) in
            [(7, "7 bytes"), (3_932_160, "3840 KB"), (5 * MB, "5 MB"), (22_000_000, "22000000 bytes")]
        {
            assert_eq!(bound(bytes), told);
        }
    }
}
