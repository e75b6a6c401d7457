//! Models behind the [`Model`](massgen_ports::Model) port: services that speak one of five protocols, the simulated
//! model, recordings and their replay.
//!
//! What it holds: [`ProviderModel`], one call to a service whatever it speaks (Chat Completions, Responses, Messages,
//! Gemini, Ollama); [`Ladder`], the models of an agent that stand in for each other; one retry policy for every call
//! ([`retry`]), circuit breakers ([`breaker`]) and rates ([`rate`]) that all agents share; keys ([`keys`]), the HTTP
//! client ([`http`]), what is known about models ([`catalog`]) and which of them a service has ([`listing`]); the
//! models without a provider: the simulated one ([`simulated`]), and recordings with their replay ([`cassette`]).
//!
//! What it does not hold: when a model is called and what becomes of its reply (`massgen-engine`, `massgen-core`),
//! the words of a prompt (`massgen-prompt`), which backend types exist (`massgen-config`).
//!
//! Who uses it: the binary connects one model per agent; tests connect to a model server.
//!
//! Invariants: a key is in a request header and nowhere else, neither in an error nor in `Debug` output; equal
//! conversations give equal bytes, and a longer one begins with the bytes of a shorter one; whatever a server sends,
//! a call ends once, in bounded time and memory.
//!
//! # Which part of the wire is rig's
//!
//! `rig-core` writes the requests: the dialects of the providers, the replay of their own items, the pairing of
//! calls and results. Its body is only put into an order that caches well. It does not read the replies. Its decoder
//! parses every chunk six times (13 to 17 µs a chunk of 250 bytes, release build) where a run of 300 agents leaves
//! 20 µs for everything, and it re-reads the arguments so far for every fragment of a call without an index. The
//! decoders here, one for each protocol, parse once and never look back.

pub mod breaker;
pub mod cassette;
pub mod catalog;
mod chat;
pub mod connect;
pub mod download;
mod error;
mod gate;
mod gemini;
mod headers;
pub mod http;
pub mod keys;
mod ladder;
pub mod listing;
mod messages;
mod ollama;
pub mod provider;
pub mod rate;
mod responses;
pub mod retry;
pub mod simulated;

pub use connect::{connect, connect_backend, connect_with};
pub use error::ModelError;
pub use headers::variables_in;
pub use http::HttpClient;
pub use keys::{KeySource, Keys};
pub use ladder::Ladder;
pub use provider::ProviderModel;
#[cfg(any(test, feature = "measuring"))]
#[doc(hidden)]
pub use provider::measuring;
pub use retry::{FirstSilence, RetryPolicy};
