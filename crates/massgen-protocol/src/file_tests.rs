use proptest::prelude::*;
use serde_json::json;

use super::*;

fn made(item: &ReplyItem) -> Option<(String, Vec<u8>)> {
    let file = item.file()?;
    Some((file.media_type.to_owned(), file.bytes()?))
}

#[test]
fn a_file_is_read_where_the_provider_put_it_and_its_item_stays_as_it_came() {
    let picture = b"\x89PNG\r\n\x1a\n\xff\x00";
    let encoded = BASE64.encode(picture);
    let plain = json!({"type": "image_generation_call", "result": encoded});
    let address = json!({"image_url": {"url": format!("data:image/JPEG;base64,{encoded}")}});
    for (item, at, said, media_type) in [
        (&plain, "/result", Some("image/png"), "image/png"),
        (&plain, "/result", None, "application/octet-stream"),
        (&address, "/image_url/url", Some("image/png"), "image/jpeg"),
    ] {
        let item = ReplyItem::with_file(item.clone(), at, said);
        assert_eq!(made(&item), Some((media_type.to_owned(), picture.to_vec())), "{at}");
        let written = serde_json::to_string(&item).unwrap();
        assert_eq!(written.matches(&encoded).count(), 1, "the bytes are kept once");
        let back: ReplyItem = serde_json::from_str(&written).unwrap();
        assert_eq!((&back, made(&back)), (&item, made(&item)));
    }
}

#[test]
fn what_holds_no_base64_is_no_file() {
    for (item, at) in [
        (json!({"data": "not base64!"}), "/data"),
        (json!({"data": "AAAAA"}), "/data"),
        (json!({"data": ""}), "/data"),
        (json!({"data": ["AAAA"]}), "/data"),
        (json!({"data": "AAAA"}), "/elsewhere"),
        (json!({"data": "AAAA"}), "data"),
        (json!({"data": "AAAA"}), "/data/0/~9/99999999999999999999"),
        (json!({"data": "AAAA"}), ""),
        (json!("AAAA"), "/"),
        (json!({"data": "https://example.org/a.png"}), "/data"),
        (json!({"data": "data:image/png,AAAA"}), "/data"),
        (json!({"data": "data:image/png;base64"}), "/data"),
        (json!({"data": "data:"}), "/data"),
        (json!({"data": "A".repeat(limits::REPLY_BYTES + 4)}), "/data"),
    ] {
        let kept = ReplyItem::with_file(item.clone(), at, Some("image/png"));
        assert_eq!(kept, ReplyItem { content: ItemContent::Opaque, provider: Some(item) }, "{at}");
    }
}

#[test]
fn a_stored_file_whose_place_is_wrong_gives_nothing() {
    let item = |provider, at: &str| ReplyItem {
        content: ItemContent::File { media_type: "image/png".to_owned(), at: at.to_owned() },
        provider,
    };
    for item in [
        item(None, "/data"),
        item(Some(json!(null)), "/data"),
        item(Some(json!({"data": 1})), "/data"),
        item(Some(json!({"data": "é"})), "/data/~"),
    ] {
        assert!(item.file().is_none(), "{item:?}");
    }
    let broken = item(Some(json!({"data": "é-!"})), "/data");
    assert_eq!(broken.file().unwrap().bytes(), None);
}

#[test]
fn base64_may_be_broken_into_lines_unpadded_or_of_the_other_alphabet() {
    let bytes = [0xfb, 0xff, 0xfe, 0x01];
    for text in ["+//+AQ==", "+//+AQ", "-__-AQ", "+//\r\n+AQ==\n"] {
        let item = ReplyItem::with_file(json!({"data": text}), "/data", None);
        assert_eq!(item.file().unwrap().bytes().unwrap(), bytes, "{text}");
        assert_eq!(item.file().unwrap().size(), bytes.len(), "{text}");
    }
}

#[test]
fn names_are_ours_and_count_by_kind() {
    let mut names = FileNames::default();
    let made: Vec<_> = [
        "image/png",
        "audio/l16",
        "image/jpeg",
        "image/x-unheard-of",
        "application/pdf",
        "application/octet-stream",
        "video/mp4",
        "imagery/png",
    ]
    .into_iter()
    .map(|media_type| names.next(media_type))
    .collect();
    let expected = [
        "image-1.png",
        "audio-1.pcm",
        "image-2.jpg",
        "image-3.bin",
        "file-1.pdf",
        "file-2.bin",
        "video-1.mp4",
        "file-3.bin",
    ];
    assert_eq!(made, expected);
    assert!(made.iter().all(|name| is_made_name(name)));
    for other in ["image.png", "image-.png", "image-1", "image-1.exe", "notes-1.txt", "image-1a.png"] {
        assert!(!is_made_name(other), "{other}");
    }
}

#[test]
fn a_media_type_of_a_model_is_reduced_to_what_can_do_no_harm() {
    let item = |said: &str| ReplyItem::with_file(json!({"data": "AAAA"}), "/data", Some(said));
    for (said, kept) in [
        (" Image/PNG ; charset=x", "image/png"),
        ("audio/L16;codec=pcm;rate=24000", "audio/l16"),
        ("image/../../etc/passwd", "application/octet-stream"),
        ("image/png\u{1b}[31m", "application/octet-stream"),
        ("</answer>", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("png", "application/octet-stream"),
        (&format!("image/{}", "x".repeat(200)), "application/octet-stream"),
    ] {
        assert_eq!(item(said).file().unwrap().media_type, kept, "{said}");
    }
}

#[test]
fn a_file_is_shown_by_type_and_size() {
    let shown = |bytes: usize| {
        let item = json!({"data": BASE64.encode(vec![7; bytes])});
        ReplyItem::with_file(item, "/data", Some("image/png")).file().unwrap().to_string()
    };
    assert_eq!(shown(999), "image/png, 999 bytes");
    assert_eq!(shown(33_001), "image/png, 33 KB");
    assert_eq!(shown(2_370_000), "image/png, 3 MB");
}

#[test]
fn a_file_weighs_the_same_in_a_prompt_however_large_it_is() {
    let reply = |bytes: usize| {
        let item = json!({"data": BASE64.encode(vec![7; bytes])});
        ReplyItem::with_file(item, "/data", Some("image/png")).content.bytes()
    };
    assert_eq!((reply(3), reply(3_000_000)), (limits::FILE_IN_PROMPT_BYTES, limits::FILE_IN_PROMPT_BYTES));
}

proptest! {
    #[test]
    fn whatever_bytes_come_back_as_they_were(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let item = ReplyItem::with_file(json!({"a": [BASE64.encode(&bytes)]}), "/a/0", None);
        prop_assert_eq!(item.file().unwrap().size(), bytes.len());
        prop_assert_eq!(item.file().unwrap().bytes(), Some(bytes));
    }

    #[test]
    fn hostile_places_and_texts_do_no_harm(text in ".{0,40}", at in "[/~a-c0-9é]{0,12}", said in ".{0,20}") {
        for provider in [json!(text), json!({"a": text}), json!([[text]])] {
            let item = ReplyItem::with_file(provider, &at, Some(&said));
            if let Some(file) = item.file() {
                prop_assert_eq!(file.bytes().unwrap().len(), file.size());
            }
        }
    }
}
