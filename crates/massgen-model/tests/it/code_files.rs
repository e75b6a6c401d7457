//! Files that tools for code made and the service keeps.

use std::net::TcpListener;
use std::time::Duration;

use futures::StreamExt;
use massgen_model::{HttpClient, Keys, ProviderModel, RetryPolicy, connect_with};
use massgen_ports::{Model, ModelEvent};
use massgen_protocol::message::{Message, Reply};
use massgen_protocol::spec::{KeyHeader, Protocol, Service, Wire};
use massgen_protocol::{ServiceReport, limits};
use massgen_testkit::model_server::chunks::Frame;
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};
use serde_json::{Value, json};

use crate::support::{agent, hasty, question, request};

/// The two services, with the paths of files.
const SERVICES: [(Protocol, &str); 2] =
    [(Protocol::Responses, "/v1/containers/cntr_1/files/"), (Protocol::Messages, "/v1/files/")];

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\xff\x00";

fn events(events: &[Value]) -> ScriptedReply {
    let frames = events.iter().map(|event| Frame::data(format!("data: {event}\n\n"))).collect();
    ScriptedReply::Raw { content_type: "text/event-stream".to_owned(), frames }
}

/// A reply of the service that names these files.
fn naming(protocol: Protocol, ids: &[&str]) -> ScriptedReply {
    if protocol == Protocol::Responses {
        let cites = ids.iter().map(|id| {
            json!({"type": "container_file_citation", "container_id": "cntr_1", "file_id": id,
                "filename": "/mnt/data/what", "start_index": 0, "end_index": 4})
        });
        let text = json!({"type": "output_text", "text": "done", "annotations": cites.collect::<Vec<_>>()});
        let output = json!([
            {"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "x",
                "container_id": "cntr_1", "outputs": null},
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]},
        ]);
        return events(&[json!({"type": "response.completed", "response": {"status": "completed",
            "output": output, "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}}})]);
    }
    let outputs = ids.iter().map(|id| json!({"type": "bash_code_execution_output", "file_id": id}));
    let result = json!({"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0,
        "content": outputs.collect::<Vec<_>>()});
    let blocks = [
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution",
            "input": {"command": "ls"}}),
        json!({"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": result}),
        json!({"type": "text", "text": "done"}),
    ];
    let mut told = vec![json!({"type": "message_start", "message": {"usage": {"input_tokens": 5},
        "container": {"id": "container_1"}}})];
    for (index, block) in blocks.iter().enumerate() {
        told.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        told.push(json!({"type": "content_block_stop", "index": index}));
    }
    told.push(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
    );
    told.push(json!({"type": "message_stop"}));
    events(&told)
}

fn file(content_type: &str, pieces: Vec<Vec<u8>>) -> ScriptedReply {
    let frames = pieces.into_iter().map(Frame::data).collect();
    ScriptedReply::Raw { content_type: content_type.to_owned(), frames }
}

/// A service whose replies name the files `ids`, and what it says to who asks for one.
async fn serve(
    protocol: Protocol,
    ids: &[&str],
    answer: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    serve_within(hasty(), protocol, ids, answer).await
}

/// As [`serve`], to a call with this policy.
async fn serve_within(
    policy: RetryPolicy,
    protocol: Protocol,
    ids: &[&str],
    answer: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
) -> (ModelServer, ProviderModel) {
    let reply = naming(protocol, ids);
    let script = move |request: &ReceivedRequest| {
        if request.path.ends_with("/content") { answer(request) } else { reply.clone() }
    };
    let server = ModelServer::start(script, Schedule::default()).await.unwrap();
    let mut agent = agent("", &[]);
    let key_header = if protocol == Protocol::Messages { KeyHeader::XApiKey } else { KeyHeader::Bearer };
    let service = Service::chat_completions(server.base_url(), vec!["KEY".to_owned()]);
    agent.backend.wire = Wire::Service(Service { protocol, key_header, ..service });
    let keys = Keys::from_pairs([("KEY", "secret")]);
    let model = connect_with(&agent, &keys, &HttpClient::new(), policy).unwrap();
    (server, model)
}

/// The reply, and what is told beside it.
async fn called(model: &ProviderModel) -> (Reply, Vec<String>) {
    let mut told = Vec::new();
    let mut call = model.call(question());
    while let Some(event) = call.next().await {
        match event {
            ModelEvent::Delta { .. } => {}
            ModelEvent::Service { report: ServiceReport::FilesLeft { count, problem }, .. } => {
                told.push(format!("{count}: {problem}"));
            }
            ModelEvent::Finished(reply) => return (*reply, told),
            other => panic!("{other:?}"),
        }
    }
    panic!("no end");
}

fn files(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    reply.files().map(|file| (file.media_type.to_owned(), file.bytes().unwrap())).collect()
}

fn paths(server: &ModelServer) -> Vec<String> {
    server.requests().iter().map(|request| request.path.clone()).collect()
}

#[tokio::test]
async fn files_are_fetched_once_with_the_key_of_the_call() {
    for (protocol, folder) in SERVICES {
        let (server, model) = serve(protocol, &["file_1", "file_2", "file_1"], move |request| {
            let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
            let expected = match protocol {
                Protocol::Messages => [Some("secret"), None, Some("files-api-2025-04-14"), None],
                _ => [None, Some("Bearer secret"), None, None],
            };
            let names = ["x-api-key", "authorization", "anthropic-beta", "content-type"];
            if names.map(header) != expected || !request.body.is_empty() {
                return ScriptedReply::refusal(400, "bad", "bad");
            }
            let first = request.path.ends_with("file_1/content");
            if first {
                file("application/octet-stream", vec![PNG.to_vec(), b"1".to_vec()])
            } else {
                file("text/csv; charset=utf-8", vec![b"a,b".to_vec()])
            }
        })
        .await;
        let (reply, told) = called(&model).await;
        assert!(told.is_empty(), "{protocol:?}: {told:?}");
        let expected =
            [("image/png".to_owned(), [PNG, b"1"].concat()), ("text/csv".to_owned(), b"a,b".to_vec())];
        assert_eq!(files(&reply), expected, "{protocol:?}");
        assert_eq!(reply.text(), "done");
        let asked: Vec<_> = paths(&server).split_off(1);
        assert_eq!(asked, ["file_1", "file_2"].map(|id| format!("{folder}{id}/content")));
    }
}

#[tokio::test]
async fn what_was_fetched_does_not_go_back() {
    for (protocol, _) in SERVICES {
        let (server, model) = serve(protocol, &["file_1"], |_| file("image/png", vec![PNG.to_vec()])).await;
        let (with, _) = called(&model).await;
        let without = Reply {
            items: with.items.iter().filter(|item| item.file().is_none()).cloned().collect(),
            ..with.clone()
        };
        assert_eq!((with.items.len(), files(&with).len()), (without.items.len() + 1, 1));
        assert_eq!(with.bytes(), without.bytes(), "it is in no prompt");
        let bodies = || {
            server
                .requests()
                .iter()
                .filter(|request| !request.path.ends_with("/content"))
                .map(|request| request.body.clone().unwrap())
                .collect::<Vec<_>>()
        };
        for reply in [with, without] {
            let next = vec![
                Message::user("why?"),
                Message::Assistant { reply: reply.into() },
                Message::user("and?"),
            ];
            let mut call = model.call(request(next));
            while call.next().await.is_some() {}
        }
        let bodies = bodies();
        assert_eq!(bodies.len(), 3);
        assert_eq!(bodies[1], bodies[2], "{protocol:?}");
        assert!(bodies[1].starts_with(bodies[0].strip_suffix(b"]}").unwrap()), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_refused_or_elsewhere_stays_named_and_the_reply_stands() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let moved = format!("http://{}/v1/files/file_1/content", elsewhere.local_addr().unwrap());
    for (protocol, _) in SERVICES {
        for (answer, problem) in [
            (
                ScriptedReply::refusal(404, "not_found", "no"),
                "cannot be read: its server answers with status 404",
            ),
            (
                ScriptedReply::refusal(500, "server_error", "no"),
                "cannot be read: its server answers with status 500",
            ),
            (
                ScriptedReply::refusal(302, "moved", "no").with_header("location", &moved),
                "cannot be read: its server answers with status 302",
            ),
            (file("image/png", vec![]), "is empty"),
        ] {
            let (server, model) = serve(protocol, &["file_1", "file_2"], move |request| {
                let is_first = request.path.ends_with("file_1/content");
                if is_first { answer.clone() } else { file("image/png", vec![PNG.to_vec()]) }
            })
            .await;
            let (reply, told) = called(&model).await;
            assert_eq!(told, [format!("1: {problem}")], "{protocol:?}");
            assert_eq!((reply.text().as_str(), files(&reply).len()), ("done", 1));
            assert!(serde_json::to_string(&reply).unwrap().contains("file_1"), "it stays named");
            assert_eq!(server.requests().len(), 3, "nothing is repeated");
        }
    }
    assert!(elsewhere.accept().is_err(), "no redirect is followed");
}

#[tokio::test]
async fn no_more_is_read_than_is_allowed_whatever_a_server_says() {
    let most = usize::try_from(limits::FETCHED_BYTES).unwrap();
    for (protocol, _) in SERVICES {
        // The first takes all but two bytes, so the second does not fit, and the third does.
        let (_server, model) = serve(protocol, &["file_1", "file_2", "file_3"], move |request| {
            let bytes =
                |count: usize| file("image/png", vec![vec![1; count / 2], vec![1; count - count / 2]]);
            match request.path.split('/').rev().nth(1) {
                Some("file_1") => bytes(most - 2),
                Some("file_2") => bytes(most),
                _ => bytes(2),
            }
        })
        .await;
        let (reply, told) = called(&model).await;
        assert_eq!(told, ["1: has more than 2 bytes"], "{protocol:?}");
        let sizes: Vec<_> = reply.files().map(|file| file.size()).collect();
        assert_eq!(sizes, [most - 2, 2]);
    }
}

#[tokio::test]
async fn a_single_file_of_the_largest_size_is_kept() {
    let most = usize::try_from(limits::FETCHED_BYTES).unwrap();
    let (_server, model) =
        serve(Protocol::Messages, &["file_1"], move |_| file("image/png", vec![vec![1; most]])).await;
    let (reply, told) = called(&model).await;
    assert_eq!((reply.files().map(|file| file.size()).collect::<Vec<_>>(), told), (vec![most], vec![]));
}

#[tokio::test]
async fn an_id_that_is_none_gets_into_no_address() {
    for (protocol, _) in SERVICES {
        let hostile = ["../../models", "a/b", "a?b=c", "", "%2e%2e", "@evil.test/x"];
        let (server, model) = serve(protocol, &hostile, |_| file("image/png", vec![PNG.to_vec()])).await;
        let (reply, told) = called(&model).await;
        assert_eq!(told, ["6: has an id that is none"], "{protocol:?}");
        assert_eq!((files(&reply).len(), server.requests().len()), (0, 1));
    }
}

#[tokio::test]
async fn so_many_files_are_fetched_and_no_more() {
    let ids: Vec<String> = (0..=limits::FETCHED_FILES).map(|number| format!("file_{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (protocol, _) in SERVICES {
        let (server, model) = serve(protocol, &ids, |_| file("image/png", vec![PNG.to_vec()])).await;
        let (reply, told) = called(&model).await;
        assert_eq!(told, ["1: is one too many, 16 is the most"], "{protocol:?}");
        assert_eq!((files(&reply).len(), server.requests().len()), (16, 17));
    }
}

#[tokio::test]
async fn a_silent_server_holds_a_reply_back_for_so_long_and_no_longer() {
    for (protocol, _) in SERVICES {
        let (server, model) = serve(protocol, &["file_1", "file_2"], |_| ScriptedReply::Hang).await;
        let call = tokio::spawn(async move { called(&model).await });
        server.received(2).await;
        // From here on nothing happens but that time passes.
        tokio::time::pause();
        let (reply, told) = call.await.unwrap();
        tokio::time::resume();
        assert_eq!(told, ["2: was not there after 10 s"], "{protocol:?}");
        assert_eq!(reply.text(), "done");
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn files_are_waited_for_within_the_time_that_the_call_has_left() {
    let policy = RetryPolicy { deadline: Duration::from_secs(8), ..hasty() };
    for (protocol, _) in SERVICES {
        let (server, model) = serve_within(policy, protocol, &["file_1"], |_| ScriptedReply::Hang).await;
        let call = tokio::spawn(async move { called(&model).await });
        server.received(2).await;
        tokio::time::pause();
        let (reply, told) = call.await.unwrap();
        tokio::time::resume();
        let waited = told[0].strip_prefix("1: was not there after ").and_then(|rest| rest.strip_suffix(" s"));
        assert!(waited.unwrap().parse::<u64>().unwrap() <= 8, "{protocol:?}: {told:?}");
        assert_eq!(reply.text(), "done");
    }
}
