use massgen_protocol::CallId;
use massgen_protocol::ToolSchema;
use massgen_protocol::ids::{AgentId, AgentNo};
use massgen_protocol::message::{CallContext, Purpose};
use massgen_protocol::spec::{AgentSpec, BackendSpec, KeyHeader, Protocol, Service, VotingSensitivity, Wire};
use serde_json::{Value, json};

use super::*;
use crate::provider::{ProviderModel, testing};
use crate::{HttpClient, Keys, RetryPolicy, connect_with};

/// What only its maker understands holds this word.
const CANARY: &str = "canary";

/// A provider and the events of a reply of it, with all that it can hold.
struct Provider {
    protocol: Protocol,
    url: &'static str,
    model: &'static str,
    events: Vec<Value>,
}

fn providers() -> Vec<Provider> {
    let chat = || {
        let delta = json!({"reasoning": "canary", "content": "so far",
            "reasoning_details": [{"type": "reasoning.text", "text": "canary", "signature": "canary"}],
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,canary00"}}],
            "tool_calls": [{"index": 0, "id": "functions.canary:0", "type": "function",
                "function": {"name": "vote", "arguments": "{\"for\": \"agent1\"}"}}]});
        vec![json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})]
    };
    let output = [
        json!({"id": "rs_canary", "type": "reasoning", "summary": [{"type": "summary_text", "text": "canary"}],
            "encrypted_content": "canary"}),
        json!({"id": "ws_canary", "type": "web_search_call", "status": "completed",
            "action": {"type": "search", "query": "canary"}}),
        json!({"id": "msg_canary", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "so far", "annotations": []}]}),
        json!({"id": "ig_canary", "type": "image_generation_call", "status": "completed", "output_format": "png",
            "result": "canary00"}),
        json!({"id": "fc_canary", "type": "function_call", "call_id": "call_canary", "name": "vote",
            "arguments": "{\"for\": \"agent1\"}", "status": "completed"}),
    ];
    let done = output.iter().enumerate().map(
        |(index, item)| json!({"type": "response.output_item.done", "output_index": index, "item": item}),
    );
    let completed =
        json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
    let blocks = [
        json!({"type": "thinking", "thinking": "canary", "signature": "canary"}),
        json!({"type": "server_tool_use", "id": "srvtoolu_canary", "name": "web_search", "input": {"query": "canary"}}),
        json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_canary",
            "content": [{"type": "web_search_result", "url": "https://canary.test", "title": "canary", "encrypted_content": "canary"}]}),
        json!({"type": "text", "text": "so far"}),
        json!({"type": "tool_use", "id": "toolu_canary", "name": "vote", "input": {"for": "agent1"}}),
    ];
    let mut messages =
        vec![json!({"type": "message_start", "message": {"id": "msg_canary", "role": "assistant"}})];
    for (index, block) in blocks.iter().enumerate() {
        messages.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        messages.push(json!({"type": "content_block_stop", "index": index}));
    }
    messages.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
    messages.push(json!({"type": "message_stop"}));
    let gemini = json!({"candidates": [{"content": {"role": "model", "parts": [
        {"text": "canary", "thought": true},
        {"text": "so far", "thoughtSignature": "canary00"},
        {"inlineData": {"mimeType": "image/png", "data": "canary00"}, "thoughtSignature": "canary00"},
        {"functionCall": {"id": "canary", "name": "vote", "args": {"for": "agent1"}}, "thoughtSignature": "canary00"},
    ]}, "finishReason": "STOP"}]});
    let ollama = json!({"message": {"role": "assistant", "content": "so far", "thinking": "canary",
        "tool_calls": [{"id": "canary", "function": {"index": 0, "name": "vote", "arguments": {"for": "agent1"}}}]},
        "done": true, "done_reason": "stop"});
    let provider = |protocol, url, model, events| Provider { protocol, url, model, events };
    vec![
        provider(Protocol::ChatCompletions, "https://openrouter.ai/api/v1", "z-ai/glm-5", chat()),
        provider(Protocol::ChatCompletions, "https://api.mistral.ai/v1", "mistral-large-latest", chat()),
        provider(
            Protocol::Responses,
            "https://api.openai.com/v1",
            "gpt-5.2",
            done.chain([completed]).collect(),
        ),
        provider(Protocol::Messages, "https://api.anthropic.com", "claude-sonnet-4-6", messages),
        provider(
            Protocol::Gemini,
            "https://generativelanguage.googleapis.com/v1beta",
            "gemini-3-flash-preview",
            vec![gemini],
        ),
        provider(Protocol::Ollama, "http://localhost:11434", "qwen3:4b", vec![ollama]),
    ]
}

impl Provider {
    /// Whether its reply holds a picture.
    fn paints(&self) -> bool {
        matches!(self.protocol, Protocol::ChatCompletions | Protocol::Responses | Protocol::Gemini)
    }

    fn connect(&self) -> ProviderModel {
        self.connect_as(self.model)
    }

    fn connect_as(&self, model: &str) -> ProviderModel {
        let service = Service {
            protocol: self.protocol,
            key_header: KeyHeader::Bearer,
            ..Service::chat_completions(self.url, Vec::new())
        };
        let agent = AgentSpec {
            id: AgentId::new("agent_a").unwrap(),
            backend: BackendSpec {
                kind: "any".to_owned(),
                wire: Wire::Service(service),
                model: model.to_owned(),
                max_output_tokens: None,
                context_window: None,
                price: None,
                parameters: std::collections::BTreeMap::new(),
                output_schema: None,
            },
            system_message: None,
            voting_sensitivity: VotingSensitivity::Lenient,
            fallback: Vec::new(),
            attachments: Vec::new(),
            workspace: None,
            tooling: Box::default(),
        };
        connect_with(&agent, &Keys::default(), &HttpClient::new(), RetryPolicy::default()).unwrap()
    }

    /// The reply as this provider's call gives it, and the result of its tool call.
    fn exchange(&self, origin: Option<ReplyOrigin>) -> [Message; 2] {
        let events = self.events.iter().map(Value::to_string);
        let reply = testing::decode(self.connect().endpoint.codec.decoder(), events).unwrap();
        let call = reply.tool_calls().next().unwrap().clone();
        let result =
            Message::ToolResult { id: call.id, name: call.name, text: "noted".to_owned(), is_error: false };
        [Message::Assistant { reply: Arc::new(Reply { origin, ..reply }) }, result]
    }
}

fn request(messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        context: CallContext {
            agent: AgentId::new("agent_a").unwrap(),
            call: CallId { agent: AgentNo::from_index(0), number: 2 },
            purpose: Purpose::Coordinate,
            candidates: Vec::new(),
            may_answer: true,
            fallback: 0,
        },
        system: "be good".into(),
        tools: Arc::from([ToolSchema {
            name: "vote".to_owned(),
            description: "votes".to_owned(),
            parameters: json!({"type": "object", "properties": {"for": {"type": "string"}}}),
        }]),
        messages,
        max_output_tokens: None,
        output: None,
    }
}

fn user(text: &str) -> Message {
    Message::user(text)
}

fn body(model: &ProviderModel, messages: &[Message]) -> String {
    let endpoint = &model.endpoint;
    let request = request(messages.to_vec());
    let body = endpoint.codec.body(&understood(&request, &endpoint.origin)).unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The ids under `keys`, wherever they are.
fn ids(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| keys.contains(&key.as_str())) {
                    Some(id) => found.push(id.to_owned()),
                    None => ids(value, keys, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| ids(value, keys, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn nothing_that_only_its_maker_understands_goes_to_another_model() {
    let providers = providers();
    for (from, maker) in providers.iter().enumerate() {
        let origin = maker.connect().endpoint.origin.clone();
        let exchange = maker.exchange(Some(origin));
        // Some servers give each reply's calls the same ids.
        let messages: Vec<_> = [user("why?")]
            .into_iter()
            .chain(exchange.clone())
            .chain(exchange)
            .chain([user("and?")])
            .collect();
        for (to, reader) in providers.iter().enumerate() {
            let pair = format!("{:?} to {:?}", maker.url, reader.url);
            let model = reader.connect();
            let text = body(&model, &messages);
            if from == to {
                assert!(text.contains(CANARY), "{pair}: {text}");
                continue;
            }
            assert!(!text.contains(CANARY), "{pair}: {text}");
            for kept in ["so far", "agent1", "noted", "and?"] {
                assert!(text.contains(kept), "{pair} lost {kept}: {text}");
            }
            let mut found = Vec::new();
            let keys: &[&str] = match reader.protocol {
                Protocol::ChatCompletions | Protocol::Ollama => &["id", "tool_call_id"],
                Protocol::Responses => &["call_id"],
                Protocol::Messages => &["id", "tool_use_id"],
                Protocol::Gemini => &["id"],
            };
            ids(&serde_json::from_str(&text).unwrap(), keys, &mut found);
            let is_legal = |id: &String| id.len() == 9 && id.chars().all(|char| char.is_ascii_alphanumeric());
            assert!(found.iter().all(is_legal), "{pair}: {found:?}");
            if reader.protocol != Protocol::Gemini && reader.protocol != Protocol::Ollama {
                let [call, result, later_call, later_result] = found.as_slice() else {
                    panic!("{pair}: {found:?} in {text}")
                };
                assert_eq!((call, later_call), (result, later_result), "{pair}");
                assert_ne!(call, later_call, "{pair}: no id twice");
            }
            let mut longer = messages.clone();
            longer.push(user("well?"));
            let longer = body(&model, &longer);
            let shared = text.bytes().zip(longer.bytes()).take_while(|(a, b)| a == b).count();
            let said = text.find("and?").unwrap();
            assert!(shared > said, "{pair}: the beginning stays");
        }
    }
}

#[test]
fn another_model_of_the_same_provider_is_another_origin() {
    for provider in providers() {
        let origin = provider.connect().endpoint.origin.clone();
        let other = provider.connect_as("another-model");
        let messages: Vec<_> = [user("why?")].into_iter().chain(provider.exchange(Some(origin))).collect();
        assert!(!body(&other, &messages).contains(CANARY), "{}", provider.url);
    }
}

#[test]
fn a_reply_that_does_not_say_whose_it_is_goes_back_as_it_came() {
    for provider in providers() {
        let model = provider.connect();
        let exchange =
            |origin| -> Vec<_> { [user("why?")].into_iter().chain(provider.exchange(origin)).collect() };
        let own = body(&model, &exchange(Some(model.endpoint.origin.clone())));
        assert_eq!(body(&model, &exchange(None)), own, "{}", provider.url);
    }
}

#[test]
fn a_conversation_without_strangers_is_not_copied() {
    let provider = &providers()[0];
    let origin = provider.connect().endpoint.origin.clone();
    let own = request(provider.exchange(Some(origin.clone())).to_vec());
    assert!(matches!(understood(&own, &origin), Cow::Borrowed(_)));
}

#[test]
fn a_strangers_reply_of_nothing_but_reasoning_is_left_out() {
    let providers = providers();
    let item = |content| ReplyItem { content, provider: Some(json!({"x": CANARY})) };
    let [Message::Assistant { reply }, _] =
        providers[0].exchange(Some(providers[0].connect().endpoint.origin.clone()))
    else {
        panic!("a reply")
    };
    let items = vec![
        item(ItemContent::Reasoning { text: CANARY.to_owned() }),
        item(ItemContent::Text { text: "\n".to_owned() }),
        item(ItemContent::Opaque),
    ];
    let messages = [
        user("why?"),
        Message::Assistant { reply: Arc::new(Reply { items, ..(*reply).clone() }) },
        user("well?"),
    ];
    for reader in &providers[1..] {
        let text = body(&reader.connect(), &messages);
        assert!(!text.contains(CANARY) && !text.contains("assistant"), "{}: {text}", reader.url);
        assert!(text.contains("why?") && text.contains("well?"), "{}", reader.url);
    }
}

#[test]
fn a_file_of_another_model_is_told_in_a_line() {
    let providers = providers();
    let painters: Vec<_> = providers.iter().filter(|provider| provider.paints()).collect();
    assert_eq!(painters.len(), 4);
    for maker in painters {
        let exchange = maker.exchange(Some(maker.connect().endpoint.origin.clone()));
        let messages: Vec<_> = [user("why?")].into_iter().chain(exchange).collect();
        for reader in providers.iter().filter(|reader| reader.url != maker.url) {
            let text = body(&reader.connect(), &messages);
            let told = text.matches("[image 1: image/png, 6 bytes, not shown]").count();
            assert_eq!(told, 1, "{} reads {}: {text}", reader.url, maker.url);
        }
    }
}
