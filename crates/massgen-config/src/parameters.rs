//! Which parameters of calls a backend type takes, and under which name a request has them: the one list of them.
//!
//! A row goes by protocol; types are named where they are exceptions. Parameters with a key of their own stand in
//! [`OWN`]. Those in [`FREE`] have none and go to the provider under the name that the provider documents. Everything
//! else that only a provider knows goes under `extra_body`; a name that is in none of these lists is a mistake in
//! writing until the configuration says otherwise.

use massgen_protocol::spec::Protocol;
use massgen_protocol::spec::Protocol::{ChatCompletions, Gemini, Messages, Ollama, Responses};

use self::Sent::{As, Made, No, Part, Same};
use self::Speakers::{All, Only};
use crate::backends::{BackendType, Backends, Support};

/// What becomes of a key in a request of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The protocol does not have it.
    No,
    /// It goes under its own name.
    Same,
    /// It goes under this name. The adapter of the protocol may know where that belongs.
    As(&'static str),
    /// Code of its own puts it into the request.
    Made,
    /// It is none by itself: a part of one, or a place for others.
    Part,
}

/// A key of `backend`, and what becomes of it.
struct Own {
    key: &'static str,
    /// In Chat Completions, Responses, Messages, Gemini and Ollama.
    sent: [Sent; 5],
    /// Types that take it besides, in a way of their own.
    also: &'static [&'static str],
}

const fn own(key: &'static str, sent: [Sent; 5]) -> Own {
    Own { key, sent, also: &[] }
}

impl Own {
    const fn also(mut self, types: &'static [&'static str]) -> Self {
        self.also = types;
        self
    }

    fn sent(&self, protocol: Protocol) -> Sent {
        let [chat, responses, messages, gemini, ollama] = self.sent;
        match protocol {
            ChatCompletions => chat,
            Responses => responses,
            Messages => messages,
            Gemini => gemini,
            Ollama => ollama,
        }
    }

    /// Whether the key is a parameter by itself.
    fn is_whole(&self) -> bool {
        !self.sent.contains(&Part)
    }

    fn is_taken_by(&self, kind: &str) -> bool {
        self.also.contains(&kind) || protocol_of(kind).is_some_and(|protocol| self.sent(protocol) != No)
    }
}

/// Keys of `backend` that go into requests. A key within one of them is bound by its row too.
#[rustfmt::skip]
const OWN: &[Own] = &[
    //                            Chat  Responses  Messages              Gemini                Ollama
    own("temperature",               [Same, Same, Same,                 Same,                 Same]),
    own("top_p",                     [Same, Same, Same,                 Same,                 Same]),
    own("top_k",                     [Same, No,   Same,                 Same,                 Same]),
    own("min_p",                     [Same, No,   No,                   No,                   Same]),
    own("seed",                      [Same, No,   No,                   Same,                 Same]).also(&["simulated"]),
    own("stop",                      [Same, No,   As("stop_sequences"), As("stop_sequences"), Same]),
    own("presence_penalty",          [Same, No,   No,                   Same,                 Same]),
    own("frequency_penalty",         [Same, No,   No,                   Same,                 Same]),
    own("repetition_penalty",        [Same, No,   No,                   No,                   As("repeat_penalty")]),
    own("logit_bias",                [Same, No,   No,                   No,                   No]),
    own("parallel_tool_calls",       [Same, Same, No,                   No,                   No]),
    own("reasoning_effort",          [Same, Made, Made,                 No,                   As("think")]),
    own("verbosity",                 [Same, Made, No,                   No,                   No]),
    own("text",                      [Made, Made, No,                   No,                   No]),
    own("service_tier",              [Same, Same, Same,                 No,                   No]),
    own("chat_template_kwargs",      [Same, No,   No,                   No,                   No]),
    own("separate_reasoning",        [Same, No,   No,                   No,                   No]),
    own("thinking",                  [No,   No,   Same,                 Same,                 No]),
    own("betas",                     [No,   No,   Same,                 No,                   No]),
    own("enable_strict_tool_use",    [No,   No,   Same,                 No,                   No]),
    own("disable_parallel_tool_use", [No,   No,   Same,                 No,                   No]),
    own("thinking_config",           [No,   No,   No,                   Same,                 No]),
    own("include_thoughts",          [No,   No,   No,                   Same,                 No]),
    own("function_calling_mode",     [No,   No,   No,                   Same,                 No]),
    own("safety_settings",           [No,   No,   No,                   Same,                 No]),
    own("output_schema",             [Made, Made, Made,                 Made,                 Made]),
    own("extra_body",                [Part, Part, Part,                 Part,                 Part]),
    own("text.format",               [No,   Part, No,                   No,                   No]),
    own("reasoning.max_tokens",      [Part, No,   No,                   No,                   No]),
    own("reasoning.exclude",         [Part, No,   No,                   No,                   No]),
    own("reasoning.enabled",         [Part, No,   No,                   No,                   Part]),
    own("reasoning.type",            [No,   No,   Part,                 No,                   No]).also(&["claude_code"]),
    own("reasoning.budget_tokens",   [No,   No,   Part,                 No,                   No]).also(&["claude_code"]),
];

/// Who takes parameters that have no key.
#[derive(Debug, Clone, Copy)]
enum Speakers {
    /// All types that speak the protocol.
    All(Protocol),
    /// These types.
    Only(&'static [&'static str]),
}

impl Speakers {
    fn include(self, kind: &str) -> bool {
        match self {
            All(protocol) => protocol_of(kind) == Some(protocol),
            Only(types) => types.contains(&kind),
        }
    }

    fn types(self) -> Vec<&'static str> {
        match self {
            All(protocol) => services()
                .filter(|known| known.protocol == protocol)
                .map(|known| known.name.as_str())
                .collect(),
            Only(types) => types.to_vec(),
        }
    }
}

/// A service, or a group of services that speak alike, and the names that it documents.
struct Dialect {
    /// Who speaks it.
    of: Speakers,
    /// Parameters.
    names: &'static [&'static str],
}

/// Parameters without a key, by dialect. Names that massgen sets itself (`model`, `messages`, `stream`, `tools`, `n`) and
/// bounds on the output, which belong to the budget, are left out on purpose.
#[rustfmt::skip]
const FREE: &[Dialect] = &[
    // Chat Completions, as OpenAI documents it.
    Dialect {
        of: All(ChatCompletions),
        names: &["logprobs", "metadata", "response_format", "top_logprobs", "user"],
    },
    Dialect {
        of: Only(&["azure_openai", "chatcompletion"]),
        names: &[
            "audio", "modalities", "prediction", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
            "store", "web_search_options",
        ],
    },
    Dialect {
        of: Only(&["chatcompletion", "openrouter"]),
        names: &["cache_control", "models", "plugins", "preset", "provider", "route", "structured_outputs", "top_a", "transforms", "usage"],
    },
    Dialect {
        of: Only(&["chatcompletion", "inference", "vllm"]),
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
        of: Only(&["chatcompletion", "inference", "sglang"]),
        names: &[
            "continue_final_message", "custom_logit_processor", "custom_params", "ebnf", "ignore_eos", "lora_path",
            "min_tokens", "no_stop_trim", "regex", "skip_special_tokens", "stop_regex", "stop_token_ids",
            "stream_reasoning",
        ],
    },
    Dialect {
        of: Only(&["chatcompletion", "lmstudio"]),
        names: &["draft_model", "mirostat", "mirostat_eta", "mirostat_tau", "repeat_penalty", "ttl", "typical_p"],
    },
    Dialect {
        of: Only(&["chatcompletion", "groq"]),
        names: &["citation_options", "compound_custom", "documents", "include_reasoning", "reasoning_format", "search_settings"],
    },
    Dialect {
        of: Only(&["chatcompletion", "together"]),
        names: &["context_length_exceeded_behavior", "echo", "safety_model"],
    },
    Dialect {
        of: Only(&["chatcompletion", "fireworks"]),
        names: &[
            "context_length_exceeded_behavior", "echo", "ignore_eos", "mirostat_lr", "mirostat_target",
            "prompt_truncate_len", "raw_output", "typical_p",
        ],
    },
    Dialect {
        of: Only(&["chatcompletion", "qwen"]),
        names: &[
            "enable_search", "enable_thinking", "search_options", "thinking_budget", "translation_options",
            "vl_high_resolution_images",
        ],
    },
    Dialect { of: Only(&["chatcompletion", "zai"]), names: &["do_sample", "request_id", "user_id"] },
    Dialect { of: Only(&["azure_openai"]), names: &["data_sources", "user_security_context"] },
    // The Responses protocol.
    Dialect {
        of: All(Responses),
        names: &[
            "include", "max_tool_calls", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
            "store", "top_logprobs", "truncation", "user",
        ],
    },
    // The Anthropic Messages protocol.
    Dialect {
        of: All(Messages),
        names: &[
            "cache_control", "container", "context_management", "metadata", "output_config", "stop_sequences",
            "tool_choice",
        ],
    },
    Dialect {
        of: Only(&["chatcompletion", "mistral"]),
        names: &["prompt_mode", "random_seed", "safe_prompt"],
    },
    // Ollama: fields of its own, and options of the model.
    Dialect {
        of: All(Ollama),
        names: &[
            "format", "keep_alive", "logprobs", "main_gpu", "mirostat", "mirostat_eta", "mirostat_tau", "num_batch",
            "num_ctx", "num_gpu", "num_keep", "num_thread", "repeat_last_n", "repeat_penalty", "shift", "tfs_z",
            "think", "top_logprobs", "truncate", "typical_p", "use_mmap",
        ],
    },
    // The Gemini protocol, names as the SDK for Python writes them.
    Dialect {
        of: All(Gemini),
        names: &[
            "cached_content", "labels", "logprobs", "media_resolution",
            "response_json_schema", "response_logprobs", "response_mime_type", "response_modalities",
            "response_schema", "speech_config", "stop_sequences",
        ],
    },
];

/// The built-in types that reach a service. A user's file adds none.
fn services() -> impl Iterator<Item = &'static BackendType> {
    let types = Backends::built_in().types().iter();
    types.filter(|known| match known.support {
        Support::Provider | Support::OwnServer => true,
        Support::Simulated | Support::NotYet { .. } | Support::Never => false,
    })
}

/// What agents of this backend type speak with their service; `None` when they reach none.
fn protocol_of(kind: &str) -> Option<Protocol> {
    services().find(|known| known.name == kind).map(|known| known.protocol)
}

/// Whether `name`, a key of `backend`, goes into requests. One that the protocol of a type does not have would be lost.
pub(crate) fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| own.key == name && own.is_whole())
}

/// Whether agents of this backend type can do something with `name`, a key of `backend`, as far as that depends on their
/// protocol. Keys that are no parameters are for all.
pub(crate) fn has(kind: &str, name: &str) -> bool {
    OWN.iter().filter(|own| is_within(name, own.key)).all(|own| own.is_taken_by(kind))
}

/// Whether `name` is the key `outer` or one inside of it.
pub(crate) fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The keys that go into requests of `protocol` as they are, each with its name there.
pub(crate) fn names(protocol: Protocol) -> impl Iterator<Item = (&'static str, &'static str)> {
    OWN.iter().filter_map(move |own| match own.sent(protocol) {
        Same => Some((own.key, own.key)),
        As(name) => Some((own.key, name)),
        No | Made | Part => None,
    })
}

/// Whether agents of this backend type send `name`, which has no key, to their provider as it is.
pub(crate) fn accepts(kind: &str, name: &str) -> bool {
    FREE.iter().any(|dialect| dialect.names.contains(&name) && dialect.of.include(kind))
}

/// Every name without a key that some provider takes, each once, in alphabetical order.
pub(crate) fn all_names() -> Vec<&'static str> {
    let mut names: Vec<_> = FREE.iter().flat_map(|dialect| dialect.names).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The backend types whose providers take `name`, each once.
pub(crate) fn takers(name: &str) -> Vec<&'static str> {
    let speaking = FREE.iter().filter(|dialect| dialect.names.contains(&name));
    let mut types: Vec<_> = speaking.flat_map(|dialect| dialect.of.types()).collect();
    types.sort_unstable();
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
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
        for kind in FREE.iter().flat_map(|dialect| dialect.of.types()) {
            assert!(Backends::built_in().get(kind).is_some(), "{kind}");
        }
    }

    #[test]
    fn every_key_is_one_and_every_exception_a_type() {
        for own in OWN {
            assert!(registry::key(&format!("agents[].backend.{}", own.key)).is_some(), "{}", own.key);
            for kind in own.also {
                assert!(Backends::built_in().get(kind).is_some(), "{kind}");
                assert!(
                    protocol_of(kind).is_none_or(|protocol| own.sent(protocol) == No),
                    "{kind} has a column"
                );
            }
            let parts = own.sent.iter().filter(|sent| **sent == Part).count();
            let ways = own.sent.iter().filter(|sent| **sent != No).count();
            assert!(parts == 0 || parts == ways, "{} is a part everywhere or nowhere", own.key);
        }
    }

    #[test]
    fn a_parameter_goes_by_the_protocol_of_the_type() {
        assert!(has("vllm", "min_p") && has("ollama", "min_p") && !has("openai", "min_p"));
        assert!(has("claude_code", "reasoning.type") && !has("codex", "temperature"));
        assert!(has("claude", "model") && is_own("stop") && !is_own("extra_body") && !is_own("model"));
        assert_eq!(names(Responses).count(), 4);
        assert!(names(Messages).any(|sent| sent == ("stop", "stop_sequences")));
        assert!(
            names(Responses).all(|(key, _)| key != "reasoning_effort"),
            "it has a place of its own there"
        );
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
