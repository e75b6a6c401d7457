//! What is covered, and what stays readable.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::node;
use crate::source::Source;

fn tree(text: &str) -> Node {
    node::parse(&Source::new("c.yaml", text)).unwrap()
}

fn shown(text: &str) -> serde_json::Value {
    covered(&tree(text)).to_json()
}

/// The texts that count as secrets everywhere.
fn known(text: &str) -> Vec<String> {
    Secrets::of(&tree(text)).texts().map(str::to_owned).collect()
}

/// What findings show of a text.
fn masked(text: &str) -> String {
    let secrets = match node::parse(&Source::new("c.yaml", text)) {
        Ok(root) => Secrets::of(&root),
        Err(_) => Secrets::of_unreadable(text),
    };
    Source::new("c.yaml", text).masked(secrets.spans()).text().to_owned()
}

#[test]
fn names_of_secrets_are_known_in_files_and_in_the_environment() {
    for name in [
        "GITHUB_PAT",
        "STRIPE_KEY",
        "session_cookie",
        "X-Auth-Token",
        "Proxy-Authorization",
        "PASSPHRASE",
        "DB_PASS",
        "MYSQL_PWD",
        "api_keys",
    ] {
        assert!(names_a_secret(name), "{name}");
    }
    for name in ["model", "max_tokens", "author", "pattern", "compat", "keyboard", "bypass", "PWD", "tokens"]
    {
        assert!(!names_a_secret(name), "{name}");
    }
    assert!(variable_names_a_secret("MYKEY") && variable_names_a_secret("GITHUBTOKEN"));
}

#[test]
fn names_cover_their_values_but_not_references_and_counters() {
    let text = "a: {api_key: sk-1, max_tokens: 5, pins: {password: 1234}}\nb: [{token: '${T}', github_token: ghp}]\n";
    let wanted = json!({
        "a": { "api_key": "***", "max_tokens": 5, "pins": { "password": "***" } },
        "b": [{ "token": "${T}", "github_token": "***" }],
    });
    assert_eq!(shown(text), wanted);
    assert_eq!(shown("api_keys: [a, '${B}', 3]"), json!({ "api_keys": ["***", "${B}", "***"] }));
    assert_eq!(shown("Authorization: Bearer ${T}"), json!({ "Authorization": "Bearer ${T}" }));
    assert_eq!(shown("password: swordfish-${T}"), json!({ "password": "***" }));
    assert_eq!(
        shown("credentials: {env_file: .env, mount: [ssh]}"),
        json!({ "credentials": { "env_file": ".env", "mount": ["ssh"] } })
    );
}

#[test]
fn what_a_program_or_a_request_is_given_is_covered_unless_it_is_harmless() {
    for under in ["env", "headers", "extra_headers", "environment"] {
        for secret in [
            "ntn_1a",
            "abc-def",
            "AbCdEfGhI",
            "a1",
            "1234567",
            "s3cret",
            "two words1",
            "/root/x1",
            "é",
            "https://h/x",
            "x".repeat(13).as_str(),
        ] {
            assert_eq!(
                shown(&format!("{under}: {{NAME: '{secret}'}}")),
                json!({ under: { "NAME": "***" } }),
                "{secret}"
            );
        }
        for harmless in [
            "true",
            "production",
            "DEBUG",
            "Quiet",
            "8080",
            "-1",
            "0.5",
            "application/json",
            "",
            "${X}",
            "Bearer ${X}",
        ] {
            assert_eq!(
                shown(&format!("{under}: {{NAME: '{harmless}'}}")),
                json!({ under: { "NAME": harmless } }),
                "{harmless}"
            );
        }
    }
    assert_eq!(
        shown("env: {A: true, B: 3000, C: 12345678, D: {E: a1}, F: [b2, on]}"),
        json!({
            "env": { "A": true, "B": 3000, "C": "***", "D": { "E": "***" }, "F": ["***", true] }
        })
    );
    assert_eq!(shown("env: plain-text1"), json!({ "env": "***" }));
    // Names of variables are no values.
    let rules =
        json!({ "security": { "env": { "mode": "allowlist", "allowed_vars": ["AWS_PROFILE", "A1"] } } });
    assert_eq!(shown(&rules.to_string()), rules);
}

#[test]
fn keys_of_a_server_that_nobody_knows_are_covered_too() {
    let server = json!({ "name": "a1", "type": "stdio", "cwd": "b2", "heders": { "X": "c3" }, "evn": ["D=e4"], "timeout": 5 });
    let wanted = json!({ "name": "a1", "type": "stdio", "cwd": "b2", "heders": { "X": "***" }, "evn": ["***"], "timeout": 5 });
    assert_eq!(shown(&json!({ "mcp_servers": [server] }).to_string()), json!({ "mcp_servers": [wanted] }));
    let (by_name, shown_by_name) =
        (json!({ "mcp_servers": { "s1": server } }), json!({ "mcp_servers": { "s1": wanted } }));
    assert_eq!(shown(&by_name.to_string()), shown_by_name);
}

#[test]
fn arguments_are_covered_behind_flags_that_say_so() {
    for (written, wanted) in [
        (json!(["--api-key", "abc"]), json!(["--api-key", "***"])),
        (json!(["--token=abc", "x"]), json!(["--token=***", "x"])),
        (json!(["-token=abc"]), json!(["-token=***"])),
        (json!(["--accessToken", "abc", "--port", "80"]), json!(["--accessToken", "***", "--port", "80"])),
        (json!(["--token", "${T}", "b"]), json!(["--token", "${T}", "b"])),
        (json!(["--no-token", "--verbose", "b"]), json!(["--no-token", "--verbose", "b"])),
        (
            json!(["-H", "X-Some: a1", "-H", "Accept: text/plain"]),
            json!(["-H", "X-Some: ***", "-H", "Accept: text/plain"]),
        ),
        (json!(["--header", "Authorization: Bearer a"]), json!(["--header", "Authorization: ***"])),
        (
            json!(["--header", "Authorization: Bearer ${T}"]),
            json!(["--header", "Authorization: Bearer ${T}"]),
        ),
        (
            json!(["run", "-e", "TOKEN=abc", "-e", "NAME", "-e", "A=b-1"]),
            json!(["run", "-e", "TOKEN=***", "-e", "NAME", "-e", "A=***"]),
        ),
        (json!(["env", "MY_KEY=abc", "PORT=80"]), json!(["env", "MY_KEY=***", "PORT=80"])),
        (
            json!(["sh", "-c", "serve --token abc --port 80"]),
            json!(["sh", "-c", "serve --token *** --port 80"]),
        ),
        (
            json!(["--config", "{\"apiKey\": \"abc\", \"n\": 1}"]),
            json!(["--config", "{\"apiKey\": ***, \"n\": 1}"]),
        ),
        (json!(["--config", "MTA1a2b3c4d5e6f7g8h9i0jKlM"]), json!(["--config", "***"])),
        (json!(["--url=https://u:p@h/x?k=v1&l"]), json!(["--url=https://***@h/x?k=***&***"])),
        (json!(["--password", 12, "x"]), json!(["--password", "***", "x"])),
        (
            json!(["-y", "@scope/server-files@1.2.3", "--max-tokens", "50"]),
            json!(["-y", "@scope/server-files@1.2.3", "--max-tokens", "50"]),
        ),
    ] {
        assert_eq!(shown(&json!({ "args": written }).to_string()), json!({ "args": wanted }));
    }
    assert_eq!(
        shown(r#"{"command": "npx serve --api-key 'a b' --header \"Authorization: Bearer x\" y"}"#),
        json!({ "command": "npx serve --api-key '***' --header \"Authorization: ***\" y" })
    );
    assert_eq!(shown("anything: [--api-key, abc]"), json!({ "anything": ["--api-key", "***"] }));
}

#[test]
fn addresses_are_covered_before_the_at_sign_and_behind_the_question_mark() {
    for (written, wanted) in [
        ("https://me:pw@h:1/v1", "https://***@h:1/v1"),
        ("https://me@h", "https://***@h"),
        ("https://me:p/w?x@h/v1", "https://***@h/v1"),
        ("https://${U}:${P}@h", "https://${U}:${P}@h"),
        ("https://h/npm/@scope/x", "https://h/npm/@scope/x"),
        ("https://h:8080/@x", "https://h:8080/@x"),
        ("https://h/v1?key=a&lang=de&${X}&flag", "https://h/v1?key=***&lang=***&${X}&***"),
        ("https://h/#access_token=a", "https://h/#access_token=***"),
        ("https://h?a=b=c", "https://h?a=***"),
        ("me:pw@h/v1?k=a", "***@h/v1?k=***"),
        ("https://h/v1", "https://h/v1"),
    ] {
        for key in ["url", "base_url", "server-url"] {
            assert_eq!(shown(&json!({ key: written }).to_string()), json!({ key: wanted }));
        }
    }
    assert_eq!(
        shown("note: see https://a:b@c/?d=e and https://f:g@h"),
        json!({ "note": "see https://***@c/?d=e and https://***@h" })
    );
}

#[test]
fn secrets_are_known_whole_and_in_their_words() {
    assert_eq!(known("headers: {X: 'Bearer abc12345'}"), ["Bearer abc12345", "abc12345"]);
    assert_eq!(
        known("env: {H: '{\"Authorization\": \"Bearer ntn_12345\"}'}"),
        ["ntn_12345", "{\"Authorization\": \"Bearer ntn_12345\"}"]
    );
    assert_eq!(known("args: [--token, hunter-two]"), ["hunter-two"]);
    assert_eq!(known("password: 12345678"), ["12345678"]);
    assert_eq!(known("password: swordfish"), ["swordfish"]);
    assert_eq!(
        known("url: 'https://me:pass-word@h/?lang=de&sig=a1b2c3'"),
        ["a1b2c3", "me:pass-word", "pass-word"]
    );
}

#[test]
fn what_is_covered_but_stands_in_other_texts_too_is_not_looked_for() {
    for text in [
        "env: {PATH: '/usr/local/bin:/usr/bin'}",
        "env: {HOME: ~/project1}",
        "env: {API: 'https://api.example.com/v1'}",
        "env: {DEBUG: 'true', MODE: production}",
        "url: 'https://h?lang=de'",
        "env: {MODEL: claude-sonnet-4-20250514}",
        "url: 'https://developer@h'",
        "model: gpt-5.4-mini-2026",
    ] {
        assert_eq!(known(text), [""; 0], "{text}");
    }
    let (key, hook) = ("Ab1xAb1xAb1xAb1xAb1xAb1x", "https://hooks.example.com/T0/Ab1xAb1xAb1xAb1xAb1xAb1x");
    assert_eq!(known(&format!("env: {{HOOK: '{hook}'}}")), [key, hook]);
}

#[test]
fn only_the_secret_part_is_covered_in_an_excerpt() {
    let text = "url: \"https://me:pw@h/x?k=v1\"\nargs: [--token=abc, x]\nheaders:\n  X: a1 b2\n";
    let wanted = "url: \"https://*****@h/x?k=**\"\nargs: [--token=***, x]\nheaders:\n  X: *****\n";
    assert_eq!(masked(text), wanted);
}

#[test]
fn a_text_that_cannot_be_read_shows_no_secret_either() {
    for text in [
        "agents:\n  - id: a\n    mcp_servers:\n      - env:\n          A: canary\n         B: canary\n    model: [m\n",
        "agents: [\n  {env: {A: canary, B: \"canary\"},\n  model: m\n",
        "a: {\nargs:\n- --token\n- canary\n- --x=canary\nmodel: m\n",
        "headers: {A: canary\nB: canary\nmodel: m\n",
        "{\"env\": {\n  \"A\": \"canary\"\n  \"B\": \"canary\"\n},\n\"model\": m\n",
        "url: https://h?x=canary\napi_key: canary\nmodel: m\n[",
        "command: x --token canary\nmodel: m\n[",
    ] {
        assert!(node::parse(&Source::new("c.yaml", text)).is_err(), "{text}");
        let masked = masked(text);
        assert!(!masked.contains("canary"), "{masked}");
        assert!(masked.contains("model") && masked.contains('m'), "{masked}");
    }
}

#[test]
fn a_message_that_cuts_a_secret_off_shows_nothing_of_it() {
    let secrets = Secrets::of(&tree("args: [--token, abcdefghijklmnop, --token, 'q\"uoted-1']"));
    let message = "not the text `serve --token abcdefgh…`, or `q\\\"uoted-1`, or abcdef".to_owned();
    assert_eq!(
        secrets.covering().message(&message),
        "not the text `serve --token ********…`, or `**********`, or abcdef"
    );
}

#[test]
fn the_places_in_a_parameter_are_those_of_likely_secrets() {
    let root = tree("body: {token: abc, u: {url: 'https://h?v=one'}, h: {headers: {X: Bearer a1}}}");
    let entry = root.entry("body").unwrap();
    let columns: Vec<u32> = places(entry).iter().filter_map(Origin::span).map(|span| span.column).collect();
    assert_eq!(columns, [8, 63]);
}

#[test]
fn the_longest_secret_is_covered_and_short_ones_are_not_looked_for() {
    let secrets = Secrets::of(&tree(
        "[{token: abcdef}, {token: abcdefgh1}, {token: abcdefgh1x}, {token: zz}, {token: abcxyz}]",
    ));
    let covering = secrets.covering();
    for (text, covered) in [
        ("abcdef abcdefg abcdefgh1 abcdefgh1y abcdefgh1x", "****** ******g ********* *********y **********"),
        ("abcde zz abcxyy abcxyzabcdef", "abcde zz abcxyy ************"),
        ("abcdefgh…, abcxy…, abcdefgh1x…", "********…, abcxy…, **********…"),
    ] {
        assert_eq!(covering.message(text), covered);
    }
}

#[test]
fn texts_with_a_great_many_signs_are_covered_at_once() {
    let many = |unit: &str| unit.repeat((1 << 18) / unit.len());
    for unit in
        ["://", "a://b@", "token:", "{token:", "token: ${A} ", "env:", "--token ", "a=b ", "'", "?&", "…"]
    {
        let text = many(unit);
        let masked = Source::new("c", text.as_str()).masked(Secrets::of_unreadable(&text).spans());
        assert_eq!(masked.text().len(), text.len());
        let root = tree(&json!({ "args": [text], "url": text, "env": { "A": text }, "x": text }).to_string());
        assert!(covered(&root).entries().is_some_and(|entries| entries.len() == 4));
    }
    let env: Vec<String> =
        (0..40_000).map(|number| format!("A{number}_TOKEN: s3cret-value-{number}")).collect();
    let text = format!("env:\n  {}\n", env.join("\n  "));
    let secrets = Secrets::of(&tree(&text));
    assert!(!secrets.covering().text(&text).contains("s3cret"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_too_strange_to_cover(text in "([-=:@?&#/ \"'{}$a-z0-9é…]|env|args|url|token|://|\\$\\{A\\}|\n){0,40}") {
        let key = json!({ "args": [text, text], "url": text, "env": [text], "token": text, "x": text });
        let root = tree(&key.to_string());
        let secrets = Secrets::of(&root);
        let once = covered(&root);
        prop_assert!(once.to_json().get("token").is_some());
        prop_assert_eq!(secrets.covering().message(&text).len(), text.len());
        let source = Source::new("c", text.as_str());
        prop_assert_eq!(source.masked(Secrets::of_unreadable(&text).spans()).text().len(), text.len());
    }

    #[test]
    fn no_secret_gets_through(canary in "canary[0-9]{4}[A-Z]{2}", flag in "--(api-key|token|client-secret|pass)") {
        let config = json!({
            "args": [flag, canary, format!("{flag}={canary}"), format!("https://h?x={canary}")],
            "command": format!("run {flag} {canary}"),
            "env": { "HARMLESS": canary },
            "headers": { "X-Thing": format!("v {canary}") },
            "base_url": format!("https://u:{canary}@h/v1?q={canary}#{canary}"),
            "api_key": canary,
        });
        let root = tree(&config.to_string());
        prop_assert!(!covered(&root).to_json().to_string().contains("canary"));
        prop_assert!(Secrets::of(&root).texts().any(|text| text == canary));
        let text = serde_json::to_string_pretty(&config).unwrap();
        prop_assert!(!masked(&text).contains("canary"));
        let broken = masked(&(text + "}"));
        prop_assert!(!broken.contains("canary"), "{}", broken);
    }
}
