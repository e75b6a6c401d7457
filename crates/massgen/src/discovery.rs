//! What a person has who has configured nothing: a key in the environment, a model server on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use massgen_config::backends::{BackendType, Backends, GENERAL, Support};

use crate::environment::Environment;

/// Servers of models that people run on their own machine, with their usual ports.
pub(crate) const LOCAL_SERVERS: [(&str, u16); 4] =
    [("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080), ("vLLM", 8000)];

/// Longest wait for a server on this machine.
const PATIENCE: Duration = Duration::from_millis(150);

/// Most that is read of a list of models.
const LIST_BYTES: u64 = 64 * 1024;

/// What was found of keys and `servers`, as lines that say what would be used and how; empty when nothing was.
pub(crate) fn suggestions(
    backends: &Backends,
    environment: &Environment,
    servers: &[(&str, u16)],
) -> Vec<String> {
    // The general type only repeats what a type of its own says.
    let own = |backend: &&BackendType| backend.support == Support::Provider && backend.name != GENERAL;
    let keys = backends.types().iter().filter(own).filter_map(|backend| {
        let variable = backend.key_variables.iter().find(|name| environment.has(name))?;
        let model = if backend.default_model.is_none() { " --model NAME" } else { "" };
        Some(format!("{variable} is set: massgen --backend {}{model} \"your question\"", backend.name))
    });
    let servers = servers.iter().filter_map(|(name, port)| {
        let model = first_model(*port)?;
        Some(format!("{name} runs here: massgen --base-url http://127.0.0.1:{port}/v1 --model {model} \"your question\""))
    });
    keys.chain(servers).collect()
}

/// The first model that a server on this machine offers; `None` when there is no such server.
pub(crate) fn first_model(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream
        .write_all(b"GET /v1/models HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n")
        .ok()?;
    let mut answer = Vec::new();
    // A server that keeps the connection open is cut off by the timeout; what has come by then is enough.
    let _ = stream.take(LIST_BYTES).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n")?.1;
    let list: serde_json::Value = serde_json::from_str(body.trim()).ok()?;
    let id = list.get("data")?.as_array()?.first()?.get("id")?.as_str()?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    id.chars().all(is_plain).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers one request with `body` and then keeps the connection open.
    fn server(body: &str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /v1/models HTTP/1.0\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
            // Until the client goes.
            let _ = stream.read(&mut request);
        });
        port
    }

    /// A port on which nobody listens.
    fn closed_port() -> u16 {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn a_local_server_is_suggested_with_its_address_and_its_first_model() {
        let port = server(r#"{"object":"list","data":[{"id":"llama3.2:3b"},{"id":"other"}]}"#);
        let found = suggestions(
            Backends::built_in(),
            &Environment::of(&[]),
            &[("Nobody", closed_port()), ("Ollama", port)],
        );
        let expected = format!(
            "Ollama runs here: massgen --base-url http://127.0.0.1:{port}/v1 --model llama3.2:3b \"your question\""
        );
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_no_list_of_models_or_would_need_quoting_is_not_suggested() {
        for body in
            ["", "<html>", r#"{"data":[]}"#, r#"{"data":[{"id":"a; rm -rf /"}]}"#, r#"{"data":[{"id":7}]}"#]
        {
            assert_eq!(
                suggestions(Backends::built_in(), &Environment::of(&[]), &[("Any", server(body))]),
                [""; 0],
                "{body}"
            );
        }
    }

    #[test]
    fn a_key_is_suggested_with_its_backend_and_never_shown() {
        let environment = Environment::of(&[("OPENAI_API_KEY", "sk-top-secret"), ("GROQ_API_KEY", " ")]);
        let found = suggestions(Backends::built_in(), &environment, &[]);
        assert_eq!(found, ["OPENAI_API_KEY is set: massgen --backend openai \"your question\""]);
    }
}
