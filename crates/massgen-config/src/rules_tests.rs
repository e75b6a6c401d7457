use crate::backends::Backends;
use crate::finding::Severity;
use crate::judge::validate;
use crate::source::Source;

/// The findings about `text`, but for notices, as `line severity path: message (hint)`.
fn told(text: &str) -> Vec<String> {
    let findings = validate(&Source::new("config.yaml", text), Backends::built_in());
    findings
        .items()
        .iter()
        .filter(|finding| finding.severity != Severity::Notice)
        .map(|finding| {
            let line = finding.span().map_or(0, |span| span.line);
            let hint = finding.hint.as_deref().unwrap_or("no hint");
            format!("{line} {} {}: {} ({hint})", finding.severity, finding.path, finding.message)
        })
        .collect()
}

/// The same for one agent with this backend.
fn backend(text: &str) -> Vec<String> {
    told(&format!("agent:\n  id: a\n  backend: {{{text}}}\n"))
}

/// The same for a team of simulated agents with these settings in `orchestrator`.
fn orchestrator(agents: usize, text: &str) -> Vec<String> {
    let agents: Vec<_> = (0..agents).map(|i| format!("{{id: a{i}, backend: {{type: simulated}}}}")).collect();
    told(&format!("agents: [{}]\norchestrator: {{{text}}}\n", agents.join(", ")))
}

#[test]
fn what_a_type_cannot_do_is_refused() {
    for (text, message) in [
        ("type: groq, enable_web_search: true", "the type `groq` has no web search"),
        ("type: claude, enable_x_search: true", "the type `claude` has no search on X"),
        ("type: copilot, enable_code_execution: true", "the type `copilot` has no code execution"),
        ("type: openai, enable_programmatic_flow: true", "the type `openai` has no calls of tools from code"),
        ("type: gemini, enable_tool_search: true", "the type `gemini` has no search for tools"),
        (
            "type: ag2, agent_config: {}, mcp_servers: [{name: x, command: npx}]",
            "the type `ag2` has no MCP servers",
        ),
    ] {
        let told = backend(text);
        assert!(told.len() == 1 && told[0].contains(message), "{text}: {told:?}");
    }
    for text in [
        "type: groq, enable_web_search: false",
        "type: grok, enable_x_search: true, enable_web_search: true, enable_code_execution: true",
        "type: claude, enable_programmatic_flow: true, enable_tool_search: true",
        "type: ag2, agent_config: {}, mcp_servers: []",
        "type: simulated, enable_x_search: true",
        "type: groq, enable_web_search: '${SEARCH}'",
    ] {
        assert_eq!(backend(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_a_type_needs_must_be_there() {
    for (text, wanted) in [
        (
            "type: codex",
            "3 error agent.backend.cwd: the type `codex` needs a `cwd` (for example `cwd: workspace`)",
        ),
        (
            "type: codex, cwd: w, command_line_execution_mode: docker",
            "3 error agent.backend.command_line_docker_network_mode: the type `codex` in a container must say how it \
             reaches the network (for example `command_line_docker_network_mode: bridge`)",
        ),
        (
            "type: grok, extra_body: {search_parameters: {mode: auto}}",
            "3 error agent.backend.extra_body.search_parameters: `search_parameters` is a way to search that xAI no \
             longer offers (use `enable_web_search: true` or `enable_x_search: true`)",
        ),
        (
            "type: openrouter",
            "3 error agent.backend.model: the type `openrouter` has no default model (write `model:` with a name that \
             the service knows)",
        ),
        (
            "type: simulated, cwd: ../other",
            "3 error agent.backend.cwd: `cwd` leads out of the folder of workspaces (write a name such as \
             `workspace`; for real directories use `context_paths`)",
        ),
        (
            "type: claude_code, cwd: w, permission_mode: yolo",
            "3 error agent.backend.permission_mode: `permission_mode` must be `default`, `acceptEdits`, \
             `bypassPermissions` or `plan`, not the text `yolo` (it is one of `default`, `acceptEdits`, \
             `bypassPermissions` or `plan`)",
        ),
    ] {
        assert_eq!(backend(text), [wanted], "{text}");
    }
    assert_eq!(
        backend(
            "type: codex, cwd: w, command_line_execution_mode: docker, command_line_docker_network_mode: none"
        ),
        [""; 0]
    );
    assert_eq!(backend("type: groq, command_line_execution_mode: docker"), [""; 0]);
}

#[test]
fn what_does_not_go_together_in_a_backend_is_warned_of() {
    for (text, message) in [
        (
            "type: groq, allowed_tools: [a], exclude_tools: [b]",
            "`allowed_tools` and `exclude_tools` are both given",
        ),
        ("type: claude, output_schema: {}", "`output_schema` is empty"),
        ("type: claude, output_schema: {properties: {}}", "`output_schema` does not say a `type`"),
        (
            "type: claude, enable_strict_tool_use: true, enable_programmatic_flow: true",
            "tools that are called from code cannot be strict",
        ),
    ] {
        let told = backend(text);
        assert!(
            told.len() == 1 && told[0].contains(" warning ") && told[0].contains(message),
            "{text}: {told:?}"
        );
    }
    assert_eq!(backend("type: claude, output_schema: {type: object}"), [""; 0]);
    let list = |kind: &str| backend(&format!("type: {kind}, model: m, output_schema: {{type: array}}"));
    assert!(list("groq")[0].contains("take only an `output_schema` of the type `object`"));
    assert_eq!(list("gemini"), [""; 0]);
    assert_eq!(list("ollama"), [""; 0]);
}

#[test]
fn tool_servers_are_looked_into() {
    let servers = |text: &str| backend(&format!("type: simulated, mcp_servers: {text}"));
    for (text, message) in [
        ("[{command: npx}]", "mcp_servers[0].name: the server has no `name`"),
        ("[{name: 'a b', command: npx}]", "mcp_servers[0].name: `a b` cannot be the name of a server"),
        (
            "[{name: a, command: npx}, {name: a, command: uvx}]",
            "mcp_servers[1].name: two servers have the name `a`",
        ),
        ("{'a b': {command: npx}}", "mcp_servers.a b: `a b` cannot be the name of a server"),
        ("[{name: a}]", "mcp_servers[0].command: the server has no `command` (write the program"),
        (
            "{a: {url: 'https://x/mcp'}}",
            "mcp_servers.a.command: the server has no `command` (for a server that is reached",
        ),
        ("[{name: a, type: streamable-http}]", "mcp_servers[0].url: the server has no `url`"),
        ("[{name: a, type: streamable-http, url: x/mcp}]", "mcp_servers[0].url: `url` does not begin with"),
        (
            "[{name: a, type: sse, url: 'https://x'}]",
            "mcp_servers[0].type: `type` must be `stdio` or `streamable-http`",
        ),
        (
            "[{name: a, command: npx, cwd: a/../b}]",
            "mcp_servers[0].cwd: the directory of a server cannot have `..` in it",
        ),
        (
            "[{name: a, command: npx, allowed_tools: [y], exclude_tools: [z]}]",
            "mcp_servers[0].exclude_tools: `allowed_tools` and",
        ),
        (
            "[{name: a, command: npx, security: {levle: strict}}]",
            "mcp_servers[0].security.levle: unknown key `levle`",
        ),
    ] {
        let told = servers(text);
        assert!(told.len() == 1 && told[0].contains(message), "{text}: {told:?}");
    }
    for text in [
        "[{name: a, args: [npx]}]",
        "{a: {command: npx}}",
        "[{name: a, type: streamable-http, url: '${URL}'}]",
    ] {
        assert_eq!(servers(text), [""; 0], "{text}");
    }
}

#[test]
fn hooks_are_looked_into() {
    let hooks = |text: &str| backend(&format!("type: simulated, hooks: {text}"));
    for (text, message) in [
        ("[]", "backend.hooks: `hooks` must be a map, not a list"),
        ("{PreToolUse: 3}", "hooks.PreToolUse: `PreToolUse` must be a list, each element a map, or a map"),
        ("{PreTool: []}", "hooks.PreTool: unknown key `PreTool`"),
        ("{PreToolUse: [{matcher: '*'}]}", "hooks.PreToolUse[0].handler: the hook has no `handler`"),
        (
            "{PreToolUse: [{handler: 3}]}",
            "hooks.PreToolUse[0].handler: `handler` must be a text, not the number `3`",
        ),
        ("{PreToolUse: [{handler: a.b, type: bash}]}", "hooks.PreToolUse[0].type: `type` must be `python`"),
        (
            "{PostToolUse: [{handler: a.b, timeout: 0}]}",
            "hooks.PostToolUse[0].timeout: `timeout` must be a number of seconds above 0",
        ),
        (
            "{PostToolUse: [{handler: a.b, fail_closed: 1}]}",
            "hooks.PostToolUse[0].fail_closed: `fail_closed` must be `true` or `false`",
        ),
        (
            "{PostToolUse: [{handler: a.b, macher: '*'}]}",
            "hooks.PostToolUse[0].macher: unknown key `macher` in a hook (did you mean `matcher`?)",
        ),
        (
            "{PreToolUse: {override: 1, hooks: []}}",
            "hooks.PreToolUse.override: `override` must be `true` or `false`",
        ),
        (
            "{PreToolUse: {hook: []}}",
            "hooks.PreToolUse.hook: the map around hooks has only `override` and `hooks`",
        ),
    ] {
        let told = hooks(text);
        assert!(told.len() == 1 && told[0].contains(message), "{text}: {told:?}");
    }
    for text in [
        "{PreToolUse: [{handler: a.b, matcher: 'write_*', type: python, timeout: 5, fail_closed: true}]}",
        "{PostToolUse: {override: true, hooks: [{handler: a.b}]}}",
    ] {
        assert_eq!(hooks(text), [""; 0], "{text}");
    }
}

#[test]
fn agents_of_a_team_are_held_against_each_other() {
    let team = "agents:\n  - {id: a, main_agent: true, backend: {type: simulated}}\n  - {id: b, main_agent: true, \
                backend: {type: simulated}}\n";
    assert_eq!(
        told(team),
        [
            "3 error agents[1].main_agent: more than one agent has `main_agent: true` (at most one agent owns the \
             checkpoints; the first is `agents[0]`)"
        ]
    );
    let members = |text: &str| {
        told(&format!("agent: {{id: a, backend: {{type: simulated}}, subagent_agents: {text}}}"))
    };
    assert!(
        members("[{id: x}]")[0]
            .contains("agent.subagent_agents[0].backend: the member of the team has no `backend`")
    );
    assert!(
        members("[{backend: {type: opnai}}]")[0]
            .contains("unknown backend type `opnai` (did you mean `openai`?)")
    );
    assert!(
        members("[{backend: {}}]")[0]
            .contains("agent.subagent_agents[0].backend.type: the backend has no `type`")
    );
    let twice = "[{id: x, backend: {type: gemini}}, {id: x, backend: {type: gemini}}]";
    assert!(members(twice)[0].contains("agent.subagent_agents[1].id: two members have the id `x`"));
    assert_eq!(members("[{backend: {type: gemini}}, {backend: {type: gemini}}]"), [""; 0]);
}

#[test]
fn decomposition_wants_parts_and_a_known_presenter() {
    assert_eq!(
        orchestrator(2, "coordination_mode: decomposition, presenter_agent: a"),
        [
            "2 warning orchestrator.coordination_mode: no agent has a `subtask` (give each agent its part with \
             `subtask`, or say that a model cuts the task with `task_decomposer: {enabled: true}` in \
             `orchestrator.coordination`)",
            "2 error orchestrator.presenter_agent: there is no agent `a` (did you mean `a0`?)",
        ]
    );
    assert_eq!(orchestrator(2, "coordination_mode: voting, presenter_agent: a"), [""; 0]);
    let cut = "coordination_mode: decomposition, coordination: {task_decomposer: {enabled: true}}";
    assert_eq!(orchestrator(2, cut), [""; 0]);
    let good = "agents: [{id: a, subtask: x, backend: {type: simulated}}]\norchestrator: {coordination_mode: \
                decomposition, presenter_agent: a}\n";
    assert_eq!(told(good), [""; 0]);
}

#[test]
fn settings_of_the_coordination_fit_each_other() {
    let coordination = |text: &str| orchestrator(2, &format!("coordination: {{{text}}}"));
    for (text, message) in [
        (
            "subagent_min_timeout: 900",
            "coordination.subagent_min_timeout: `subagent_min_timeout` (900) is above `subagent_max_timeout` (600)",
        ),
        (
            "subagent_max_timeout: 30",
            "coordination.subagent_max_timeout: `subagent_min_timeout` (60) is above",
        ),
        (
            "subagent_runtime_mode: inherited, subagent_runtime_fallback_mode: inherited",
            "a fallback is only for `subagent_runtime_mode: isolated`",
        ),
        (
            "enable_execution_trace_analyzer: true",
            "the analyser of traces runs beside the round evaluator, which is off",
        ),
        ("resume_from_log: {log_path: x}", "resume_from_log.round: `resume_from_log` has no `round`"),
        (
            "checklist_criteria_inline: [{category: must}]",
            "checklist_criteria_inline[0].text: the criterion has no `text`",
        ),
        ("checklist_criteria_inline: [{text: x, category: most}]", "`category` must be"),
        (
            "checklist_criteria_inline: [{text: x}], evaluation_criteria_generator: {enabled: true}",
            "criteria are written out and made by a model too",
        ),
        (
            "evaluation_criteria_generator: {min_criteria: 20}",
            "`min_criteria` (20) is above `max_criteria` (10)",
        ),
        (
            "background_subagents: {injection_strategy: shout}",
            "`injection_strategy` must be `tool_result` or `user_message`",
        ),
        ("improvements: {min_structural: -1}", "`min_structural` must be a whole number from 0"),
        ("async_subagents: {}", "`async_subagents` cannot be used here (use `background_subagents`)"),
        (
            "subagent_orchestrator: {agents: [{}]}",
            "subagent_orchestrator.agents[0].backend: the member of the team has no `backend`",
        ),
    ] {
        let told = coordination(text);
        assert!(told.iter().any(|line| line.contains(message)), "{text}: {told:?}");
        assert!(told.len() <= 1 || text.contains("category: most"), "{text}: {told:?}");
    }
    assert_eq!(
        coordination("subagent_runtime_fallback_mode: inherited, resume_from_log: {log_path: x, round: 1}"),
        [""; 0]
    );
    let eleven = ["{backend: {type: simulated}}"; 11].join(", ");
    assert!(
        coordination(&format!("subagent_orchestrator: {{agents: [{eleven}]}}"))[0]
            .contains("at most 10 can run")
    );
}

#[test]
fn the_round_evaluator_says_all_that_it_needs() {
    let on = "round_evaluator_before_checklist: true, orchestrator_managed_round_evaluator: true";
    assert_eq!(
        orchestrator(2, &format!("coordination: {{{on}, round_evaluator_skip_synthesis: true}}")),
        [
            "2 error orchestrator.coordination.round_evaluator_before_checklist: the round evaluator cannot run with these \
             settings (it needs exactly one agent, `voting_sensitivity: checklist_gated` in `orchestrator`, \
             `enable_subagents: true`, `subagent_orchestrator: {enabled: true, …}`, `round_evaluator` among \
             `subagent_types`, no `round_evaluator_skip_synthesis`)"
        ]
    );
    let good = format!(
        "voting_sensitivity: checklist_gated, coordination: {{{on}, enable_subagents: true, subagent_types: \
         [round_evaluator], subagent_orchestrator: {{enabled: true}}, enable_execution_trace_analyzer: true}}"
    );
    assert_eq!(orchestrator(1, &good), [""; 0]);
}

#[test]
fn a_gated_checklist_wants_the_document_of_changes() {
    let text = |changes| {
        format!("voting_sensitivity: checklist_gated, coordination: {{enable_changedoc: {changes}}}")
    };
    assert!(orchestrator(1, &text("false"))[0].contains("which is switched off"));
    assert_eq!(orchestrator(1, &text("true")), [""; 0]);
}

#[test]
fn a_context_path_needs_its_path() {
    let told = orchestrator(1, "context_paths: [{permission: write}, {path: x, permission: own}]");
    assert!(told[0].contains("context_paths[0].path: the entry has no `path`"), "{told:?}");
    assert!(
        told[1].contains("context_paths[1].permission: `permission` must be `read` or `write`"),
        "{told:?}"
    );
}
