//! Services that speak the protocol and what they want to be sent.

use rig_core::providers::anthropic::wire::{self, Dialect};
use rig_core::providers::anthropic::{ToolInputStreaming, compatible};

/// Dialects by the end of their hosts' names.
const DIALECTS: [(&str, Dialect); 8] = [
    ("anthropic.com", wire::ANTHROPIC),
    ("z.ai", wire::ZAI),
    ("bigmodel.cn", wire::ZAI),
    ("minimax.io", wire::MINIMAX),
    ("minimaxi.com", wire::MINIMAX),
    ("moonshot.ai", wire::MOONSHOT),
    ("moonshot.cn", wire::MOONSHOT),
    ("xiaomimimo.com", wire::XIAOMIMIMO),
];

/// The dialect of servers that nobody has described.
const COMPATIBLE: Dialect = compatible("compatible", "", "", None);

/// What is asked of the cache for prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// The static beginning is marked, and the service keeps the end of the conversation by itself.
    Automatic,
    /// The static beginning is marked. A mark that moves with the conversation would change bytes that were sent
    /// before.
    StaticMarks,
    /// The service caches without being asked and is not known to read marks.
    Unasked,
}

/// Whether thinking goes back without a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signatures {
    /// Thinking without one is refused: it was cut off.
    Required,
    /// The service does not sign, or not always.
    Optional,
}

/// The dialect of `host`.
pub(super) fn of(host: &str) -> Dialect {
    let belongs =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    DIALECTS.iter().find(|(domain, _)| belongs(domain)).map_or(COMPATIBLE, |(_, dialect)| *dialect)
}

pub(super) fn is_anthropic(dialect: &Dialect) -> bool {
    dialect.name == wire::ANTHROPIC.name
}

pub(super) fn caching(dialect: &Dialect) -> Caching {
    if is_anthropic(dialect) {
        Caching::Automatic
    } else if dialect.name == COMPATIBLE.name {
        Caching::StaticMarks
    } else {
        Caching::Unasked
    }
}

pub(super) fn signatures(dialect: &Dialect) -> Signatures {
    if is_anthropic(dialect) { Signatures::Required } else { Signatures::Optional }
}

/// How tools ask for their input piece by piece. Servers that nobody has described may refuse a field they do not
/// know, and the input comes whole just as well.
pub(super) fn tool_input(dialect: &Dialect) -> ToolInputStreaming {
    if dialect.name == COMPATIBLE.name {
        ToolInputStreaming::Off
    } else {
        dialect.quirks.tool_input_streaming
    }
}
