//! Which backend types a key of `backend` means something to. A key that is neither here nor among the parameters of
//! [`crate::parameters`] means something to all of them.

use super::Key;
use crate::parameters;

/// Agent programs.
const PROGRAMS: &[&str] = &["antigravity_cli", "claude_code", "codex", "copilot", "gemini_cli"];

/// Names of keys, and the types that they are for.
#[rustfmt::skip]
const ONLY: &[(&[&str], &[&str])] = &[
    (&["latency_ms", "tokens_per_second", "script"], &["simulated"]),
    (&["background", "organization", "websocket_mode"], &["openai"]),
    (&["engine", "max_results", "search_prompt", "search_context_size"], &["chatcompletion", "openrouter"]),
    (&["enable_x_search"], &["grok"]),
    (&["enable_programmatic_flow", "enable_tool_search", "tool_search_variant"], &["claude"]),
    (&["gemini_backoff_max_attempts", "gemini_backoff_initial_delay", "gemini_backoff_multiplier"], &["gemini"]),
    (&["gemini_backoff_max_delay", "gemini_backoff_jitter"], &["gemini"]),
    (&["azure_endpoint", "api_version"], &["azure_openai"]),
    (&["region"], &["bedrock"]),
    (&["model_reasoning_effort"], &["codex"]),
    (&["permission_mode", "max_thinking_tokens", "setting_sources", "use_default_prompt"], &["claude_code"]),
    (&["disallowed_tools"], PROGRAMS),
    (&["approval_mode"], &["antigravity_cli", "codex", "gemini_cli"]),
    (&["permission_policy", "system_message_mode", "session_send_timeout_seconds"], &["copilot"]),
    (&["enable_interrupt_resume", "interrupt_poll_seconds", "max_interrupts_per_turn"], &["antigravity_cli", "codex"]),
    (&["disable_auto_update", "skip_health_check"], &["antigravity_cli"]),
    (&["agent_config", "group_config"], &["ag2"]),
];

impl Key {
    /// Whether the key goes into requests.
    pub(crate) fn is_parameter(&self) -> bool {
        self.path.strip_prefix("agents[].backend.").is_some_and(parameters::is_own)
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
        let is_for_it = ONLY
            .iter()
            .filter(|(names, _)| names.iter().any(|known| parameters::is_within(name, known)))
            .all(|(_, types)| types.contains(&kind));
        is_for_it && parameters::has(kind, name)
    }
}

#[cfg(test)]
mod tests {
    use crate::backends::Backends;
    use crate::registry;

    use super::*;

    #[test]
    fn every_name_is_a_key_and_every_type_a_type() {
        for (names, types) in ONLY {
            for name in *names {
                assert!(registry::key(&format!("agents[].backend.{name}")).is_some(), "{name}");
            }
            for kind in *types {
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
