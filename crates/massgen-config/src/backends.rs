//! The table of backend types: every one that MassGen 0.1.97 knows, and which of them run here.

use crate::check::nearest;
use crate::endpoint::Endpoint;

/// One backend type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendType {
    /// Name in `type:`.
    pub name: &'static str,
    /// Name for people.
    pub display_name: &'static str,
    /// Address when the configuration gives none.
    pub base_url: Option<&'static str>,
    /// Environment variables that may hold the key, in order.
    pub key_variables: &'static [&'static str],
    /// Model when the configuration gives none; `None` when it must.
    pub default_model: Option<&'static str>,
    /// Whether it runs here.
    pub support: Support,
}

/// Whether a backend type runs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It speaks Chat Completions to a provider.
    Provider,
    /// It speaks Chat Completions to a server of the user's own; a key is sent when its variable is set.
    OwnServer,
    /// It is the model in this process.
    Simulated,
    /// It is known, but what it speaks is not there yet.
    NotYet {
        /// What it speaks, as words.
        speaks: &'static str,
    },
    /// Not even the Python program can run it.
    Never,
}

impl Support {
    /// Whether agents of such a type run here.
    pub fn runs(self) -> bool {
        match self {
            Self::Provider | Self::OwnServer | Self::Simulated => true,
            Self::NotYet { .. } | Self::Never => false,
        }
    }
}

const fn row(
    name: &'static str,
    display_name: &'static str,
    base_url: Option<&'static str>,
    key_variables: &'static [&'static str],
    default_model: Option<&'static str>,
    support: Support,
) -> BackendType {
    BackendType { name, display_name, base_url, key_variables, default_model, support }
}

const CLI: Support = Support::NotYet { speaks: "an agent program of its own" };
const ANTHROPIC: Support = Support::NotYet { speaks: "the Anthropic Messages protocol" };
const GOOGLE: Support = Support::NotYet { speaks: "the Gemini protocol" };
const RESPONSES: Support = Support::NotYet { speaks: "the Responses protocol" };
const AZURE: Support = Support::NotYet { speaks: "the Azure form of Chat Completions" };
const FRAMEWORK: Support = Support::NotYet { speaks: "a framework of its own" };

/// The table, in alphabetical order.
#[rustfmt::skip]
pub const BACKENDS: &[BackendType] = &[
    row("ag2", "AG2", None, &[], None, FRAMEWORK),
    row("antigravity_cli", "Antigravity CLI", None, &["GEMINI_API_KEY", "GOOGLE_API_KEY"], Some("gemini-3.5-flash"), CLI),
    row("azure_openai", "Azure OpenAI", None, &["AZURE_OPENAI_API_KEY"], Some("gpt-4o"), AZURE),
    row("cerebras", "Cerebras AI", Some("https://api.cerebras.ai/v1"), &["CEREBRAS_API_KEY"], Some("llama-3.3-70b"), Support::Provider),
    row("chatcompletion", "ChatCompletion", Some("https://api.openai.com/v1"), &["OPENAI_API_KEY"], None, Support::Provider),
    row("claude", "Claude", Some("https://api.anthropic.com"), &["ANTHROPIC_API_KEY"], Some("claude-opus-4-6"), ANTHROPIC),
    row("claude_code", "Claude Code", None, &["CLAUDE_CODE_API_KEY", "ANTHROPIC_API_KEY"], Some("claude-opus-4-6"), CLI),
    row("codex", "Codex", None, &["OPENAI_API_KEY"], Some("gpt-5.4"), CLI),
    row("copilot", "GitHub Copilot", None, &[], Some("gpt-5-mini"), CLI),
    row("fireworks", "Fireworks AI", Some("https://api.fireworks.ai/inference/v1"), &["FIREWORKS_API_KEY"], Some("accounts/fireworks/models/llama-v3p3-70b-instruct"), Support::Provider),
    row("gemini", "Gemini", Some("https://generativelanguage.googleapis.com/v1beta"), &["GOOGLE_API_KEY", "GEMINI_API_KEY"], Some("gemini-3-flash-preview"), GOOGLE),
    row("gemini_cli", "Gemini CLI", None, &["GEMINI_API_KEY", "GOOGLE_API_KEY"], Some("gemini-3.1-pro-preview"), CLI),
    row("grok", "Grok", Some("https://api.x.ai/v1"), &["XAI_API_KEY"], Some("grok-4.20-0309-reasoning"), RESPONSES),
    row("groq", "Groq", Some("https://api.groq.com/openai/v1"), &["GROQ_API_KEY"], Some("llama-3.3-70b-versatile"), Support::Provider),
    row("inference", "Inference", None, &[], None, Support::Never),
    row("lmstudio", "LM Studio", Some("http://localhost:1234/v1"), &[], None, Support::OwnServer),
    row("moonshot", "Kimi", Some("https://api.moonshot.cn/v1"), &["MOONSHOT_API_KEY", "KIMI_API_KEY"], Some("moonshot-v1-128k"), Support::Provider),
    row("nebius", "Nebius AI Studio", Some("https://api.studio.nebius.ai/v1"), &["NEBIUS_API_KEY"], Some("Qwen/Qwen3-4B-fast"), Support::Provider),
    row("nvidia_nim", "Nvidia NIM", Some("https://integrate.api.nvidia.com/v1"), &["NGC_API_KEY"], Some("moonshotai/kimi-k2.5"), Support::Provider),
    row("openai", "OpenAI", Some("https://api.openai.com/v1"), &["OPENAI_API_KEY"], Some("gpt-5.4"), Support::Provider),
    row("openrouter", "OpenRouter", Some("https://openrouter.ai/api/v1"), &["OPENROUTER_API_KEY"], None, Support::Provider),
    row("poe", "POE", None, &["POE_API_KEY"], None, Support::Provider),
    row("qwen", "Qwen", Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"), &["QWEN_API_KEY"], Some("qwen-max"), Support::Provider),
    row("sglang", "SGLang", Some("http://localhost:30000/v1"), &["SGLANG_API_KEY"], None, Support::OwnServer),
    row("simulated", "Simulated", None, &[], Some("simulated"), Support::Simulated),
    row("together", "Together AI", Some("https://api.together.xyz/v1"), &["TOGETHER_API_KEY"], Some("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"), Support::Provider),
    row("uitars", "UI-TARS", None, &["UI_TARS_API_KEY"], Some("ui-tars-1.5"), Support::Never),
    row("vllm", "vLLM", Some("http://localhost:8000/v1"), &["VLLM_API_KEY"], None, Support::OwnServer),
    row("zai", "ZAI", None, &["ZAI_API_KEY"], Some("glm-4.5"), Support::Provider),
];

/// Hosts of providers and the variables of their keys. A host counts with all its subdomains.
const HOSTS: &[(&[&str], &[&str])] = &[
    (&["openai.com"], &["OPENAI_API_KEY"]),
    (&["cerebras.ai"], &["CEREBRAS_API_KEY"]),
    (&["together.xyz", "together.ai"], &["TOGETHER_API_KEY"]),
    (&["fireworks.ai"], &["FIREWORKS_API_KEY"]),
    (&["groq.com"], &["GROQ_API_KEY"]),
    (&["nebius.com", "nebius.ai"], &["NEBIUS_API_KEY"]),
    (&["openrouter.ai"], &["OPENROUTER_API_KEY"]),
    (&["z.ai", "bigmodel.cn"], &["ZAI_API_KEY"]),
    (&["moonshot.ai", "moonshot.cn"], &["MOONSHOT_API_KEY", "KIMI_API_KEY"]),
    (&["nvidia.com"], &["NGC_API_KEY"]),
    (&["poe.com"], &["POE_API_KEY"]),
    (&["aliyuncs.com"], &["QWEN_API_KEY"]),
];

/// The backend type called `name`: in any case, with spaces or hyphens for underscores, or by its name for people.
pub fn backend(name: &str) -> Option<&'static BackendType> {
    let plain = |name: &str| name.trim().to_lowercase().replace([' ', '-'], "_");
    let name = plain(name);
    BACKENDS.iter().find(|backend| backend.name == name || plain(backend.display_name) == name)
}

/// The names of all types that run here, as a list for people.
pub fn running_types() -> String {
    let names: Vec<_> = BACKENDS
        .iter()
        .filter(|backend| backend.support.runs())
        .map(|backend| format!("`{}`", backend.name))
        .collect();
    names.join(", ")
}

/// The type that `name` was most likely meant to be.
pub(crate) fn nearest_type(name: &str) -> Option<&'static str> {
    nearest(name, BACKENDS.iter().map(|backend| backend.name))
}

/// The variables of the key for the provider whose host stands in `base_url`; empty for a host that no provider of
/// the table has. Hosts are compared as a whole or by subdomain, never by a part of their text.
pub fn host_key_variables(base_url: &str) -> &'static [&'static str] {
    let Ok(endpoint) = Endpoint::parse(base_url) else {
        return &[];
    };
    HOSTS
        .iter()
        .find(|(domains, _)| domains.iter().any(|domain| endpoint.is_in(domain)))
        .map_or(&[], |(_, keys)| keys)
}

/// The backend type of a well-known family of models, by the model's name.
pub fn type_of_model(model: &str) -> Option<&'static BackendType> {
    const FAMILIES: &[(&str, &[&str])] = &[
        ("openai", &["gpt-", "chatgpt-", "o1", "o3", "o4-", "codex-"]),
        ("claude", &["claude-"]),
        ("gemini", &["gemini-"]),
        ("grok", &["grok-"]),
        ("zai", &["glm-"]),
        ("simulated", &["simulated"]),
    ];
    let model = model.trim().to_lowercase();
    let family = FAMILIES.iter().find(|(_, starts)| starts.iter().any(|start| model.starts_with(start)))?;
    backend(family.0)
}

#[cfg(test)]
#[path = "backends_tests.rs"]
mod tests;
