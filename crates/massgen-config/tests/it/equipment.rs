//! What agents may work with, and where.

use std::path::Path;

use massgen_config::{Loaded, Settings, Severity, Style, There, render};
use massgen_protocol::spec::AgentSpec;
use massgen_protocol::tooling::{
    CommandNetwork, CommandPlace, CustomSource, FileTools, HookHandler, Programs, ServerTransport,
};
use massgen_protocol::workspace::{Access, Isolation};
use serde_json::json;

use crate::{load_text, load_with, told};

fn loaded(text: &str) -> Loaded {
    let environment = [("HOME", "/home/me"), ("SITE", "site"), ("SEARCH_TOKEN", "set")];
    load_with(text, &Settings::default(), &environment)
        .unwrap_or_else(|findings| panic!("{text}: {:?}", told(&findings)))
}

/// The only agent, a simulated one with these keys in its backend and `rest` at the top level.
fn agent(backend: &str, rest: &str) -> AgentSpec {
    let text = format!("agent: {{id: a, backend: {{type: simulated, {backend}}}}}\n{rest}\n");
    loaded(&text).draft.agents.remove(0)
}

/// What is told about such an agent.
fn findings(backend: &str) -> Vec<String> {
    let text = format!("agent: {{id: a, backend: {{type: simulated, {backend}}}}}");
    match load_text(&text) {
        Ok(loaded) => told(&loaded.findings),
        Err(findings) => told(&findings),
    }
}

const RICH: &str = r#"agents:
  - id: builder
    backend:
      type: simulated
      cwd: ${SITE}/workspace1
      context_paths:
        - {path: src, permission: read}
        - {path: ~/notes, protected_paths: [keep, ./sub/../old]}
      enforce_read_before_delete: false
      enable_mcp_command_line: true
      command_line_network: allowlist
      command_line_srt_network_allowed_domains: [Example.org, "*.crates.io:443"]
      command_line_srt_allow_read: [~/.cargo, vendor]
      command_line_srt_deny_read: [/etc/shadow]
      command_line_srt_allow_unix_sockets: [/run/x.sock]
      command_line_srt_read_mode: strict
      command_line_allowed_commands: ["cargo (build|test).*"]
      command_line_blocked_commands: ["rm .*"]
      mcp_servers:
        - name: search
          command: npx -y 'search server'
          args: [--root, "${cwd}/found", 3]
          env: {TOKEN: "${SEARCH_TOKEN}", DEPTH: 2, QUIET: true}
          cwd: tools
          timeout: 30
          exclude_tools: [forget]
          security: {level: moderate, allowed_executables: [npx], env: {mode: allowlist, allowed_vars: [HOME]}}
        - name: maps
          type: streamable-http
          url: https://maps.example.org/mcp
          headers: {Authorization: "Bearer ${SEARCH_TOKEN}"}
          http_read_timeout: 12.5
          allowed_tools: []
      custom_tools:
        - {path: tools.py, function: [add, sub], name: [plus, minus], description: Numbers, preset_args: {base: 10}}
        - {name: weather, command: [./weather, --json], schema: {type: object, properties: {city: {type: string}}}}
      allowed_tools: [plus, weather]
      hooks:
        PreToolUse: [{handler: checks.before, matcher: "write_*|edit_*", timeout: 2.5, fail_closed: true}]
        PostToolUse: [{type: command, handler: "./log.sh --all"}]
      permissions:
        role: read-write
        rules: {allow: ["read_file(./**)"], ask: ["read_url(*)"], deny: ["command(rm *)"]}
        automation_default: deny-all
        approval_mode: file
        persist_approvals: false
        max_consecutive_auto: 7
      max_concurrent_tools: 4
  - id: tester
    backend:
      type: simulated
      cwd: workspace2
      enable_mcp_command_line: true
      command_line_execution_mode: docker
      command_line_docker_engine: podman
      command_line_docker_enable_sudo: true
      command_line_docker_network_mode: bridge
      command_line_docker_memory_limit: 2g
      command_line_docker_cpu_limit: 1.5
      command_line_docker_credentials:
        env_file: .env
        env_vars: [GITHUB_TOKEN]
        mount: [git_config]
        additional_mounts: {~/data: {bind: /data, mode: rw}}
      command_line_docker_packages: {preinstall: {python: [numpy], system: [graphviz]}}
      exclude_file_operation_mcps: true
      concurrent_tool_execution: false
      hooks:
        PreToolUse: {override: true, hooks: [{handler: scripts/own.py}]}
orchestrator:
  context_paths:
    - {path: src, permission: write, protected_paths: [.git]}
  agent_temporary_workspace: peers
  coordination:
    write_mode: worktree
    drift_conflict_policy: fail
    enable_agent_task_planning: true
hooks:
  PreToolUse: [{handler: global.before}]
prompt: why?
"#;

#[test]
fn everything_that_is_written_stands_in_the_specification() {
    let loaded = loaded(RICH);
    assert!(loaded.findings.is_empty(), "{:?}", told(&loaded.findings));
    let agents: Vec<_> = loaded
        .draft
        .agents
        .iter()
        .map(|agent| json!({ "id": agent.id, "workspace": agent.workspace, "tooling": agent.tooling }))
        .collect();
    insta::assert_json_snapshot!("rich_team", agents);
    // What was written is what an older program and a later one read.
    for agent in &loaded.draft.agents {
        let text = serde_json::to_string(agent).unwrap();
        assert_eq!(serde_json::from_str::<AgentSpec>(&text).unwrap(), *agent);
    }
}

#[test]
fn agents_without_a_word_about_tools_have_none() {
    let agent = agent("seed: 1", "");
    assert!(agent.workspace.is_none() && agent.tooling.is_nothing());
}

#[test]
fn who_sees_files_or_runs_commands_has_a_workspace_without_asking() {
    for (backend, rest) in [
        ("context_paths: [{path: src}]", ""),
        ("enable_mcp_command_line: true", ""),
        ("seed: 1", "orchestrator: {context_paths: [{path: src}]}"),
    ] {
        let workspace = agent(backend, rest).workspace.unwrap();
        assert!(
            workspace.folder.starts_with("/project/.massgen/workspaces/workspace_"),
            "{backend}: {}",
            workspace.folder
        );
        assert_eq!(
            (workspace.isolation, workspace.contexts.len()),
            (Isolation::Auto, usize::from(!backend.starts_with("enable")))
        );
    }
}

#[test]
fn agents_with_the_same_cwd_have_folders_of_their_own_that_say_nothing_of_their_order() {
    let text = "agents:\n  - {id: a, backend: {type: simulated, cwd: workspace1}}\n  - {id: b, backend: {type: simulated, cwd: workspace2}}\n";
    let agents = loaded(text).draft.agents;
    let spaces: Vec<_> = agents.iter().map(|agent| agent.workspace.as_deref().unwrap()).collect();
    assert_ne!(spaces[0].folder, spaces[1].folder);
    assert_ne!(spaces[0].peers, spaces[1].peers);
    for space in spaces {
        let name = Path::new(&space.folder).file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("workspace_") && name.len() == "workspace_".len() + 8, "{name}");
        assert!(space.peers.starts_with("/project/.massgen/temp_workspaces/"), "{}", space.peers);
    }
}

#[test]
fn the_final_workspace_stands_for_cwd_in_what_servers_get() {
    let agent = agent("mcp_servers: {x: {command: c, args: ['${cwd}/a'], env: {D: '${cwd}'}}}, cwd: ~/w", "");
    let folder = agent.workspace.unwrap().folder;
    assert!(folder.starts_with("/home/me/w_"), "{folder}");
    let ServerTransport::Stdio { command, environment, .. } = &agent.tooling.servers[0].transport else {
        panic!("a program");
    };
    assert_eq!(command[1], format!("{folder}/a"));
    assert_eq!(environment["D"], folder);
}

#[test]
fn a_writable_path_inside_of_another_adds_nothing_but_what_it_protects() {
    let workspace = agent(
        "context_paths: [{path: a/deep/b.txt, permission: write}, {path: a/deep, permission: write, protected_paths: [x]}]",
        "orchestrator: {context_paths: [{path: a, permission: write, protected_paths: [y]}, {path: a/seen}, {path: ab, permission: write}]}",
    )
    .workspace
    .unwrap();
    let read: Vec<_> =
        workspace.contexts.iter().map(|c| (c.path.as_str(), c.access, c.protected.join(","))).collect();
    assert_eq!(
        read,
        [
            ("/project/a", Access::Write, "y,deep/x".to_owned()),
            ("/project/a/seen", Access::Read, String::new()),
            ("/project/ab", Access::Write, String::new()),
        ]
    );
}

#[test]
fn writing_wins_where_a_path_is_named_twice() {
    let workspace = agent(
        "context_paths: [{path: a, permission: write, protected_paths: [x]}, {path: b}]",
        "orchestrator: {context_paths: [{path: ./a, protected_paths: [y]}, {path: b/../c}]}",
    )
    .workspace
    .unwrap();
    let read: Vec<_> =
        workspace.contexts.iter().map(|c| (c.path.as_str(), c.access, c.protected.join(","))).collect();
    assert_eq!(
        read,
        [
            ("/project/a", Access::Write, "y,x".to_owned()),
            ("/project/c", Access::Read, String::new()),
            ("/project/b", Access::Read, String::new()),
        ]
    );
}

#[test]
fn commands_run_confined_unless_it_is_said_in_so_many_words() {
    let place = |backend: &str| {
        agent(&format!("enable_mcp_command_line: true, {backend}"), "").tooling.commands.unwrap().place
    };
    for mode in ["local", "srt", "sandbox"] {
        let place = place(&format!("command_line_execution_mode: {mode}"));
        let CommandPlace::Sandbox(sandbox) = place else { panic!("{mode}") };
        assert_eq!(sandbox.network, CommandNetwork::None, "{mode}");
    }
    assert_eq!(place("unsandboxed: true"), CommandPlace::Unconfined);
    assert_eq!(
        findings("enable_mcp_command_line: true, unsandboxed: true"),
        ["1 notice: commands of this agent run with all your rights"]
    );
    let CommandPlace::Sandbox(sandbox) = place("command_line_srt_network_allowed_domains: [a.org]") else {
        panic!("a sandbox")
    };
    assert_eq!(sandbox.network, CommandNetwork::Allowlist { hosts: vec!["a.org".to_owned()] });
    let CommandPlace::Sandbox(sandbox) = place("command_line_network: full") else { panic!("a sandbox") };
    assert_eq!(sandbox.network, CommandNetwork::Full);
    assert!(agent("enable_mcp_command_line: false", "").tooling.commands.is_none());
}

#[test]
fn the_sandbox_is_lifted_for_tool_servers_and_custom_tools_as_for_commands() {
    const ON: &str = "enable_mcp_command_line: true";
    const DOCKER: &str = "command_line_execution_mode: docker";
    const SERVER: &str = "mcp_servers: {x: {command: npx}}";
    const SERVICE: &str = "mcp_servers: {x: {type: streamable-http, url: 'https://example.org/mcp'}}";
    const TOOL: &str = "custom_tools: [{name: w, command: ./w}]";
    let programs = |backend: &str| agent(&format!("{backend}, unsandboxed: true"), "").tooling.programs;
    let told = |backend: &str| findings(&format!("{backend}, unsandboxed: true"));
    let says = |who: &str| vec![format!("1 notice: {who} of this agent run with all your rights")];
    for tools in [SERVER, TOOL] {
        assert_eq!(programs(tools), Programs::Unconfined, "{tools}");
        assert_eq!(told(tools), says("tool servers and custom tools"), "{tools}");
        assert_eq!(agent(tools, "").tooling.programs, Programs::Confined, "{tools}");
    }
    let both = format!("{ON}, {SERVER}");
    assert_eq!(programs(&both), Programs::Unconfined);
    assert_eq!(told(&both), says("commands, tool servers and custom tools"));
    // Commands stay in their container.
    let apart = format!("{ON}, {DOCKER}, {TOOL}");
    assert_eq!(programs(&apart), Programs::Unconfined);
    assert_eq!(told(&apart), says("tool servers and custom tools"));
    let commands = agent(&format!("{apart}, unsandboxed: true"), "").tooling.commands.unwrap();
    assert!(matches!(commands.place, CommandPlace::Container(_)), "{commands:?}");
    // What starts no program has nothing to lift.
    for nothing in [SERVICE, "hooks: {PreToolUse: [{handler: a.b}]}", "cwd: work"] {
        assert_eq!(programs(nothing), Programs::Confined, "{nothing}");
        assert_eq!(
            told(nothing),
            ["1 notice: without effect: `unsandboxed`; the agent runs no commands"],
            "{nothing}"
        );
    }
}

#[test]
fn hooks_of_all_agents_come_first_unless_an_agent_wants_only_its_own() {
    let global = "hooks: {PreToolUse: {hooks: [{handler: all.first}]}, PostToolUse: [{handler: all.last}]}";
    let names = |hooks: &[massgen_protocol::tooling::Hook]| -> Vec<String> {
        let name = |hook: &massgen_protocol::tooling::Hook| match &hook.handler {
            HookHandler::Python { function, .. } => function.clone(),
            HookHandler::Command { command } => command.join(" "),
        };
        hooks.iter().map(name).collect()
    };
    let own = agent("hooks: {PreToolUse: [{handler: own.one}, {handler: bin/x.py}]}", global).tooling.hooks;
    assert_eq!(names(&own.before), ["all.first", "own.one", "python3 /project/bin/x.py"]);
    assert_eq!(names(&own.after), ["all.last"]);
    let alone = agent("hooks: {PreToolUse: {override: true, hooks: []}}", global).tooling.hooks;
    assert!(alone.before.is_empty());
    assert_eq!(names(&alone.after), ["all.last"]);
}

#[test]
fn lists_of_custom_tools_are_read_side_by_side_and_what_is_no_list_counts_for_all() {
    let tools = agent(
        "custom_tools: [{func: [f, g], path: t.py, preset_args: [{a: 1}, '{\"b\": 2}'], category: c}, {function: h, path: u.py}, {function: m, path: pk.m}], \
         exclude_file_operation_mcps: true",
        "",
    )
    .tooling;
    assert_eq!(tools.files, FileTools::WritersOnly);
    let read: Vec<_> = tools
        .custom
        .iter()
        .map(|tool| match &tool.source {
            CustomSource::Python { path, function } => {
                (path.as_str(), function.as_str(), serde_json::to_string(&tool.preset).unwrap())
            }
            CustomSource::Program { .. } => panic!("a function"),
        })
        .collect();
    assert_eq!(
        read,
        [
            ("/project/t.py", "f", r#"{"a":1}"#.to_owned()),
            ("/project/t.py", "g", r#"{"b":2}"#.to_owned()),
            ("/project/u.py", "h", "{}".to_owned()),
            ("/project/pk/m.py", "m", "{}".to_owned()),
        ]
    );
}

#[test]
fn memory_files_are_kept_by_agents_with_a_workspace() {
    let team = |key: &str, first: &str| {
        let text = format!(
            "agents:\n  - {{id: a, backend: {{type: simulated{first}}}}}\n  - {{id: b, backend: {{type: simulated, cwd: b}}}}\n\
             orchestrator: {{coordination: {{{key}}}}}\n"
        );
        let loaded = loaded(&text);
        (loaded.draft.memories.is_some(), told(&loaded.findings))
    };
    let on = "enable_memory_filesystem_mode: true";
    assert_eq!(team(on, ", cwd: a"), (true, Vec::new()));
    let unshared =
        "2 notice: agent `a` has no workspace: it reads the answers of the others, and not their files";
    for off in ["enable_memory_filesystem_mode: false", "write_mode: auto"] {
        assert_eq!(team(off, ""), (false, vec![unshared.to_owned()]));
    }
    let (is_on, told) = team(on, "");
    assert!(is_on && told.len() == 1, "{told:?}");
    assert!(told[0].contains("agent `a` has no workspace, so no memory files either"), "{told:?}");
}

#[test]
fn rules_that_are_switched_off_are_none() {
    assert!(agent("permissions: {enabled: false, role: read-only}", "").tooling.permissions.is_none());
    assert!(agent("permissions: {role: read-only}", "").tooling.permissions.is_some());
}

#[test]
fn a_protected_path_that_looks_like_a_pattern_is_told() {
    let protected = |path: &str| {
        findings(&format!("context_paths: [{{path: src, permission: write, protected_paths: ['{path}']}}]"))
    };
    assert_eq!(protected("kept/a.txt"), Vec::<String>::new());
    let told = protected("kept/*");
    assert_eq!(told, ["1 warning: `kept/*` is taken as a name: patterns are not known here"]);
}

#[test]
fn rules_for_paths_that_programs_are_not_held_to_are_told_where_there_are_programs() {
    let rules =
        "permissions: {rules: {deny: ['read_file(*secret*)', 'read_file(keys/**)', 'command(rm *)']}}";
    assert_eq!(findings(rules), Vec::<String>::new());
    assert_eq!(
        findings(&format!("enable_mcp_command_line: true, {rules}")),
        ["1 notice: commands and other programs of this agent are not held to `read_file(*secret*)`"]
    );
}

const WRONG: &str = r#"agents:
  - id: a
    backend:
      type: simulated
      cwd: ../up
      context_paths:
        - {permission: write}
        - {path: src, protected_paths: [../other, /project/src]}
      enable_mcp_command_line: true
      unsandboxed: true
      command_line_network: none
      command_line_allowed_commands: ["git (", "(?!x)y"]
      mcp_servers:
        - {name: one, type: sse, url: https://example.org}
        - {name: two}
        - {name: two, command: x}
        - {name: three, url: https://example.org}
        - {name: four, type: streamable-http, url: ftp://x}
        - {name: five, command: "x 'y"}
        - {name: six, command: x, env: {A: [b]}}
        - {name: seven, command: x, cwd: ../y}
        - {name: "a b", command: x}
      custom_tools:
        - {function: [f, g], name: [x], path: t.py}
        - {function: f, func: g, path: t.py}
        - {name: x}
        - {function: f}
        - {function: f g, path: t.py}
        - {function: h, path: t.py, name: "a b"}
        - {function: h, path: t.py, preset_args: 3}
        - {function: i, path: t.py, preset_args: {api_key: sk-canary-0123456789}}
        - {name: c, command: [], function: f}
        - {command: x}
        - {name: d, command: x, schema: {type: string}}
        - {function: j, path: t.py}
        - {function: j, path: t.py}
      hooks:
        PreToolUse: [{handler: nofunction}, {handler: [a, b]}, {type: command, handler: ""}]
      permissions:
        rules:
          allow: [command, "comand(x)"]
          deny: ["command(rm", "command()"]
  - id: b
    backend:
      type: simulated
      enable_mcp_command_line: true
      command_line_network: allowlist
      command_line_srt_network_allowed_domains: ["https://example.org"]
  - id: c
    backend:
      type: simulated
      enable_mcp_command_line: true
      command_line_network: full
      command_line_srt_network_allowed_domains: [example.org]
  - id: d
    backend:
      type: simulated
      enable_mcp_command_line: true
      command_line_execution_mode: docker
      unsandboxed: true
  - id: e
    backend:
      type: simulated
      enable_mcp_command_line: true
      command_line_execution_mode: docker
      command_line_srt_read_mode: open
      command_line_docker_memory_limit: much
      command_line_docker_credentials: {additional_mounts: {/a: {bind: a}, /b: {bind: /b, mode: rx}}}
      command_line_docker_packages: {preinstall: {system: [x], npn: [y]}}
  - id: f
    backend:
      type: openai
      command_line_docker_image: debian
    fallback:
      - {type: groq, cwd: w, mcp_servers: [{name: x, command: y}]}
"#;

#[test]
fn every_mistake_is_told_at_its_line_with_what_to_do() {
    let findings = load_text(WRONG).unwrap_err();
    assert!(findings.items().iter().all(|finding| finding.hint.is_some() && finding.span().is_some()));
    let plain = render(&findings, Style::Plain { width: 100 });
    assert!(!plain.contains("canary"), "{plain}");
    insta::assert_snapshot!("wrong_equipment", plain);
}

#[test]
fn what_is_not_there_is_told_and_tools_without_their_file_are_left_out() {
    let text = "agents:\n\
                - id: a\n  backend:\n    type: simulated\n    enable_mcp_command_line: true\n    command_line_execution_mode: docker\n    \
                command_line_docker_credentials: {env_file: keys.env}\n    \
                custom_tools: [{function: [f, g], path: gone.py}, {function: h, path: there.py}]\n    \
                mcp_servers: [{name: s, command: python3, args: [-u, gone_server.py]}, {name: t, command: uvx, args: [there.py]}]\n    \
                hooks: {PreToolUse: [{handler: ./gone.sh, type: command}, {handler: bin/gone.py}, {handler: module.function},\n      \
                {handler: there/not_executable.sh, type: command}, {handler: there.inner.function}]}\n\
                orchestrator: {context_paths: [{path: there}, {path: gone}]}\n";
    let mut loaded = loaded(text);
    let there = |path: &std::path::Path| {
        if path.to_string_lossy().contains("there") { There::Something } else { There::Nothing }
    };
    let findings = loaded.settle_paths(&there);
    insta::assert_snapshot!("missing_paths", render(&findings, Style::Plain { width: 100 }));
    assert_eq!(findings.count(Severity::Warning), 3);
    let servers: Vec<_> = loaded.draft.agents[0].tooling.servers.iter().map(|server| &server.name).collect();
    assert_eq!(servers, ["t"]);
    assert_eq!(loaded.draft.agents[0].tooling.custom.len(), 1);
    assert!(loaded.settle_paths(&|_| There::Program).is_empty());
}

#[test]
fn a_server_whose_program_may_not_be_started_is_told_with_the_line_that_allows_it() {
    assert_eq!(
        findings("mcp_servers: {x: {command: ./srv}}"),
        [
            "1 warning: agents do without the server `x`: its program `srv` is not among those that may be started"
        ]
    );
    let allowed = "mcp_servers: {x: {command: ./srv, security: {allowed_executables: [srv]}}}";
    assert_eq!(findings(allowed), [""; 0]);
}

#[test]
fn a_script_of_a_shell_is_no_hook_of_the_type_python() {
    let told = findings("hooks: {PreToolUse: [{handler: ./h/deny.sh}]}");
    assert_eq!(told, ["1 error: a hook of the type `python` is run by Python, and this file ends in `.sh`"]);
}

#[test]
fn programs_of_tools_and_scripts_of_hooks_must_be_there() {
    let told = |written: &str, there: There| {
        let text = format!("agents: [{{id: a, backend: {{type: simulated, {written}}}}}]");
        let found = loaded(&text).settle_paths(&|_| there);
        found.items().iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let tool = "custom_tools: [{name: weather, command: [./weather, now]}]";
    assert_eq!(
        told(tool, There::Nothing),
        ["agents do without `weather`: there is no file `/project/weather`"]
    );
    assert_eq!(told(tool, There::Something), ["`/project/weather` cannot be started: it is not executable"]);
    assert_eq!(told(tool, There::Program), [""; 0]);
    let hook = "hooks: {PreToolUse: [{type: command, handler: [sh, checks/before.sh]}]}";
    assert_eq!(told(hook, There::Nothing), ["there is no file `/project/checks/before.sh`"]);
    assert_eq!(told(hook, There::Something), [""; 0]);
    let other = "hooks: {PreToolUse: [{type: command, handler: [check, checks/before.sh]}]}";
    assert_eq!(told(other, There::Nothing), [""; 0]);
}

#[test]
fn only_what_is_surely_the_script_of_a_server_must_be_there() {
    let there = |_: &std::path::Path| There::Nothing;
    for (arguments, file) in [
        ("command: python3, args: [srv.py]", Some("/project/srv.py")),
        ("command: /usr/bin/node, args: [--no-warnings, dist/index.js]", Some("/project/dist/index.js")),
        ("command: 'bash run.sh', cwd: /own", Some("/own/run.sh")),
        ("command: python3, args: [-m, x, srv.py]", None),
        ("command: sh, args: [-c, srv.sh]", None),
        ("command: npx, args: [some/package.js]", None),
        ("command: python3, args: ['${WHERE}/srv.py']", None),
        ("command: python3, args: [server]", None),
    ] {
        let text =
            format!("agents: [{{id: a, backend: {{type: simulated, mcp_servers: {{x: {{{arguments}}}}}}}}}]");
        let found = loaded(&text).settle_paths(&there);
        let told: Vec<_> = found.items().iter().map(|finding| finding.message.clone()).collect();
        let expected =
            file.map(|file| format!("agents do without the server `x`: there is no file `{file}`"));
        assert_eq!(told, Vec::from_iter(expected), "{arguments}");
    }
}

#[test]
fn a_team_is_judged_without_looking_at_the_machine() {
    let source = massgen_config::Source::new("config.yaml", RICH);
    let findings = massgen_config::validate(&source, massgen_config::backends::Backends::built_in());
    assert!(findings.is_empty(), "{:?}", told(&findings));
}

#[test]
fn keys_in_servers_are_handed_over_apart() {
    let text = "agents:\n\
                - {id: a, backend: {type: simulated, mcp_servers: {x: {command: 'run --token sk-canary-0123456789', env: {MY_KEY: canary-abc, MODE: quick, MODEL: some-model-4}}}}}\n\
                - {id: b, backend: {type: simulated, mcp_servers: [{name: y, type: streamable-http, url: 'https://me:canary99@example.org/mcp', \
                headers: {Authorization: Bearer canary-xyz}}]}}\n";
    let loaded = loaded(text);
    let handed: Vec<_> =
        loaded.literal_keys.iter().map(|key| (key.variable.as_str(), key.expose())).collect();
    assert_eq!(
        handed,
        [
            ("MASSGEN_AGENT_1_SECRET_1", "sk-canary-0123456789"),
            ("MASSGEN_AGENT_1_SECRET_2", "canary-abc"),
            ("MASSGEN_AGENT_1_VALUE_3", "some-model-4"),
            ("MASSGEN_AGENT_2_SECRET_1", "me:canary99"),
            ("MASSGEN_AGENT_2_SECRET_2", "Bearer canary-xyz"),
        ]
    );
    // What only might be a key is not kept either, and stays where an answer speaks of it.
    let secret: Vec<_> = loaded.literal_keys.iter().map(massgen_config::LiteralKey::is_secret).collect();
    assert_eq!(secret, [true, true, false, true, true]);
    let spec = serde_json::to_string(&loaded.draft.clone().with_question("q").unwrap()).unwrap();
    assert!(!spec.contains("canary") && spec.contains("\"MODE\":\"quick\""), "{spec}");
    assert!(spec.contains("https://${MASSGEN_AGENT_2_SECRET_1}@example.org/mcp"), "{spec}");
    let mixed = "agent: {id: a, backend: {type: simulated, mcp_servers: {x: {command: npx, env: {MY_KEY: 'a-${B}'}}}}}";
    assert_eq!(told(&load_text(mixed).unwrap_err())[0], "1 error: a key mixes a variable with other text");
}
