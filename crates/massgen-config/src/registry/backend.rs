//! Keys of a backend: the model, its parameters, and what single providers offer.

use super::Effect::{Active, Refused};
use super::{COUNT, Key, MAX_U32, POSITIVE, SECONDS, SECONDS_OR_NONE, SHARE, Shape, TEXTS, feature, table};

/// How hard models think, in the words of the services: `xhigh` is OpenAI's, `max` Anthropic's, `default` Groq's.
const EFFORTS: Shape =
    Shape::Choice(&["none", "minimal", "low", "medium", "high", "xhigh", "max", "default"]);

pub(crate) const KEYS: &[Key] = table! {
    /// Kind of backend.
    "agents[].backend.type": Shape::Text, "", "openrouter", Active;
    /// Name of the model.
    "agents[].backend.model": Shape::Text, "the type's default", "llama-3.3-70b", Active;
    /// Address of the service, up to and without the path of the protocol, such as `/chat/completions`.
    "agents[].backend.base_url": Shape::Text, "the type's address", "http://localhost:8080/v1", Active;
    /// Command that prints the key, run once: a line for `sh -c`, or a program and its arguments as a list.
    "agents[].backend.api_key_command": Shape::Either(&[Shape::Text, TEXTS]), "", "pass show team/openai", Active;
    /// Variable that holds the key, as `${NAME}`, when it is not the one of the type.
    "agents[].backend.api_key": Shape::Secret, "the type's variable", "${TEAM_API_KEY}", Active;
    /// How freely the model picks words.
    "agents[].backend.temperature": Shape::Number(0.0, 2.0), "", "0.2", Active;
    /// Share of probability that words are picked from.
    "agents[].backend.top_p": SHARE, "", "0.9", Active;
    /// Number of most likely words that are picked from; -1 is all.
    "agents[].backend.top_k": Shape::Int(-1, 1_000_000), "", "40", Active;
    /// Least probability of a picked word, relative to the likeliest.
    "agents[].backend.min_p": SHARE, "", "0.05", Active;
    /// Bound on the output of one call, in tokens.
    "agents[].backend.max_tokens": POSITIVE, "the provider's", "4096", Active;
    /// Seed of the sampling; for `simulated` what decides texts and votes, by default the position of the agent.
    "agents[].backend.seed": Shape::Int(0, i64::MAX), "", "7", Active;
    /// Text or texts that end the output.
    "agents[].backend.stop": Shape::Either(&[Shape::Text, TEXTS]), "", "[END]", Active;
    /// Penalty for words that occurred at all.
    "agents[].backend.presence_penalty": Shape::Number(-2.0, 2.0), "", "0.5", Active;
    /// Penalty for words by how often they occurred.
    "agents[].backend.frequency_penalty": Shape::Number(-2.0, 2.0), "", "0.5", Active;
    /// Penalty for repeated words, as a factor (vLLM, SGLang and others).
    "agents[].backend.repetition_penalty": Shape::Number(0.0, 10.0), "", "1.1", Active;
    /// Words made likelier or rarer, by token number.
    "agents[].backend.logit_bias": Shape::Open, "", "{\"50256\": -100}", Active;
    /// Whether a reply may call several tools.
    "agents[].backend.parallel_tool_calls": Shape::Bool, "the provider's", "false", Active;
    /// How hard the model thinks.
    "agents[].backend.reasoning_effort": EFFORTS, "the provider's", "low", Active;
    /// Reasoning settings.
    "agents[].backend.reasoning": Shape::Either(&[Shape::Section, Shape::Bool]), "", "{effort: low}", Active;
    /// How hard the model thinks.
    "agents[].backend.reasoning.effort": EFFORTS, "the provider's", "high", Active;
    /// Bound on the thinking, in tokens (OpenRouter).
    "agents[].backend.reasoning.max_tokens": POSITIVE, "", "2000", Active;
    /// Keeps the thinking out of the reply (OpenRouter).
    "agents[].backend.reasoning.exclude": Shape::Bool, "", "true", Active;
    /// Switches thinking on or off (OpenRouter).
    "agents[].backend.reasoning.enabled": Shape::Bool, "", "true", Active;
    /// Kind of summary of the thinking.
    "agents[].backend.reasoning.summary": Shape::Text, "", "auto", Active;
    /// Kind of thinking (Claude).
    "agents[].backend.reasoning.type": Shape::Choice(&["adaptive", "enabled", "disabled"]), "", "adaptive", Active;
    /// Bound on the thinking, in tokens (Claude).
    "agents[].backend.reasoning.budget_tokens": POSITIVE, "", "2000", Active;
    /// Settings of the text output.
    "agents[].backend.text": Shape::Section, "", "{verbosity: low}", Active;
    /// How long the answers are.
    "agents[].backend.text.verbosity": Shape::Text, "the provider's", "low", Active;
    /// Form of the text, such as a JSON schema (OpenAI).
    "agents[].backend.text.format": Shape::Open, "", "{type: json_object}", Active;
    /// How long the answers are.
    "agents[].backend.verbosity": Shape::Text, "the provider's", "low", Active;
    /// Processing class (OpenAI).
    "agents[].backend.service_tier": Shape::Text, "the provider's", "flex", Active;
    /// Arguments of the chat template (vLLM, SGLang).
    "agents[].backend.chat_template_kwargs": Shape::Open, "", "{enable_thinking: false}", Active;
    /// Whether thinking comes apart from the text (SGLang).
    "agents[].backend.separate_reasoning": Shape::Bool, "the provider's", "true", Active;
    /// Fields put into the request as they are, for what has no key here.
    "agents[].backend.extra_body": Shape::Open, "{}", "{provider: {sort: price}}", Active;
    /// Further headers of every request; keys in them only as `${NAME}`.
    "agents[].backend.extra_headers": Shape::Headers, "{}", "{X-Title: My team}", Active;
    /// Time from the request to the first part of the reply (`simulated`).
    "agents[].backend.latency_ms": Shape::Int(0, 3_600_000), "300", "50", Active;
    /// Speed of the reply; 0 is at once (`simulated`).
    "agents[].backend.tokens_per_second": Shape::Int(0, 1_000_000), "200", "1000", Active;
    /// File that scripts the replies (`simulated`).
    "agents[].backend.script": Shape::Text, "", "script.yaml", Active;
    /// System text.
    "agents[].backend.system_prompt": Shape::Any, "", "text", Refused { use_instead: "`system_message` of the agent" };
    /// Text behind the system text.
    "agents[].backend.append_system_prompt": Shape::Any, "", "text", Refused { use_instead: "`system_message` of the agent" };
    /// Label of the provider in summaries.
    "agents[].backend.provider_name": Shape::Text, "", "My gateway", feature::PROVIDER_API;
    /// Whether requests keep to a rate: `true` adds the limits that are known (Gemini) to those of `rate_limits`.
    "agents[].backend.enable_rate_limit": Shape::Bool, "what `rate_limits` names", "false", Active;
    /// Time of a call with its repeats, without waits for a rate limit; no request is sent after it.
    "agents[].backend.call_timeout_seconds": SECONDS, "600", "120", Active;
    /// Longest silence of a service. A server of your own may be silent for the whole call before its reply begins.
    "agents[].backend.idle_timeout_seconds": SECONDS, "120", "300", Active;
    /// Whether calls to a service stop for a while, for all agents, after repeated failures.
    "agents[].backend.llm_circuit_breaker_enabled": Shape::Bool, "false", "true", Active;
    /// Failures in a row before calls stop.
    "agents[].backend.llm_circuit_breaker_max_failures": POSITIVE, "5", "3", Active;
    /// How long calls stop; then one tries the service.
    "agents[].backend.llm_circuit_breaker_reset_time_seconds": SECONDS, "60", "30", Active;
    /// Factor between two stops in a row, and between two waits of a call.
    "agents[].backend.llm_circuit_breaker_backoff_multiplier": Shape::Number(1.0, 100.0), "2.0", "3.0", Active;
    /// Longest stop, and longest wait of a call.
    "agents[].backend.llm_circuit_breaker_max_backoff_seconds": SECONDS, "300", "60", Active;
    /// Longest `Retry-After` that a call waits for; a longer one stops all calls for that time.
    "agents[].backend.llm_circuit_breaker_retry_after_threshold_seconds": SECONDS, "120", "60", Active;
    /// Status codes that are tried again and count as failures; others that are always tried again do not count.
    "agents[].backend.llm_circuit_breaker_retryable_status_codes": Shape::List(&Shape::Int(400, 599)), "[500, 502, 503, 529]", "[503]", Active;
    /// Wait before replies, to test displays.
    "agents[].backend.debug_delay_seconds": SECONDS_OR_NONE, "0", "1", feature::DEBUG;
    /// Tool calls after which the wait begins.
    "agents[].backend.debug_delay_after_n_tools": COUNT, "3", "1", feature::DEBUG;
};

pub(crate) const PROVIDER_KEYS: &[Key] = table! {
    /// The provider's own web search.
    "agents[].backend.enable_web_search": Shape::Bool, "false", "true", Active;
    /// The provider's own code interpreter (OpenAI).
    "agents[].backend.enable_code_interpreter": Shape::Bool, "false", "true", Active;
    /// The provider's own code execution (Claude, Gemini, Grok).
    "agents[].backend.enable_code_execution": Shape::Bool, "false", "true", Active;
    /// Search in posts on X (Grok).
    "agents[].backend.enable_x_search": Shape::Bool, "false", "true", Active;
    /// The provider's own computer use (OpenAI).
    "agents[].backend.enable_computer_use": Shape::Bool, "false", "true", feature::PROVIDER_TOOLS;
    /// Calls of tools from code (Claude).
    "agents[].backend.enable_programmatic_flow": Shape::Bool, "false", "true", feature::PROVIDER_TOOLS;
    /// Tools are found by search (Claude).
    "agents[].backend.enable_tool_search": Shape::Bool, "false", "true", feature::PROVIDER_TOOLS;
    /// How tools are searched (Claude).
    "agents[].backend.tool_search_variant": Shape::Choice(&["regex", "bm25"]), "regex", "bm25", feature::PROVIDER_TOOLS;
    /// Tool arguments keep to their schema (Claude).
    "agents[].backend.enable_strict_tool_use": Shape::Bool, "false", "true", Active;
    /// One tool call per reply (Claude).
    "agents[].backend.disable_parallel_tool_use": Shape::Bool, "false", "true", Active;
    /// Beta features by name (Claude).
    "agents[].backend.betas": TEXTS, "[]", "[files-api-2025-04-14]", Active;
    /// JSON schema that the final answer follows, whichever model of the agent writes it.
    "agents[].backend.output_schema": Shape::Open, "", "{type: object, properties: {city: {type: string}}}", Active;
    /// Thinking settings (Claude, Gemini).
    "agents[].backend.thinking": Shape::Any, "", "{type: adaptive}", Active;
    /// Thinking settings (Gemini).
    "agents[].backend.thinking_config": Shape::Any, "", "{include_thoughts: true}", Active;
    /// Whether thoughts come with the reply (Gemini).
    "agents[].backend.include_thoughts": Shape::Bool, "", "true", Active;
    /// When tools are called (Gemini).
    "agents[].backend.function_calling_mode": Shape::Choice(&["AUTO", "ANY", "NONE"]), "AUTO", "ANY", Active;
    /// Safety settings (Gemini).
    "agents[].backend.safety_settings": Shape::Any, "", "[{category: HARM_CATEGORY_HARASSMENT}]", Active;
    /// Attempts of a call (Gemini).
    "agents[].backend.gemini_backoff_max_attempts": POSITIVE, "5", "3", Active;
    /// First wait between attempts (Gemini).
    "agents[].backend.gemini_backoff_initial_delay": SECONDS_OR_NONE, "2.0", "1.0", Active;
    /// Factor between two waits (Gemini).
    "agents[].backend.gemini_backoff_multiplier": Shape::Number(1.0, 100.0), "3.0", "2.0", Active;
    /// Longest wait (Gemini).
    "agents[].backend.gemini_backoff_max_delay": SECONDS, "60", "30", Active;
    /// Random part of a wait (Gemini).
    "agents[].backend.gemini_backoff_jitter": SHARE, "0.2", "0.1", Active;
    /// Whether requests run in the background (OpenAI).
    "agents[].backend.background": Shape::Bool, "false", "true", feature::PROVIDER_API;
    /// Organisation that pays (OpenAI).
    "agents[].backend.organization": Shape::Text, "", "org-1", Active;
    /// Transport over a WebSocket (OpenAI).
    "agents[].backend.websocket_mode": Shape::Bool, "false", "true", feature::PROVIDER_API;
    /// Address of the resource (Azure).
    "agents[].backend.azure_endpoint": Shape::Text, "", "${AZURE_OPENAI_ENDPOINT}", Active;
    /// Region of the service (Bedrock).
    "agents[].backend.region": Shape::Text, "the variable `AWS_REGION`", "us-east-1", Active;
    /// Version of the interface (Azure).
    "agents[].backend.api_version": Shape::Text, "2024-12-01-preview", "2025-03-01-preview", Active;
    /// Search engine of the web plugin (OpenRouter).
    "agents[].backend.engine": Shape::Choice(&["exa", "native"]), "exa", "native", Active;
    /// Results of one web search (OpenRouter).
    "agents[].backend.max_results": POSITIVE, "5", "3", Active;
    /// Text that goes with search results (OpenRouter).
    "agents[].backend.search_prompt": Shape::Text, "", "Recent results follow.", Active;
    /// How much of the results is read (OpenRouter).
    "agents[].backend.search_context_size": Shape::Choice(&["low", "medium", "high"]), "", "low", Active;
    /// Effort of the Codex program.
    "agents[].backend.model_reasoning_effort": Shape::Text, "high", "medium", feature::CLI_AGENTS;
    /// What an agent program may do unasked.
    "agents[].backend.permission_mode": Shape::Choice(&["default", "acceptEdits", "bypassPermissions", "plan"]), "acceptEdits", "plan", feature::CLI_AGENTS;
    /// What an agent program may do unasked.
    "agents[].backend.approval_mode": Shape::Text, "", "full-auto", feature::CLI_AGENTS;
    /// What an agent program may do unasked.
    "agents[].backend.permission_policy": Shape::Text, "", "approve", feature::CLI_AGENTS;
    /// Tools that an agent program must not use.
    "agents[].backend.disallowed_tools": TEXTS, "[]", "[WebFetch]", feature::CLI_AGENTS;
    /// Bound on thinking of the Claude program.
    "agents[].backend.max_thinking_tokens": POSITIVE, "", "8000", feature::CLI_AGENTS;
    /// Settings files that the Claude program reads.
    "agents[].backend.setting_sources": TEXTS, "[]", "[project]", feature::CLI_AGENTS;
    /// Whether the Claude program keeps its own system text.
    "agents[].backend.use_default_prompt": Shape::Bool, "false", "true", feature::CLI_AGENTS;
    /// Whether a running agent program can be interrupted with news.
    "agents[].backend.enable_interrupt_resume": Shape::Bool, "true", "false", feature::CLI_AGENTS;
    /// How often news are looked for.
    "agents[].backend.interrupt_poll_seconds": SECONDS, "2.0", "5", feature::CLI_AGENTS;
    /// Interruptions of one turn.
    "agents[].backend.max_interrupts_per_turn": COUNT, "25", "5", feature::CLI_AGENTS;
    /// Whether the Antigravity program may update itself.
    "agents[].backend.disable_auto_update": Shape::Bool, "true", "false", feature::CLI_AGENTS;
    /// Whether the start-up check of the Antigravity program is left out.
    "agents[].backend.skip_health_check": Shape::Bool, "false", "true", feature::CLI_AGENTS;
    /// How the system text reaches Copilot.
    "agents[].backend.system_message_mode": Shape::Text, "", "append", feature::CLI_AGENTS;
    /// How long Copilot may take to accept a message.
    "agents[].backend.session_send_timeout_seconds": SECONDS, "60", "120", feature::CLI_AGENTS;
    /// Agent of the AG2 framework.
    "agents[].backend.agent_config": Shape::Open, "", "{type: assistant}", feature::FRAMEWORKS;
    /// Group of agents of the AG2 framework.
    "agents[].backend.group_config": Shape::Open, "", "{max_rounds: 5}", feature::FRAMEWORKS;
    /// Images can be made.
    "agents[].backend.enable_image_generation": Shape::Bool, "false", "true", feature::MEDIA;
    /// Audio can be made.
    "agents[].backend.enable_audio_generation": Shape::Bool, "false", "true", feature::MEDIA;
    /// Video can be made.
    "agents[].backend.enable_video_generation": Shape::Bool, "false", "true", feature::MEDIA;
    /// Files can be made.
    "agents[].backend.enable_file_generation": Shape::Bool, "false", "true", feature::MEDIA;
    /// Media tools for this agent.
    "agents[].backend.enable_multimodal_tools": Shape::Bool, "the orchestrator's", "true", feature::MEDIA;
    /// Provider and model per medium.
    "agents[].backend.multimodal_config": Shape::Open, "{}", "{image: {backend: openai}}", feature::MEDIA;
    /// Provider of images.
    "agents[].backend.image_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of images.
    "agents[].backend.image_generation_model": Shape::Text, "", "gpt-image-1", feature::MEDIA;
    /// Provider of video.
    "agents[].backend.video_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of video.
    "agents[].backend.video_generation_model": Shape::Text, "", "sora-2", feature::MEDIA;
    /// Provider of audio.
    "agents[].backend.audio_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of audio.
    "agents[].backend.audio_generation_model": Shape::Text, "", "gpt-4o-mini-tts", feature::MEDIA;
    /// Files that go with the question, inside of the requests: nothing is uploaded that would have to be removed.
    "agents[].backend.upload_files": Shape::Sections, "[]", "[{image_path: chart.png}]", Active;
    /// Path or address of an image: png, jpg, gif or webp.
    "agents[].backend.upload_files[].image_path": Shape::Text, "", "chart.png", Active;
    /// Path or address of a sound: wav or mp3.
    "agents[].backend.upload_files[].audio_path": Shape::Text, "", "interview.mp3", Active;
    /// Path or address of a video: mp4, mov, webm, mpeg, avi or mkv.
    "agents[].backend.upload_files[].video_path": Shape::Text, "", "clip.mp4", Active;
    /// Path or address of a document: text of any kind, such as md, csv or py, or pdf, doc, docx or pptx.
    "agents[].backend.upload_files[].file_path": Shape::Text, "", "paper.pdf", Active;
    /// Largest file that goes with the question, in megabytes; a text is at most 1.
    "agents[].backend.media_max_file_size_mb": Shape::Int(1, MAX_U32), "64", "10", Active;
};
