use massgen_protocol::tooling::{Permissions, Role, Unattended};
use proptest::prelude::*;

use super::*;
use crate::testing::permissions;

fn rules(allow: &[&str], ask: &[&str], deny: &[&str], role: Option<Role>) -> Rules {
    let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let permissions =
        Permissions { role, allow: list(allow), ask: list(ask), deny: list(deny), ..permissions() };
    Rules::new(Some(&permissions)).expect("rules")
}

fn verdict(rules: &Rules, effect: Effect, target: &str) -> Verdict {
    rules.judge(&Request::new(effect, target)).verdict
}

#[test]
fn what_refuses_comes_before_what_allows_and_that_before_what_asks() {
    let rules = rules(
        &["command(git *)", "write_file(src/*)", "read_url(https://docs.rs/*)", "mcp(github/*)"],
        &["command(git *)", "read_file(*.env)"],
        &["command(git push*)", "write_file(src/keep/*)"],
        None,
    );
    for (effect, target, expected) in [
        (Effect::Command, "git status", Verdict::Allow),
        (Effect::Command, "git push origin", Verdict::Deny),
        (Effect::Command, "git status; git push", Verdict::Deny),
        (Effect::Command, "git status && make", Verdict::Ask),
        (Effect::Command, "git status; /usr/bin/git push", Verdict::Deny),
        (Effect::Command, "X=1 git push", Verdict::Deny),
        (Effect::Command, "g\"i\"t 'push' x", Verdict::Deny),
        (Effect::Command, "gi\\\nt push", Verdict::Deny),
        (Effect::Command, "git log $(git push)", Verdict::Deny),
        (Effect::Command, "git log $(make)", Verdict::Ask),
        (Effect::Command, "echo \"`git push`\"", Verdict::Deny),
        (Effect::Command, "ls | xargs git push", Verdict::Deny),
        (Effect::Command, "sh -c 'git push'", Verdict::Deny),
        (Effect::Command, "sudo -u a git push", Verdict::Deny),
        (Effect::Command, "find . -exec git push \\;", Verdict::Deny),
        (Effect::Command, "$(echo git push)", Verdict::Deny),
        (Effect::Command, "echo 'open; git push", Verdict::Deny),
        (Effect::Command, "git log 'git push'", Verdict::Allow),
        (Effect::Command, "git log --grep \"$(date)\" push", Verdict::Ask),
        (Effect::Write, "src/a", Verdict::Allow),
        (Effect::Write, "src/keep/a", Verdict::Deny),
        (Effect::Delete, "src/keep/a", Verdict::Deny),
        (Effect::Read, "a/.env", Verdict::Ask),
        (Effect::Read, "a", Verdict::Allow),
        (Effect::Address, "https://docs.rs/x", Verdict::Allow),
        (Effect::Address, "https://evil.example/docs.rs/", Verdict::Ask),
        (Effect::Tool, "github/search", Verdict::Allow),
        (Effect::Tool, "other/search", Verdict::Ask),
    ] {
        assert_eq!(verdict(&rules, effect, target), expected, "{effect:?} {target}");
    }
}

#[test]
fn a_path_is_allowed_by_where_it_leads_and_refused_by_how_it_is_written_too() {
    let rules = rules(&["write_file(src/*)"], &["write_file(*)"], &["write_file(*secret*)"], None);
    let request = |target: &str, asked: &str| Request {
        effect: Effect::Write,
        target: target.to_owned(),
        spellings: Vec::new(),
        asked: Some(asked.to_owned()),
    };
    assert_eq!(rules.judge(&request("x", "src/../x")).verdict, Verdict::Ask);
    assert_eq!(rules.judge(&request("src/x", "link")).verdict, Verdict::Allow);
    assert_eq!(rules.judge(&request("src/x", "src/secret")).verdict, Verdict::Deny);
}

#[test]
fn roles_have_what_their_names_say() {
    let table: Vec<String> = [Role::ReadOnly, Role::Researcher, Role::ReadWrite, Role::Implementer]
        .into_iter()
        .map(|role| {
            let rules = rules(&[], &[], &[], Some(role));
            let verdicts = [
                (Effect::Read, "a"),
                (Effect::Write, "a"),
                (Effect::Delete, "a"),
                (Effect::Command, "ls"),
                (Effect::Command, "make"),
                (Effect::Address, "https://x"),
                (Effect::Tool, "s/t"),
            ]
            .map(|(effect, target)| format!("{effect:?}({target})={:?}", verdict(&rules, effect, target)));
            format!("{role:?}: {}", verdicts.join(" "))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn with_nobody_there_harmless_things_are_allowed_unless_the_configuration_says_otherwise() {
    for (unattended, low, medium) in [
        (Unattended::RiskBased, Verdict::Allow, Verdict::Deny),
        (Unattended::AllowAll, Verdict::Allow, Verdict::Allow),
        (Unattended::DenyAll, Verdict::Deny, Verdict::Deny),
    ] {
        let permissions = Permissions { unattended, ask: vec!["command(ls*)".to_owned()], ..permissions() };
        let rules = Rules::new(Some(&permissions)).expect("rules");
        let alone = |line: &str| rules.alone(rules.judge(&Request::new(Effect::Command, line))).verdict;
        assert_eq!((alone("ls"), alone("make")), (low, medium), "{unattended:?}");
    }
}

#[test]
fn without_permissions_all_is_allowed_but_what_destroys_the_machine() {
    let rules = Rules::new(None).expect("rules");
    assert_eq!(verdict(&rules, Effect::Command, "make"), Verdict::Allow);
    assert_eq!(verdict(&rules, Effect::Command, "rm -rf /"), Verdict::Deny);
    assert_eq!(verdict(&rules, Effect::Command, "r\\m -r'f' \"/\""), Verdict::Deny);
    assert_eq!(verdict(&rules, Effect::Command, "sh -c \"rm -rf /\""), Verdict::Deny);
}

#[test]
fn rules_that_are_not_understood_are_named() {
    let told = ["git *", "command(git", "do(x)", "command([)"].map(|rule| {
        let permissions = Permissions { allow: vec![rule.to_owned()], ..permissions() };
        Rules::new(Some(&permissions)).expect_err("wrong").to_string()
    });
    insta::assert_snapshot!(told.join("\n"));
}

fn any_rule() -> impl Strategy<Value = String> {
    ("(command|read_file|write_file|read_url|mcp|\\*)", "(\\*|[ab]{1,2}\\*|[ab]{1,3}|\\*[ab])")
        .prop_map(|(action, pattern)| format!("{action}({pattern})"))
}

fn any_request() -> impl Strategy<Value = Request> {
    let effects =
        [Effect::Command, Effect::Read, Effect::Write, Effect::Delete, Effect::Address, Effect::Tool];
    (prop::sample::select(effects.to_vec()), "[ab]{1,4}( [ab]{1,2})?(; [ab]{1,3})?")
        .prop_map(|(effect, target)| Request::new(effect, target))
}

proptest! {
    #[test]
    fn a_rule_that_refuses_always_wins(
        deny in any_rule(), allow in prop::collection::vec(any_rule(), 0..4), request in any_request(),
    ) {
        let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
        let alone = rules(&[], &[], &[&deny], None).judge(&request).verdict;
        let with = rules(&allow, &[], &[&deny], Some(Role::Implementer)).judge(&request).verdict;
        if alone == Verdict::Deny {
            prop_assert_eq!(with, Verdict::Deny);
        }
    }

    #[test]
    fn more_rules_that_refuse_never_allow_more(
        deny in prop::collection::vec(any_rule(), 0..3), more in any_rule(), allow in any_rule(), request in any_request(),
    ) {
        let few: Vec<&str> = deny.iter().map(String::as_str).collect();
        let mut many = few.clone();
        many.push(&more);
        let before = rules(&[&allow], &[], &few, None).judge(&request).verdict;
        let after = rules(&[&allow], &[], &many, None).judge(&request).verdict;
        prop_assert!(after == before || after == Verdict::Deny);
    }

    #[test]
    fn a_line_is_allowed_only_when_each_of_its_commands_is(
        parts in prop::collection::vec("[ab]{1,3}", 1..4), allow in "[ab]{1,2}\\*",
    ) {
        let rule = format!("command({allow})");
        let rules = rules(&[&rule], &["command(*)"], &[], None);
        let each = parts.iter().all(|part| verdict(&rules, Effect::Command, part) == Verdict::Allow);
        for between in ["; ", " && ", " | ", "\n"] {
            let whole = verdict(&rules, Effect::Command, &parts.join(between));
            prop_assert_eq!(whole == Verdict::Allow, each);
        }
    }

    #[test]
    fn nothing_allows_what_destroys_the_machine(
        before in "(ls; |A=1 |cd x && |)", command in "(rm -rf /|mkfs /dev/sda|rm -fr /\\*)", after in "( ; ls| && ls|)",
    ) {
        let rules = rules(&["*(*)"], &[], &[], Some(Role::Implementer));
        prop_assert_eq!(verdict(&rules, Effect::Command, &format!("{before}{command}{after}")), Verdict::Deny);
    }
}
