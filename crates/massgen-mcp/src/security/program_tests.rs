use super::*;

fn command(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

fn refused(parts: &[&str], security: &ServerSecurity) -> String {
    check_command(&command(parts), security).unwrap_err().to_string()
}

fn at(level: SecurityLevel) -> ServerSecurity {
    ServerSecurity { level, ..ServerSecurity::default() }
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn usual_programs_may_be_started_under_any_path_and_ending() {
    let security = ServerSecurity::default();
    for program in
        ["npx", "uvx", "/usr/bin/python3", "node", "/opt/x/bash", "C:\\node\\NPX.cmd", "python3.12"]
    {
        check_command(&command(&[program, "-y", "x"]), &security).expect(program);
    }
}

#[test]
fn other_programs_are_refused_until_a_level_or_a_list_allows_them() {
    let strict = ServerSecurity::default();
    insta::assert_snapshot!(refused(&["git", "x"], &strict), @"its program `git` is not among those that may be started; add `security: {allowed_executables: [git]}` to it");
    check_command(&command(&["git"]), &at(SecurityLevel::Moderate)).expect("git is moderate");
    refused(&["curl"], &at(SecurityLevel::Moderate));
    check_command(&command(&["curl"]), &at(SecurityLevel::Permissive)).expect("curl is permissive");
    refused(&["rm"], &at(SecurityLevel::Permissive));
}

#[test]
fn a_list_of_programs_replaces_the_usual_ones() {
    let own =
        ServerSecurity { allowed_executables: vec!["my-server".to_owned()], ..ServerSecurity::default() };
    check_command(&command(&["/srv/my-server"]), &own).expect("named");
    refused(&["npx"], &own);
}

#[test]
fn programs_that_a_shell_would_read_are_refused_but_their_arguments_are_free() {
    let security = ServerSecurity::default();
    for character in SHELL {
        refused(&[&format!("python{character}x")], &security);
    }
    refused(&["../python"], &security);
    refused(&["a/../python"], &security);
    refused(&["python\n"], &security);
    refused(&[], &security);
    refused(&["  "], &security);
    check_command(&command(&["python3", "-c", "print(1); x = '<a&b>'"]), &security)
        .expect("no shell reads it");
}

const SHELL: [char; 9] = ['&', '|', ';', '`', '$', '(', ')', '<', '>'];

#[test]
fn commands_have_a_length_and_a_number_of_parts() {
    let security = ServerSecurity::default();
    let long = "x".repeat(501);
    insta::assert_snapshot!(refused(&["npx", &long], &security), @"a part of its command has 501 characters, at most 500 are allowed");
    check_command(&command(&["npx", &"x".repeat(500)]), &security).expect("as long as allowed");
    let parts = vec!["npx"; 51];
    insta::assert_snapshot!(refused(&parts, &security), @"its command has 51 parts, at most 50 are allowed");
    check_command(&command(&vec!["npx"; 50]), &security).expect("as many as allowed");
    refused(&["npx", "a\0b"], &security);
}

#[test]
fn variables_that_change_what_is_loaded_are_held_back() {
    let written = variables(&[("LD_PRELOAD", "x"), ("PYTHONPATH", "x"), ("PATH", "x"), ("KEY", "${KEY}")]);
    let judged = judge_environment(&written, &ServerSecurity::default()).expect("judged");
    assert_eq!(judged.given, variables(&[("KEY", "${KEY}")]));
    assert_eq!(judged.held_back, ["LD_PRELOAD", "PATH", "PYTHONPATH"]);
    let moderate = ServerSecurity { environment_level: SecurityLevel::Moderate, ..ServerSecurity::default() };
    let judged = judge_environment(&written, &moderate).expect("judged");
    assert_eq!(judged.held_back, ["LD_PRELOAD", "PYTHONPATH"]);
}

#[test]
fn lists_of_variables_hold_back_or_give() {
    let written = variables(&[("A", "1"), ("B", "2")]);
    let deny = ServerSecurity { denied_variables: vec!["a".to_owned()], ..ServerSecurity::default() };
    assert_eq!(judge_environment(&written, &deny).expect("judged").held_back, ["A"]);
    let allow = ServerSecurity {
        environment_mode: EnvironmentMode::Allowlist,
        allowed_variables: vec!["A".to_owned()],
        ..ServerSecurity::default()
    };
    assert_eq!(judge_environment(&written, &allow).expect("judged").held_back, ["B"]);
}

#[test]
fn values_of_variables_are_judged_without_being_told() {
    let security = ServerSecurity::default();
    let told =
        |value: &str| judge_environment(&variables(&[("KEY", value)]), &security).unwrap_err().to_string();
    for value in ["canary;rm", "canary$(x)", "${canary-x}"] {
        let told = told(value);
        assert!(told.contains("`KEY`") && !told.contains("canary"), "{told}");
    }
    assert!(!told(&"canary".repeat(200)).contains("canary"));
    judge_environment(&variables(&[("URL", "https://x/${TOKEN}?a=1")]), &security)
        .expect("a reference is fine");
    assert!(judge_environment(&variables(&[("A=B", "1")]), &security).is_err());
    assert!(judge_environment(&variables(&[(&"A".repeat(101), "1")]), &security).is_err());
}

#[test]
fn folders_do_not_climb() {
    check_folder("/srv/a..b/c").expect("two dots in a name are fine");
    for folder in ["/srv/../x", "..", "a\\..\\b", "/a\n"] {
        check_folder(folder).unwrap_err();
    }
    check_folder(&"x".repeat(501)).unwrap_err();
}
