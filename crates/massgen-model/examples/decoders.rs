//! Reads one long reply again and again, for `cargo xtask bench` to measure:
//!
//! ```text
//! decoders PROTOCOL TIMES
//! ```
//!
//! The reply is a text of 20,000 chunks of 250 to 330 bytes as the protocol's service sends them, each in a piece of
//! its own. Prints the number of chunks and their mean size in bytes.

use std::io::Write;

use massgen_model::measuring::{PROTOCOLS, Reader};
use massgen_protocol::spec::Protocol;

/// Chunks of text in the reply.
const CHUNKS: usize = 20_000;

/// Words of a model, as it splits them.
const WORDS: [&str; 8] =
    ["There", " are", " two", " high", " tides", " a day,", " “spring”", " and\\n\\n\\\"neap\\\" –"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = arguments.as_slice() else { return Err("usage: decoders PROTOCOL TIMES".into()) };
    let found = PROTOCOLS.iter().find(|(known, _)| known == name);
    let (_, protocol) = found.ok_or_else(|| format!("no protocol `{name}`"))?;
    let chunks: Vec<String> = (0..CHUNKS).map(|number| chunk(*protocol, number)).collect();
    let (begin, end) = frame(*protocol);
    let pieces = || {
        let chunks = chunks.iter().map(String::as_str);
        std::iter::once(begin).chain(chunks).chain(std::iter::once(end)).map(str::as_bytes)
    };
    let reader = Reader::new(*protocol)?;
    for _ in 0..times.parse::<usize>()? {
        let outcome = reader.stream(pieces());
        let reply = outcome.reply.map_err(|problem| format!("{name}: {problem}"))?;
        if reply.text().len() != outcome.shown || outcome.shown < CHUNKS {
            return Err(format!("{name}: {} bytes of text", outcome.shown).into());
        }
    }
    let bytes: usize = chunks.iter().map(String::len).sum();
    writeln!(std::io::stdout(), "{CHUNKS} {}", bytes / CHUNKS)?;
    Ok(())
}

/// A delta of text, as the service of the protocol writes it.
fn chunk(protocol: Protocol, number: usize) -> String {
    let words = |count: usize| {
        (0..count).filter_map(|word| WORDS.get((number + word) % WORDS.len()).copied()).collect::<String>()
    };
    match protocol {
        Protocol::ChatCompletions => format!(
            "data: {{\"id\":\"chatcmpl-CfVx2Qd0m7uJ9bKz1nTgR4sYhWeLo\",\"object\":\"chat.completion.chunk\",\
             \"created\":1763736267,\"model\":\"gpt-5.4-2026-03-05\",\"service_tier\":\"default\",\
             \"system_fingerprint\":\"fp_d87c52f10b\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\
             \"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n",
            words(1)
        ),
        Protocol::Responses => format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\
             \"content_index\":0,\"delta\":\"{}\",\
             \"item_id\":\"msg_0a6f21c9d5e84b7f00692065cb7a1c819aa3d7f4e2b1905c68\",\"logprobs\":[],\
             \"obfuscation\":\"k3TzQ9pLw2Xs\",\"output_index\":0,\"sequence_number\":{}}}\n\n",
            words(2),
            number + 4
        ),
        Protocol::Messages => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\"{}\"}}}}\n\n",
            words(20)
        ),
        Protocol::Gemini => format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{}\"}}],\"role\": \"model\"}},\
             \"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 812,\"totalTokenCount\": 1204,\
             \"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 812}}]}},\
             \"modelVersion\": \"gemini-3-pro\",\"responseId\": \"y2UgaYjNGdOB\"}}\r\n\r\n",
            words(5)
        ),
        Protocol::Ollama => format!(
            "{{\"model\":\"qwen3:32b\",\"created_at\":\"2026-03-05T14:44:27.318274512Z\",\
             \"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"done\":false}}\n",
            words(20)
        ),
    }
}

/// What comes before the text and after it.
fn frame(protocol: Protocol) -> (&'static str, &'static str) {
    match protocol {
        Protocol::ChatCompletions => (
            "",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ),
        Protocol::Responses => (
            "data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"message\",\
             \"id\":\"msg_1\",\"role\":\"assistant\",\"content\":[]}}\n\n",
            "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n",
        ),
        Protocol::Messages => (
            "data: {\"type\":\"message_start\",\"message\":{\"role\":\"assistant\",\"content\":[]}}\n\n\
             data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
             data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n\
             data: {\"type\":\"message_stop\"}\n\n",
        ),
        Protocol::Gemini => (
            "",
            "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\
             \"finishReason\": \"STOP\"}]}\r\n\r\n",
        ),
        Protocol::Ollama => (
            "",
            "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
        ),
    }
}
