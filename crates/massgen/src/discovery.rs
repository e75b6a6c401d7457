//! What a person has who has configured nothing: a key in the environment, a model server on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use massgen_config::backends::{BACKENDS, BackendType, Support};

use crate::environment::Environment;

/// Servers of models that people run on their own machine, with their usual ports.
const LOCAL_SERVERS: [(&str, u16); 4] =
    [("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080), ("vLLM", 8000)];

/// Longest wait for a server on this machine.
const PATIENCE: Duration = Duration::from_millis(150);

/// Most that is read of a list of models.
const LIST_BYTES: u64 = 64 * 1024;

/// What was found, as lines that say what would be used and how; empty when nothing was.
pub(crate) fn suggestions(environment: &Environment) -> Vec<String> {
    // The general type only repeats what a type of its own says.
    let own =
        |backend: &&BackendType| backend.support == Support::Provider && backend.name != "chatcompletion";
    let keys = BACKENDS.iter().filter(own).filter_map(|backend| {
        let variable = backend.key_variables.iter().find(|name| environment.has(name))?;
        let model = if backend.default_model.is_none() { " --model NAME" } else { "" };
        Some(format!("{variable} is set: massgen --backend {}{model} \"your question\"", backend.name))
    });
    let servers = LOCAL_SERVERS.iter().filter_map(|(name, port)| {
        let model = first_model(*port)?;
        Some(format!("{name} runs here: massgen --base-url http://127.0.0.1:{port}/v1 --model {model} \"your question\""))
    });
    keys.chain(servers).collect()
}

/// The first model that a server on this machine offers; `None` when there is no such server.
fn first_model(port: u16) -> Option<String> {
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
