//! What the program finds out about the machine it is on.

use serde_json::Value;

use crate::program::World;

/// A key that must never be seen.
const CANARY: &str = "canary-93ab-key";

#[test]
fn a_configured_machine_is_told_what_would_run() {
    let world = World::scripted(2, "{}");
    let home = world.home().join(".config/massgen");
    fs_err::create_dir_all(&home).unwrap();
    fs_err::write(home.join(".env"), format!("GROQ_API_KEY={CANARY}\n")).unwrap();
    let variables = [("ANTHROPIC_API_KEY", CANARY), ("CLAUDE_CODE_API_KEY", CANARY)];
    let told = world.run_with(&variables, &["doctor"]).exits(0);
    for line in [
        "\n  .massgen/config.yaml: valid, 2 agents\n",
        "\n  GROQ_API_KEY in ~/.config/massgen/.env, for groq\n",
        "\n  ANTHROPIC_API_KEY in the environment, for claude\n",
        "\n  CLAUDE_CODE_API_KEY in the environment, no use in this version yet\n",
        "\nA run is possible: massgen \"your question\"\n",
    ] {
        assert!(told.stdout.contains(line), "{line:?}: {told}");
    }
    assert!(!told.to_string().contains(CANARY), "{told}");
}

#[test]
fn programs_get_json() {
    let world = World::new();
    world.write(".massgen/config.yaml", "agents: []\n");
    let told = world.run_with(&[("OPENAI_API_KEY", CANARY)], &["doctor", "--json"]).exits(1);
    assert!(!told.to_string().contains(CANARY), "{told}");
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(report["possible"], false);
    assert_eq!(report["config"]["state"], "broken");
    assert_eq!(report["config"]["path"], ".massgen/config.yaml");
    assert_eq!(report["keys"][0]["variable"], "OPENAI_API_KEY");
    assert_eq!(report["missing"][0]["mend"], "massgen --validate .massgen/config.yaml");
    assert!(report["programs"].as_array().unwrap().iter().any(|program| program["name"] == "git"));
    assert_eq!(report["logs"]["writable"], true);
}

#[cfg(unix)]
#[test]
fn programs_that_fail_or_are_missing_do_not_stop_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    for (name, script) in [("git", "#!/bin/sh\necho git version 9.9\n"), ("docker", "#!/bin/sh\nexit 1\n")] {
        let path = world.write(&format!("bin/{name}"), script);
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = world.work().join("bin").to_string_lossy().into_owned();
    let variables = [("PATH", path.as_str()), ("GROQ_API_KEY", CANARY)];
    let told = world.run_with(&variables, &["doctor", "--json"]).exits(0);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let state = |name: &str| {
        let programs = report["programs"].as_array().unwrap();
        programs.iter().find(|program| program["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!([state("git"), state("docker"), state("podman")], ["works", "fails", "missing"]);
    assert_eq!(report["logs"]["free_bytes"], Value::Null);
    assert_eq!(report["run"], "massgen --backend groq \"your question\"");
}
