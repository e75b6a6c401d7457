//! Which backend types a key of `backend` means something to. A key that is not here means something to all of them.

use super::Key;

/// Types that speak Chat Completions.
const CHAT: &[&str] = &[
    "azure_openai",
    "bedrock",
    "cerebras",
    "chatcompletion",
    "deepseek",
    "fireworks",
    "groq",
    "inference",
    "lmstudio",
    "mistral",
    "moonshot",
    "nebius",
    "nvidia_nim",
    "openrouter",
    "poe",
    "qwen",
    "sglang",
    "together",
    "vllm",
    "zai",
];

/// Types that speak Responses.
const RESPONSES: &[&str] = &["grok", "openai"];

/// Agent programs.
const PROGRAMS: &[&str] = &["antigravity_cli", "claude_code", "codex", "copilot", "gemini_cli"];

/// Names of keys, and the lists of types that they are for.
#[rustfmt::skip]
const ONLY: &[(&[&str], &[&[&str]])] = &[
    (&["latency_ms", "tokens_per_second", "script"], &[&["simulated"]]),
    (&["temperature", "top_p"], &[CHAT, RESPONSES, &["claude", "gemini", "ollama"]]),
    (&["seed"], &[CHAT, &["gemini", "ollama", "simulated"]]),
    (&["top_k"], &[CHAT, &["claude", "gemini", "ollama"]]),
    (&["stop"], &[CHAT, &["claude", "gemini", "ollama"]]),
    (&["parallel_tool_calls"], &[CHAT, RESPONSES]),
    (&["presence_penalty", "frequency_penalty"], &[CHAT, &["gemini", "ollama"]]),
    (&["min_p", "repetition_penalty"], &[CHAT, &["ollama"]]),
    (&["logit_bias"], &[CHAT]),
    (&["reasoning_effort"], &[CHAT, RESPONSES, &["claude", "ollama"]]),
    (&["verbosity", "text"], &[CHAT, RESPONSES]),
    (&["text.format"], &[RESPONSES]),
    (&["service_tier"], &[CHAT, RESPONSES, &["claude"]]),
    (&["chat_template_kwargs", "separate_reasoning"], &[CHAT]),
    (&["background", "organization", "websocket_mode"], &[&["openai"]]),
    (&["extra_body"], &[CHAT, RESPONSES, &["claude", "gemini", "ollama"]]),
    (&["reasoning.max_tokens", "reasoning.exclude"], &[CHAT]),
    (&["reasoning.enabled"], &[CHAT, &["ollama"]]),
    (&["engine", "max_results", "search_prompt", "search_context_size"], &[&["chatcompletion", "openrouter"]]),
    (&["reasoning.type", "reasoning.budget_tokens"], &[&["claude", "claude_code"]]),
    (&["enable_x_search"], &[&["grok"]]),
    (&["enable_programmatic_flow", "enable_tool_search", "tool_search_variant", "enable_strict_tool_use"], &[&["claude"]]),
    (&["disable_parallel_tool_use", "betas"], &[&["claude"]]),
    (&["output_schema"], &[CHAT, RESPONSES, &["claude", "gemini", "ollama"]]),
    (&["thinking"], &[&["claude", "gemini"]]),
    (&["thinking_config", "include_thoughts", "function_calling_mode", "safety_settings"], &[&["gemini"]]),
    (&["gemini_backoff_max_attempts", "gemini_backoff_initial_delay", "gemini_backoff_multiplier"], &[&["gemini"]]),
    (&["gemini_backoff_max_delay", "gemini_backoff_jitter"], &[&["gemini"]]),
    (&["azure_endpoint", "api_version"], &[&["azure_openai"]]),
    (&["region"], &[&["bedrock"]]),
    (&["model_reasoning_effort"], &[&["codex"]]),
    (&["permission_mode", "max_thinking_tokens", "setting_sources", "use_default_prompt"], &[&["claude_code"]]),
    (&["disallowed_tools"], &[PROGRAMS]),
    (&["approval_mode"], &[&["antigravity_cli", "codex", "gemini_cli"]]),
    (&["permission_policy", "system_message_mode", "session_send_timeout_seconds"], &[&["copilot"]]),
    (&["enable_interrupt_resume", "interrupt_poll_seconds", "max_interrupts_per_turn"], &[&["antigravity_cli", "codex"]]),
    (&["disable_auto_update", "skip_health_check"], &[&["antigravity_cli"]]),
    (&["agent_config", "group_config"], &[&["ag2"]]),
];

/// Keys that go into requests. One that the protocol of a type does not have would be lost.
const PARAMETERS: &[&str] = &[
    "betas",
    "chat_template_kwargs",
    "disable_parallel_tool_use",
    "enable_strict_tool_use",
    "frequency_penalty",
    "function_calling_mode",
    "include_thoughts",
    "logit_bias",
    "min_p",
    "output_schema",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "repetition_penalty",
    "safety_settings",
    "seed",
    "separate_reasoning",
    "service_tier",
    "stop",
    "temperature",
    "text",
    "thinking",
    "thinking_config",
    "top_k",
    "top_p",
    "verbosity",
];

impl Key {
    /// Whether the key goes into requests.
    pub(crate) fn is_parameter(&self) -> bool {
        self.path.strip_prefix("agents[].backend.").is_some_and(|name| PARAMETERS.contains(&name))
    }

    /// Whether the key means something to anything but the simulated model.
    pub(crate) fn applies_to_a_provider(&self) -> bool {
        !matches!(self.name(), "latency_ms" | "tokens_per_second" | "script")
    }

    /// Whether the key means something to agents of this backend type; always for a key outside of `backend`.
    pub fn applies_to(&self, kind: &str) -> bool {
        let Some(name) = self.path.strip_prefix("agents[].backend.") else {
            return true;
        };
        let within = |known: &str| {
            name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        ONLY.iter()
            .filter(|(names, _)| names.iter().any(|known| within(known)))
            .all(|(_, lists)| lists.iter().any(|types| types.contains(&kind)))
    }
}

#[cfg(test)]
mod tests {
    use crate::backends::Backends;
    use crate::registry;

    use super::*;

    #[test]
    fn every_name_is_a_key_and_every_type_a_type() {
        for (names, lists) in ONLY {
            for name in *names {
                assert!(registry::key(&format!("agents[].backend.{name}")).is_some(), "{name}");
            }
            for kind in lists.iter().copied().flatten() {
                assert!(Backends::built_in().get(kind).is_some(), "{kind}");
            }
        }
    }

    #[test]
    fn a_key_of_one_provider_applies_to_it_only() {
        let key = |path: &str| *registry::key(path).unwrap();
        assert!(key("agents[].backend.gemini_backoff_jitter").applies_to("gemini"));
        assert!(!key("agents[].backend.gemini_backoff_jitter").applies_to("openai"));
        assert!(key("agents[].backend.model").applies_to("openai"));
        assert!(key("orchestrator.skip_voting").applies_to("openai"));
        assert!(!key("agents[].backend.reasoning.budget_tokens").applies_to("openai"));
        assert!(key("agents[].backend.reasoning.effort").applies_to("openai"));
        assert!(key("agents[].backend.text.verbosity").applies_to("groq"));
        assert!(!key("agents[].backend.text.verbosity").applies_to("claude"));
    }
}
