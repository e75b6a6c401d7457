//! Parameters that have no key of their own and go to the provider under the name that the provider documents.
//!
//! Everything else that only a provider knows goes under `extra_body`; a name that is in none of these lists is a
//! mistake in writing until the configuration says otherwise.

/// A service, or a group of services that speak alike, and the names that it documents.
struct Dialect {
    /// Backend types that speak it.
    types: &'static [&'static str],
    /// Parameters.
    names: &'static [&'static str],
}

/// Parameters of a request by dialect. Names that massgen sets itself (`model`, `messages`, `stream`, `tools`, `n`) and
/// bounds on the output, which belong to the budget, are left out on purpose.
#[rustfmt::skip]
const DIALECTS: &[Dialect] = &[
    // Chat Completions, as OpenAI documents it.
    Dialect {
        types: &[
            "azure_openai", "bedrock", "cerebras", "chatcompletion", "deepseek", "fireworks", "groq", "inference",
            "lmstudio", "mistral", "moonshot", "nebius", "nvidia_nim", "openrouter", "poe", "qwen", "sglang",
            "together", "vllm", "zai",
        ],
        names: &["logprobs", "metadata", "response_format", "top_logprobs", "user"],
    },
    Dialect {
        types: &["azure_openai", "chatcompletion"],
        names: &[
            "audio", "modalities", "prediction", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
            "store", "web_search_options",
        ],
    },
    Dialect {
        types: &["chatcompletion", "openrouter"],
        names: &["models", "plugins", "preset", "provider", "route", "structured_outputs", "top_a", "transforms", "usage"],
    },
    Dialect {
        types: &["chatcompletion", "inference", "vllm"],
        names: &[
            "add_generation_prompt", "add_special_tokens", "allowed_token_ids", "bad_words", "chat_template",
            "continue_final_message", "documents", "echo", "guided_choice", "guided_decoding_backend",
            "guided_grammar", "guided_json", "guided_regex", "ignore_eos", "include_reasoning",
            "include_stop_str_in_output", "length_penalty", "min_tokens", "mm_processor_kwargs", "priority",
            "prompt_logprobs", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids",
            "structured_outputs", "truncate_prompt_tokens", "use_beam_search",
        ],
    },
    Dialect {
        types: &["chatcompletion", "inference", "sglang"],
        names: &[
            "continue_final_message", "custom_logit_processor", "custom_params", "ebnf", "ignore_eos", "lora_path",
            "min_tokens", "no_stop_trim", "regex", "skip_special_tokens", "stop_regex", "stop_token_ids",
            "stream_reasoning",
        ],
    },
    Dialect {
        types: &["chatcompletion", "lmstudio"],
        names: &["draft_model", "mirostat", "mirostat_eta", "mirostat_tau", "repeat_penalty", "ttl", "typical_p"],
    },
    Dialect {
        types: &["chatcompletion", "groq"],
        names: &["citation_options", "compound_custom", "documents", "include_reasoning", "reasoning_format", "search_settings"],
    },
    Dialect {
        types: &["chatcompletion", "together"],
        names: &["context_length_exceeded_behavior", "echo", "safety_model"],
    },
    Dialect {
        types: &["chatcompletion", "fireworks"],
        names: &[
            "context_length_exceeded_behavior", "echo", "ignore_eos", "mirostat_lr", "mirostat_target",
            "prompt_truncate_len", "raw_output", "typical_p",
        ],
    },
    Dialect {
        types: &["chatcompletion", "qwen"],
        names: &[
            "enable_search", "enable_thinking", "search_options", "thinking_budget", "translation_options",
            "vl_high_resolution_images",
        ],
    },
    Dialect { types: &["chatcompletion", "zai"], names: &["do_sample", "request_id", "user_id"] },
    Dialect { types: &["azure_openai"], names: &["data_sources", "user_security_context"] },
    // The Responses protocol.
    Dialect {
        types: &["grok", "openai"],
        names: &[
            "include", "max_tool_calls", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
            "store", "top_logprobs", "truncation", "user",
        ],
    },
    // The Anthropic Messages protocol.
    Dialect {
        types: &["claude"],
        names: &[
            "cache_control", "container", "context_management", "metadata", "output_config", "stop_sequences",
            "tool_choice",
        ],
    },
    Dialect {
        types: &["chatcompletion", "mistral"],
        names: &["prompt_mode", "random_seed", "safe_prompt"],
    },
    // Ollama: fields of its own, and options of the model.
    Dialect {
        types: &["ollama"],
        names: &[
            "format", "keep_alive", "logprobs", "main_gpu", "mirostat", "mirostat_eta", "mirostat_tau", "num_batch",
            "num_ctx", "num_gpu", "num_keep", "num_thread", "repeat_last_n", "repeat_penalty", "shift", "tfs_z",
            "think", "top_logprobs", "truncate", "typical_p", "use_mmap",
        ],
    },
    // The Gemini protocol, names as the SDK for Python writes them.
    Dialect {
        types: &["gemini"],
        names: &[
            "cached_content", "labels", "logprobs", "media_resolution",
            "response_json_schema", "response_logprobs", "response_mime_type", "response_modalities",
            "response_schema", "speech_config", "stop_sequences",
        ],
    },
];

/// Whether agents of this backend type send `name` to their provider as it is.
pub(crate) fn accepts(kind: &str, name: &str) -> bool {
    DIALECTS.iter().any(|dialect| dialect.types.contains(&kind) && dialect.names.contains(&name))
}

/// Every name that some provider takes, each once, in alphabetical order.
pub(crate) fn all_names() -> Vec<&'static str> {
    let mut names: Vec<_> = DIALECTS.iter().flat_map(|dialect| dialect.names).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The backend types whose providers take `name`, each once.
pub(crate) fn takers(name: &str) -> Vec<&'static str> {
    let speaking = DIALECTS.iter().filter(|dialect| dialect.names.contains(&name));
    let mut types: Vec<_> = speaking.flat_map(|dialect| dialect.types).copied().collect();
    types.sort_unstable();
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
    use crate::backends::Backends;
    use crate::registry;

    use super::*;

    #[test]
    fn no_name_is_a_key_of_its_own_too() {
        for name in all_names() {
            let path = format!("agents[].backend.{name}");
            let own =
                registry::key(&path).is_some_and(|key| takers(name).iter().any(|kind| key.applies_to(kind)));
            assert!(!own, "`{name}` is in the registry");
        }
        for kind in DIALECTS.iter().flat_map(|dialect| dialect.types) {
            assert!(Backends::built_in().get(kind).is_some(), "{kind}");
        }
    }

    #[test]
    fn what_massgen_sets_itself_is_in_no_list() {
        for name in ["model", "messages", "stream", "tools", "n", "max_tokens", "max_completion_tokens"] {
            assert!(takers(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_parameter_is_known_to_its_own_provider() {
        assert!(accepts("vllm", "guided_json") && !accepts("openai", "guided_json"));
        assert!(accepts("chatcompletion", "guided_json"), "any server may be behind it");
        assert_eq!(takers("thinking_budget"), ["chatcompletion", "qwen"]);
    }
}
