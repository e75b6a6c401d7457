//! What was verified of the protocols and of single backend types, and by which tests. The page of providers is made of
//! it; a behaviour that loses its test loses its mark, or `cargo xtask gen` fails.

use massgen_protocol::spec::Protocol;

use self::Behaviour::{
    Caching, Errors, FilesOut, ImagesIn, Parallel, ProviderTools, Streaming, Structured, Thinking, Tools,
    Usage,
};
use self::Mark::{Documented, NotOffered, Verified};

/// What a type may do: the columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Streaming,
    Tools,
    Parallel,
    Thinking,
    Caching,
    Usage,
    Errors,
    ImagesIn,
    FilesOut,
    Structured,
    ProviderTools,
}

impl Behaviour {
    /// In the order of the columns.
    pub(super) const ALL: [Self; 11] = [
        Streaming,
        Tools,
        Parallel,
        Thinking,
        Caching,
        Usage,
        Errors,
        ImagesIn,
        FilesOut,
        Structured,
        ProviderTools,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Streaming => "Streaming",
            Tools => "Tools",
            Parallel => "Parallel calls",
            Thinking => "Thinking goes back",
            Caching => "Caching",
            Usage => "Usage",
            Errors => "Errors",
            ImagesIn => "Files in",
            FilesOut => "Files out",
            Structured => "Output schema",
            ProviderTools => "Provider tools",
        }
    }
}

/// What is known of a behaviour.
#[derive(Debug)]
pub(super) enum Mark {
    /// It works in these tests.
    Verified(&'static [Proof]),
    /// It was written after the documentation and no test shows it.
    Documented,
    /// It is not offered.
    NotOffered,
}

impl Mark {
    pub(super) fn proofs(&self) -> &'static [Proof] {
        match self {
            Verified(proofs) => proofs,
            Documented | NotOffered => &[],
        }
    }
}

/// How something was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// A test replays streams or compares requests in the documented form.
    Replayed,
    /// The program and a peer that others wrote understood each other.
    Peer,
}

impl How {
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Replayed => "R",
            Self::Peer => "P",
        }
    }
}

/// A function that fails when the behaviour goes away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof {
    pub(super) how: How,
    /// From the root of the checkout.
    pub(super) file: &'static str,
    pub(super) function: &'static str,
}

impl Proof {
    /// Whether `text`, that of the file, has the function: as a test, or for peers as part of the task.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let begin = format!("fn {}(", self.function);
        let mut attributes = "";
        for line in text.lines().map(str::trim_start) {
            let code = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let code = code.strip_prefix("async ").unwrap_or(code);
            if code.starts_with(&begin) {
                let is_test = attributes.starts_with("#[test]") || attributes.starts_with("#[tokio::test");
                return is_test || self.how == How::Peer;
            }
            if !line.starts_with("#[") || line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                attributes = line;
            }
        }
        false
    }
}

const fn test(file: &'static str, function: &'static str) -> Proof {
    Proof { how: How::Replayed, file, function }
}

/// Runs of four agents against aimock.
const AIMOCK: Proof = Proof { how: How::Peer, file: "xtask/src/peers.rs", function: "contract" };
/// Runs against aimock in which requests fail.
const AIMOCK_FAULTS: Proof = Proof { how: How::Peer, file: "xtask/src/peers.rs", function: "faults" };
/// A text through the proxy of LiteLLM.
const LITELLM: Proof =
    Proof { how: How::Peer, file: "xtask/src/peers/litellm.rs", function: "text_comes_back" };

/// A whole run with known counters, in all protocols.
const COSTS: Proof = test(
    "crates/massgen/tests/it/costs.rs",
    "every_file_and_the_screen_tell_the_same_right_cost_in_every_protocol",
);

const CHAT_READS: &str = "crates/massgen-model/src/chat/decoder_tests.rs";
const CHAT_WRITES: &str = "crates/massgen-model/src/chat/codec_tests.rs";
const CHAT_TALKS: &str = "crates/massgen-model/tests/it/replies.rs";
const RESPONSES_READ: &str = "crates/massgen-model/src/responses/decoder_tests.rs";
const RESPONSES_WRITE: &str = "crates/massgen-model/src/responses/codec_tests.rs";
const RESPONSES_TALK: &str = "crates/massgen-model/tests/it/responses.rs";
const MESSAGES_READ: &str = "crates/massgen-model/src/messages/decoder_tests.rs";
const MESSAGES_WRITE: &str = "crates/massgen-model/src/messages/codec_tests.rs";
const MESSAGES_STREAM: &str = "crates/massgen-model/src/messages/stream_tests.rs";
const MESSAGES_TALK: &str = "crates/massgen-model/tests/it/messages.rs";
const GEMINI_READS: &str = "crates/massgen-model/src/gemini/decoder_tests.rs";
const GEMINI_WRITES: &str = "crates/massgen-model/src/gemini/codec_tests.rs";
const GEMINI_TALKS: &str = "crates/massgen-model/tests/it/gemini.rs";
const OLLAMA_READS: &str = "crates/massgen-model/src/ollama/decoder_tests.rs";
const OLLAMA_WRITES: &str = "crates/massgen-model/src/ollama/codec_tests.rs";
const OLLAMA_TALKS: &str = "crates/massgen-model/tests/it/ollama.rs";
const FAILURES: &str = "crates/massgen-model/src/provider/failure_tests.rs";
const CODE_FILES: Proof =
    test("crates/massgen-model/tests/it/code_files.rs", "files_are_fetched_once_with_the_key_of_the_call");
const FILES: Proof = test(
    "crates/massgen-model/src/provider/files_tests.rs",
    "each_protocol_gets_the_parts_that_it_has_and_a_line_for_the_others",
);
const FORMS: &str = "crates/massgen-model/src/provider/form_tests.rs";
const COUNTERS: &str = "crates/massgen-model/src/provider/usage.rs";
const SERVICES: &str = "crates/massgen-config/tests/it/services.rs";
const WHOLE_COSTS: &str = "crates/massgen/tests/it/costs.rs";

/// The marks of a protocol, which all types that speak it share.
pub(super) const PROTOCOLS: &[(Protocol, &[(Behaviour, Mark)])] = &[
    (
        Protocol::ChatCompletions,
        &[
            (
                Streaming,
                Verified(&[
                    test(
                        "crates/massgen-model/tests/it/streams.rs",
                        "events_arrive_whole_however_the_bytes_are_cut",
                    ),
                    AIMOCK,
                    LITELLM,
                ]),
            ),
            (
                Tools,
                Verified(&[test(CHAT_READS, "tool_calls_count_whatever_the_reason_to_stop_says"), AIMOCK]),
            ),
            (Parallel, Verified(&[test(CHAT_TALKS, "parallel_calls_that_interleave_are_told_apart")])),
            (
                Thinking,
                Verified(&[
                    test(CHAT_READS, "reasoning_under_several_names_is_taken_once_and_its_form_is_kept"),
                    test(CHAT_WRITES, "replies_go_back_with_the_items_of_the_provider"),
                ]),
            ),
            (
                Caching,
                Verified(&[test(
                    CHAT_WRITES,
                    "a_longer_conversation_begins_with_the_bytes_of_a_shorter_one",
                )]),
            ),
            (
                Usage,
                Verified(&[test(CHAT_READS, "usage_is_found_in_each_of_its_places_or_estimated"), COSTS]),
            ),
            (
                Errors,
                Verified(&[
                    test(CHAT_READS, "errors_in_the_stream_end_it"),
                    test(FAILURES, "the_status_decides_and_the_code_tells_quota_and_window_apart"),
                    AIMOCK_FAULTS,
                ]),
            ),
            (ImagesIn, Verified(&[FILES])),
            (
                FilesOut,
                Verified(&[test(
                    "crates/massgen-model/src/chat/images_tests.rs",
                    "pictures_beside_the_text_are_files_wherever_the_stream_is_cut",
                )]),
            ),
            (
                Structured,
                Verified(&[test(
                    FORMS,
                    "chat_completions_holds_the_model_to_a_closed_schema_and_advises_an_open_one",
                )]),
            ),
            (ProviderTools, NotOffered),
        ],
    ),
    (
        Protocol::Responses,
        &[
            (
                Streaming,
                Verified(&[
                    test(RESPONSES_TALK, "a_reply_is_the_same_however_its_bytes_are_cut"),
                    AIMOCK,
                    LITELLM,
                ]),
            ),
            (
                Tools,
                Verified(&[
                    test(RESPONSES_TALK, "a_reply_with_calls_goes_back_whole_and_the_next_one_answers"),
                    AIMOCK,
                ]),
            ),
            (Parallel, Verified(&[test(RESPONSES_READ, "interleaved_calls_are_told_apart")])),
            (
                Thinking,
                Verified(&[
                    test(RESPONSES_WRITE, "a_reply_goes_back_as_it_came_with_the_results_after_it"),
                    test(RESPONSES_WRITE, "ciphertext_is_asked_of_models_that_reason_and_of_no_other"),
                ]),
            ),
            (
                Caching,
                Verified(&[
                    test(RESPONSES_WRITE, "a_longer_conversation_begins_with_the_bytes_of_a_shorter_one"),
                    test(RESPONSES_WRITE, "the_cache_key_is_the_agents_and_tells_nothing"),
                ]),
            ),
            (
                Usage,
                Verified(&[test(RESPONSES_READ, "usage_and_cost_come_with_the_end_or_are_estimated"), COSTS]),
            ),
            (
                Errors,
                Verified(&[
                    test(RESPONSES_READ, "errors_end_the_stream_in_their_own_words"),
                    test(FAILURES, "codes_of_a_response_that_failed_are_understood"),
                    AIMOCK_FAULTS,
                ]),
            ),
            (ImagesIn, Verified(&[FILES])),
            (
                FilesOut,
                Verified(&[
                    test(RESPONSES_READ, "a_stream_with_a_picture_gives_the_same_reply_wherever_it_is_cut"),
                    CODE_FILES,
                ]),
            ),
            (
                Structured,
                Verified(&[test(FORMS, "responses_has_the_form_beside_other_settings_of_the_text")]),
            ),
            (
                ProviderTools,
                Verified(&[test(RESPONSES_READ, "a_reply_keeps_every_item_as_it_came_and_in_order")]),
            ),
        ],
    ),
    (
        Protocol::Messages,
        &[
            (
                Streaming,
                Verified(&[
                    test(MESSAGES_STREAM, "a_stream_is_the_same_reply_wherever_it_is_cut"),
                    AIMOCK,
                    LITELLM,
                ]),
            ),
            (
                Tools,
                Verified(&[test(MESSAGES_TALK, "a_call_and_its_result_make_the_second_request"), AIMOCK]),
            ),
            (Parallel, Verified(&[test(MESSAGES_READ, "parallel_blocks_may_interleave")])),
            (
                Thinking,
                Verified(&[
                    test(MESSAGES_READ, "thinking_text_and_calls_keep_their_order_and_their_signatures"),
                    test(MESSAGES_WRITE, "a_reply_goes_back_as_it_came"),
                ]),
            ),
            (
                Caching,
                Verified(&[
                    test(MESSAGES_WRITE, "a_longer_conversation_begins_with_the_bytes_of_a_shorter_one"),
                    test(MESSAGES_WRITE, "each_host_gets_the_marks_that_it_reads"),
                ]),
            ),
            (Usage, Verified(&[test(MESSAGES_READ, "usage_is_a_running_total_or_estimated"), COSTS])),
            (
                Errors,
                Verified(&[
                    test(MESSAGES_READ, "errors_in_the_stream_end_it"),
                    test(FAILURES, "anthropics_types_and_sentences_have_their_kinds"),
                    AIMOCK_FAULTS,
                ]),
            ),
            (ImagesIn, Verified(&[FILES])),
            (FilesOut, Verified(&[CODE_FILES])),
            (
                Structured,
                Verified(&[test(FORMS, "messages_has_the_form_beside_the_effort_and_calls_no_tool")]),
            ),
            (
                ProviderTools,
                Verified(&[test(MESSAGES_READ, "tools_of_the_provider_and_citations_are_kept_as_they_came")]),
            ),
        ],
    ),
    (
        Protocol::Gemini,
        &[
            (
                Streaming,
                Verified(&[
                    test(GEMINI_READS, "a_stream_gives_the_same_reply_wherever_it_is_cut"),
                    AIMOCK,
                    LITELLM,
                ]),
            ),
            (
                Tools,
                Verified(&[
                    test(GEMINI_TALKS, "a_reply_with_calls_goes_back_with_everything_it_held"),
                    AIMOCK,
                ]),
            ),
            (Parallel, Verified(&[test(GEMINI_READS, "calls_without_an_id_of_their_own_get_one")])),
            (
                Thinking,
                Verified(&[
                    test(GEMINI_READS, "every_part_is_kept_as_it_came_and_in_its_place"),
                    test(
                        GEMINI_WRITES,
                        "the_parts_of_the_model_go_back_as_they_came_and_one_content_answers_all_calls",
                    ),
                ]),
            ),
            (
                Caching,
                Verified(&[test(
                    GEMINI_WRITES,
                    "a_longer_conversation_begins_with_the_bytes_of_the_shorter",
                )]),
            ),
            (
                Usage,
                Verified(&[
                    test(GEMINI_READS, "the_last_usage_counts_and_a_missing_one_is_estimated"),
                    COSTS,
                ]),
            ),
            (
                Errors,
                Verified(&[
                    test(GEMINI_READS, "an_error_in_the_stream_is_one"),
                    test(FAILURES, "google_tells_a_spent_day_from_a_busy_minute_and_how_long_to_wait"),
                    AIMOCK_FAULTS,
                ]),
            ),
            (ImagesIn, Verified(&[FILES])),
            (
                FilesOut,
                Verified(&[test(
                    GEMINI_READS,
                    "a_stream_with_pictures_gives_the_same_reply_wherever_it_is_cut",
                )]),
            ),
            (
                Structured,
                Verified(&[test(
                    FORMS,
                    "gemini_has_the_schema_as_it_is_and_older_models_get_no_tools_beside_it",
                )]),
            ),
            (
                ProviderTools,
                Verified(&[
                    test(GEMINI_WRITES, "tools_of_the_provider_join_those_of_the_agent_where_the_model_can"),
                    test(
                        GEMINI_READS,
                        "a_round_of_the_providers_tools_may_give_a_reason_before_the_reply_goes_on",
                    ),
                ]),
            ),
        ],
    ),
    (
        Protocol::Ollama,
        &[
            (Streaming, Verified(&[test(OLLAMA_READS, "a_stream_gives_the_same_reply_wherever_it_is_cut")])),
            (Tools, Verified(&[test(OLLAMA_TALKS, "a_reply_with_calls_goes_back_with_everything_it_held")])),
            (Parallel, Verified(&[test(OLLAMA_READS, "thinking_text_calls_and_counters_arrive")])),
            (
                Thinking,
                Verified(&[test(OLLAMA_WRITES, "a_reply_goes_back_as_it_came_and_messages_stay_apart")]),
            ),
            (
                Caching,
                Verified(&[test(
                    OLLAMA_WRITES,
                    "a_longer_conversation_begins_with_the_bytes_of_the_shorter",
                )]),
            ),
            (
                Usage,
                Verified(&[
                    test(OLLAMA_READS, "missing_counters_are_estimated_and_unknown_fields_skipped"),
                    COSTS,
                ]),
            ),
            (
                Errors,
                Verified(&[
                    test(OLLAMA_READS, "a_stream_that_is_not_done_is_cut_short_and_an_error_is_one"),
                    test(OLLAMA_TALKS, "a_conversation_longer_than_the_window_is_told_as_such"),
                ]),
            ),
            (ImagesIn, Verified(&[FILES])),
            (FilesOut, NotOffered),
            (Structured, Verified(&[test(FORMS, "ollama_has_the_schema_as_its_format_and_no_tools")])),
            (ProviderTools, NotOffered),
        ],
    ),
];

/// What single types have beside their protocol. A behaviour with the title of a column takes the place of the mark that
/// the protocol has there.
pub(super) const SINGLE: &[(&str, &str, Mark)] = &[
    (
        "azure_openai",
        "the address of a deployment, its version and the header `api-key`",
        Verified(&[test(SERVICES, "a_deployment_of_azure_has_its_address_and_its_version")]),
    ),
    (
        "azure_openai",
        "the name of the bound on the output, by the deployment",
        Verified(&[test(CHAT_WRITES, "a_reasoning_deployment_of_azure_gets_the_bound_that_it_takes")]),
    ),
    ("azure_openai", "Provider tools", NotOffered),
    (
        "bedrock",
        "its OpenAI-compatible endpoint in a region",
        Verified(&[test(SERVICES, "bedrock_is_in_a_region")]),
    ),
    (
        "claude",
        "what is cached for an hour has a price of its own",
        Verified(&[test(MESSAGES_READ, "what_is_kept_in_the_cache_for_an_hour_is_told_apart")]),
    ),
    (
        "claude",
        "a paused turn goes on",
        Verified(&[test(MESSAGES_WRITE, "a_paused_reply_is_the_end_of_the_next_request")]),
    ),
    (
        "claude",
        "the container of its tools is used again",
        Verified(&[test(MESSAGES_WRITE, "the_last_container_is_named_at_the_end_of_the_body")]),
    ),
    (
        "deepseek",
        "its counters of cache hits; reasoning goes back with tool calls",
        Verified(&[
            test(COUNTERS, "what_is_counted_apart_is_found_by_the_total"),
            test(CHAT_WRITES, "replies_go_back_with_the_items_of_the_provider"),
        ]),
    ),
    (
        "gemini",
        "the wait that it asks for in the body",
        Verified(&[test(FAILURES, "a_wait_that_gemini_asks_for_in_the_body_counts_where_no_header_asks")]),
    ),
    ("grok", "search on X", Verified(&[test(RESPONSES_WRITE, "xai_gets_its_own_dialect")])),
    (
        "grok",
        "the cost that it tells; reasoning that it counts apart",
        Verified(&[
            test(WHOLE_COSTS, "what_the_provider_says_of_the_cost_wins_over_prices"),
            test(COUNTERS, "what_is_counted_apart_is_found_by_the_total"),
        ]),
    ),
    ("grok", "its sentences for errors", Verified(&[test(FAILURES, "sentences_of_xai_are_understood")])),
    (
        "groq",
        "the usage in `x_groq`",
        Verified(&[test(CHAT_READS, "usage_is_found_in_each_of_its_places_or_estimated")]),
    ),
    (
        "mistral",
        "thinking in parts of the content goes back so",
        Verified(&[test(CHAT_READS, "thinking_in_parts_goes_back_in_a_part")]),
    ),
    (
        "moonshot",
        "the usage in the choice, and its counter of cached tokens",
        Verified(&[
            test(CHAT_READS, "usage_is_found_in_each_of_its_places_or_estimated"),
            test(COUNTERS, "what_is_counted_apart_is_found_by_the_total"),
        ]),
    ),
    (
        "ollama",
        "a conversation that does not fit is an error, never cut",
        Verified(&[test(OLLAMA_TALKS, "a_conversation_longer_than_the_window_is_told_as_such")]),
    ),
    (
        "openrouter",
        "the cost that it tells, with a provider key of one's own too",
        Verified(&[
            test(WHOLE_COSTS, "what_the_provider_says_of_the_cost_wins_over_prices"),
            test(COUNTERS, "with_a_key_of_ones_own_the_providers_bill_is_added_to_the_fee"),
        ]),
    ),
    (
        "openrouter",
        "`reasoning_details` go back",
        Verified(&[test(CHAT_READS, "reasoning_under_several_names_is_taken_once_and_its_form_is_kept")]),
    ),
    (
        "openrouter",
        "marks for the cache of Claude and Qwen",
        Verified(&[test(CHAT_WRITES, "models_behind_openrouter_that_want_marks_for_their_cache_get_them")]),
    ),
    (
        "openrouter",
        "Provider tools",
        Verified(&[
            test(SERVICES, "openrouter_searches_with_a_plugin_and_tells_costs"),
            test(CHAT_READS, "sources_are_kept_once_in_whatever_place_they_come"),
        ]),
    ),
];
