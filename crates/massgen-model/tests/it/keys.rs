//! A key goes into one header and nowhere else.

use futures::StreamExt;
use massgen_model::{HttpClient, Keys, ModelError, connect, connect_with};
use massgen_ports::Model;
use massgen_protocol::spec::{SimulatedSpec, Wire};
use massgen_testkit::model_server::{Fault, ModelServer, Schedule, ScriptedReply};

use crate::support::{agent, hasty, question, see};

const CANARY: &str = "sk-canary-0123456789";

#[tokio::test]
async fn the_first_variable_that_is_set_gives_the_key() {
    let server = ModelServer::start(|_| ScriptedReply::text("x"), Schedule::default()).await.unwrap();
    let keys = Keys::from_pairs([("SECOND_API_KEY", CANARY), ("THIRD_API_KEY", "other")]);
    let agent = agent(&server.base_url(), &["FIRST_API_KEY", "SECOND_API_KEY", "THIRD_API_KEY"]);
    let model = connect(&agent, &keys, &HttpClient::new()).unwrap();
    model.call(question()).collect::<Vec<_>>().await;
    assert_eq!(server.requests()[0].authorization, Some(format!("Bearer {CANARY}")));
}

#[tokio::test]
async fn no_event_and_no_debug_output_holds_the_key() {
    let echo = |request: &massgen_testkit::model_server::ReceivedRequest| {
        let told = request.headers.get("authorization").unwrap().to_str().unwrap();
        match request.repeat {
            0 => ScriptedReply::refusal(500, told, &format!("you sent {told}")),
            1 => ScriptedReply::text("one two three").with_fault(Fault::Malformed(1)),
            2 => ScriptedReply::Raw {
                content_type: "text/event-stream".to_owned(),
                frames: vec![massgen_testkit::model_server::chunks::Frame::data(
                    massgen_testkit::model_server::chunks::event(&format!(r#"{{"error":"bad {told}"}}"#)),
                )],
            },
            _ => ScriptedReply::refusal(401, "invalid_api_key", &format!("wrong key: {told}")),
        }
    };
    let server = ModelServer::start(echo, Schedule::default()).await.unwrap();
    let keys = Keys::from_pairs([("API_KEY", CANARY)]);
    let model =
        connect_with(&agent(&server.base_url(), &["API_KEY"]), &keys, &HttpClient::new(), hasty()).unwrap();
    let events: Vec<_> = model.call(question()).collect().await;
    assert_eq!(events.iter().filter(|event| format!("{event:?}").contains("[key]")).count(), 3);
    for shown in [format!("{events:?}"), format!("{model:?}"), format!("{keys:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_missing_key_names_its_variables_and_where_they_were_looked_for() {
    let error = connect(
        &agent("https://api.example.test/v1", &["ONE_API_KEY", "TWO_API_KEY"]),
        &Keys::from_pairs([("ONE_API_KEY", "  ")]),
        &HttpClient::new(),
    );
    let Err(error) = error else { panic!("connected without a key") };
    let told = "no key for `api.example.test`: `ONE_API_KEY` and `TWO_API_KEY` are not set in the environment, \
                ./.env, ~/.config/massgen/.env, ~/.massgen/.env";
    assert_eq!(error.to_string(), told);
    assert!(error.hint().unwrap().contains("ONE_API_KEY"));
}

#[test]
fn local_servers_need_no_key() {
    for (kind, url) in [("chatcompletion", "http://localhost:1234/v1"), ("vllm", "http://gpu.test:8000/v1")] {
        let mut agent = agent(url, &["VLLM_API_KEY"]);
        agent.backend.kind = kind.to_owned();
        assert!(connect(&agent, &Keys::default(), &HttpClient::new()).is_ok(), "{url}");
    }
}

#[test]
fn what_cannot_be_connected_is_refused_before_the_first_request() {
    let refused = |agent: &massgen_protocol::spec::AgentSpec, key: &str| {
        let keys = Keys::from_pairs([("API_KEY", key)]);
        connect(agent, &keys, &HttpClient::new()).err().unwrap()
    };
    let bad_key = refused(&agent("https://h.test/v1", &["API_KEY"]), "canary\ncanary");
    assert_eq!(bad_key, ModelError::UnusableKey { variable: "API_KEY".to_owned() });
    let bad_url = refused(&agent("h.test/v1?key=canary", &["API_KEY"]), "x");
    assert!(matches!(&bad_url, ModelError::BadBaseUrl { url, .. } if url == "h.test/v1"), "{bad_url}");
    let mut simulated = agent("", &[]);
    simulated.backend.wire = Wire::Simulated(SimulatedSpec {
        seed: 0,
        latency: std::time::Duration::ZERO,
        tokens_per_second: None,
        script: None,
    });
    assert!(matches!(refused(&simulated, "x"), ModelError::NoService { .. }));
}

#[tokio::test]
async fn a_redirect_takes_no_key_to_another_host() {
    let elsewhere = ModelServer::start(|_| ScriptedReply::text("x"), Schedule::default()).await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/chat/completions", elsewhere.base_url());
        let server = ModelServer::start(
            move |_| ScriptedReply::refusal(status, "moved", "go there").with_header("location", &target),
            Schedule::default(),
        )
        .await
        .unwrap();
        let keys = Keys::from_pairs([("API_KEY", CANARY)]);
        let model = connect(&agent(&server.base_url(), &["API_KEY"]), &keys, &HttpClient::new()).unwrap();
        let failure = see(&*model, question()).await.end.unwrap_err();
        assert!(failure.message.contains("a redirect to `127.0.0.1` that is not followed"), "{failure}");
        assert_eq!((server.requests().len(), failure.attempts), (1, 1));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn further_headers_are_sent_with_variables_in_them_and_take_the_place_of_the_key() {
    let echo = |request: &massgen_testkit::model_server::ReceivedRequest| {
        let told = request.headers.get("authorization").unwrap().to_str().unwrap();
        ScriptedReply::refusal(401, "invalid_api_key", &format!("wrong: {told}"))
    };
    let server = ModelServer::start(echo, Schedule::default()).await.unwrap();
    let mut agent = agent(&server.base_url(), &["NOT_SET_API_KEY"]);
    if let Wire::Service(service) = &mut agent.backend.wire {
        service.headers.insert("X-Title".to_owned(), "massgen".to_owned());
        service.headers.insert("Authorization".to_owned(), "Token ${TEAM_TOKEN}".to_owned());
    }
    let keys = Keys::from_pairs([("TEAM_TOKEN", CANARY)]);
    let model = connect(&agent, &keys, &HttpClient::new()).unwrap();
    let failure = see(&*model, question()).await.end.unwrap_err();
    assert!(failure.message.ends_with("wrong: Token [key]; check the key in `extra_headers`"), "{failure}");
    assert_eq!(server.requests()[0].authorization, Some(format!("Token {CANARY}")));
    let without = connect(&agent, &Keys::default(), &HttpClient::new()).err().unwrap();
    let told = "the header `Authorization` needs the variable `TEAM_TOKEN`, which is not set";
    assert_eq!(without.to_string(), told);
}
