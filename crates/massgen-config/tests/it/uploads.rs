//! Files that go with the question.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::{Settings, Severity, Source, Style, Upload, UploadPlace, render, validate};
use massgen_protocol::AttachmentKind;

use crate::{load_text, load_with, told};

/// The files of one agent with these keys in its backend, and what is told.
fn uploads(backend: &str, rest: &str) -> (Vec<Upload>, Vec<String>) {
    let text = format!("agent: {{id: a, backend: {{{backend}}}{rest}}}");
    let environment = [("HOME", "/home/me")];
    let loaded = load_with(&text, &Settings::default(), &environment)
        .unwrap_or_else(|findings| panic!("{text}: {:?}", told(&findings)));
    (loaded.uploads.entries().to_vec(), told(&loaded.findings))
}

fn places(backend: &str, rest: &str) -> Vec<UploadPlace> {
    uploads(backend, rest).0.into_iter().map(|upload| upload.place).collect()
}

#[test]
fn entries_say_what_is_read_from_where_and_how_large_it_may_be() {
    let (uploads, told) = uploads(
        "type: gemini, media_max_file_size_mb: 3, upload_files: [{image_path: pictures/Chart.PNG}, \
         {file_path: '~/paper.pdf'}, {file_path: /data/notes.md}, {audio_path: 'https://example.org/a.mp3?x=1'}]",
        "",
    );
    assert!(told.is_empty(), "{told:?}");
    let read: Vec<_> = uploads
        .iter()
        .map(|upload| (upload.name.as_str(), upload.kind, upload.media_type.as_deref(), upload.most_bytes))
        .collect();
    let megabyte = 1024 * 1024;
    assert_eq!(
        read,
        [
            ("Chart.PNG", AttachmentKind::Image, Some("image/png"), 3 * megabyte),
            ("paper.pdf", AttachmentKind::Document, Some("application/pdf"), 3 * megabyte),
            ("notes.md", AttachmentKind::Document, Some("text/markdown"), megabyte),
            ("a.mp3", AttachmentKind::Audio, Some("audio/mp3"), 3 * megabyte),
        ]
    );
    let file = |path: &str| UploadPlace::File(Path::new(path).to_owned());
    assert_eq!(
        uploads.into_iter().map(|upload| upload.place).collect::<Vec<_>>(),
        [
            file("/project/pictures/Chart.PNG"),
            file("/home/me/paper.pdf"),
            file("/data/notes.md"),
            UploadPlace::Download("https://example.org/a.mp3?x=1".to_owned()),
        ]
    );
}

#[test]
fn without_a_size_files_have_at_most_64_megabytes() {
    let (uploads, _) = uploads("type: openai, upload_files: [{image_path: a.png}]", "");
    assert_eq!(uploads[0].most_bytes, 64 * 1024 * 1024);
}

#[test]
fn an_address_is_read_here_unless_all_models_of_the_agent_read_it_themselves() {
    let image = "upload_files: [{image_path: 'https://example.org/picture'}]";
    let url = "https://example.org/picture".to_owned();
    let (address, download) = (vec![UploadPlace::Address(url.clone())], vec![UploadPlace::Download(url)]);
    for kind in ["openai", "claude", "groq"] {
        assert_eq!(places(&format!("type: {kind}, {image}"), ""), address, "{kind}");
    }
    assert_eq!(places(&format!("type: gemini, {image}"), ""), download);
    let fallback = |kind: &str| format!(", fallback: [{{type: {kind}}}]");
    assert_eq!(places(&format!("type: openai, {image}"), &fallback("gemini")), download);
    assert_eq!(places(&format!("type: openai, {image}"), &fallback("claude")), address);
    // What opens the address to whoever has it must not be stored.
    for secret in ["?X-Amz-Signature=abc", "#abc"] {
        let signed = format!("https://example.org/picture{secret}");
        let backend = format!("type: openai, upload_files: [{{image_path: '{signed}'}}]");
        assert_eq!(places(&backend, ""), [UploadPlace::Download(signed)]);
    }
    // A document always goes with the request.
    let paper = "type: claude, upload_files: [{file_path: 'https://example.org/paper'}]";
    let paper = places(paper, "");
    assert_eq!(paper, [UploadPlace::Download("https://example.org/paper".to_owned())]);
}

const WRONG: &str = r"agents:
  - id: reader
    backend:
      type: claude
      media_max_file_size_mb: 0
      upload_files:
        - {path: table.csv}
        - {image_path: a.png, file_path: b.pdf}
        - {}
        - image_path: ''
        - image_path: photo.tiff
        - file_path: table.xlsx
        - file_path: Makefile
        - audio_path: voice.ogg
        - audio_path: voice.mp3
        - video_path: clip.mp4
        - file_path: deck.pptx
        - image_path: ftp://example.org/a.png
        - image_path: https:///a.png
        - chart.png
    fallback:
      - {type: openai, upload_files: [{image_path: a.png}]}
";

#[test]
fn entries_that_cannot_be_sent_are_told_each_at_its_line_with_what_to_do() {
    let findings = load_text(WRONG).unwrap_err();
    assert!(findings.of(Severity::Error).all(|finding| finding.hint.is_some() && finding.span().is_some()));
    insta::assert_snapshot!(render(&findings, Style::Plain { width: 100 }));
}

#[test]
fn what_a_fallback_model_cannot_be_sent_is_a_notice() {
    let (files, told) = uploads(
        "type: gemini, upload_files: [{audio_path: a.mp3}, {file_path: notes.txt}]",
        ", fallback: [{type: claude, model: claude-sonnet-4-6}]",
    );
    assert_eq!(files.len(), 2);
    assert_eq!(told, ["1 notice: of the `fallback` models, `claude-sonnet-4-6` cannot be sent audio"]);
}

#[test]
fn an_agent_gets_so_many_files_and_no_more() {
    let many = |count: usize| {
        let entries = vec!["{image_path: a.png}"; count].join(", ");
        format!("agent: {{id: a, backend: {{type: openai, upload_files: [{entries}]}}}}")
    };
    assert_eq!(load_text(&many(64)).unwrap().uploads.entries().len(), 64);
    assert_eq!(
        told(&load_text(&many(65)).unwrap_err()),
        ["1 error: there are 65 files; an agent gets at most 64"]
    );
}

#[test]
fn a_file_that_waits_for_a_variable_is_judged_as_it_stands() {
    let text = "agent: {id: a, backend: {type: openai, upload_files: [{image_path: '${CHART}'},\n\
                {file_path: path/to/your/file}]}}";
    let findings = validate(&Source::new("config.yaml", text), Backends::built_in());
    assert_eq!(told(&findings), ["2 notice: `file` is no document that can be sent"]);
}

#[test]
fn what_a_service_does_not_take_is_an_error_that_names_types_that_do() {
    let refused = |kind: &str, entry: &str| {
        let text = format!("agent: {{id: a, backend: {{type: {kind}, model: m, upload_files: [{entry}]}}}}");
        told(&load_text(&text).unwrap_err())
    };
    assert_eq!(
        refused("gemini", "{image_path: a.gif}"),
        ["1 error: the type `gemini` cannot be sent images of this kind"]
    );
    for document in ["a.pdf", "a.docx"] {
        assert_eq!(
            refused("grok", &format!("{{file_path: {document}}}")),
            ["1 error: the type `grok` cannot be sent documents of this kind"]
        );
    }
    let (text, _) = uploads("type: grok, model: m, upload_files: [{file_path: a.csv}]", "");
    assert_eq!(text.len(), 1);
}
