//! Providers that fail now and then.

use massgen_testkit::model_server::{Fault, ScriptedReply};

use crate::server::{Server, team};

/// One request in five fails, each time in another way, and a repeated one succeeds.
fn flaky() -> Server {
    Server::start(|request| match (request.number % 5, request.number / 5 % 4) {
        (3, 0) => {
            ScriptedReply::refusal(429, "rate_limit_exceeded", "slow down").with_header("retry-after", "0")
        }
        (3, 1) => ScriptedReply::refusal(500, "server_error", "oops"),
        (3, 2) => team(request).with_fault(Fault::Cut(1)),
        (3, _) => team(request).with_fault(Fault::Malformed(0)),
        _ => team(request),
    })
}

#[test]
fn runs_end_with_an_answer_although_every_fifth_request_fails() {
    let server = flaky();
    for _ in 0..4 {
        let world = server.world(3);
        let told = world.run(&["--automation", "why?"]).exits(0);
        assert_eq!(told.value("WINNER"), Some("agent_a"), "{told}");
        assert_eq!(world.status()["results"]["final_answer_preview"], "the final words");
    }
    assert!(server.requests().len() > 28, "nothing was repeated");
}
