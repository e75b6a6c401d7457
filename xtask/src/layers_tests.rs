use super::*;

const HOUSE: &[Room] = &[
    Room { name: "low", purity: Purity::Pure, may_use: &[], tests_may_use: &[] },
    Room { name: "high", purity: Purity::Adapter, may_use: &["low"], tests_may_use: &["side"] },
    Room { name: "side", purity: Purity::Adapter, may_use: &["low"], tests_may_use: &[] },
];
const RULES: &[Confined] = &[
    Confined { external: "wire", to: &["high"], tests: TestUse::Confined, reason: "one wire" },
    Confined { external: "runtime", to: &["high"], tests: TestUse::Allowed, reason: "below" },
];

/// A made-up workspace in the form in which cargo tells it.
fn workspace(edges: &[(&str, &str, &str)]) -> Vec<Declared> {
    let packages: Vec<serde_json::Value> = HOUSE
        .iter()
        .map(|room| {
            let own = edges.iter().filter(|(from, _, _)| *from == room.name);
            let dependencies: Vec<serde_json::Value> = own
                .map(|(_, to, kind)| {
                    let internal = HOUSE.iter().any(|room| room.name == *to) || *to == "massgen-testkit";
                    serde_json::json!({
                        "name": to, "req": "*", "kind": kind, "optional": false, "uses_default_features": true,
                        "features": [], "target": null, "path": internal.then(|| format!("/w/{to}")),
                    })
                })
                .collect();
            serde_json::json!({
                "name": room.name, "version": "0.1.0", "id": format!("path+file:///w/{}#0.1.0", room.name),
                "dependencies": dependencies, "targets": [], "features": {},
                "manifest_path": format!("/w/{}/Cargo.toml", room.name),
            })
        })
        .collect();
    let members: Vec<&serde_json::Value> = packages.iter().map(|package| &package["id"]).collect();
    let metadata = serde_json::json!({
        "packages": packages, "workspace_members": members, "workspace_root": "/w", "target_directory": "/w/target",
        "version": 1,
    });
    declared(&serde_json::from_value(metadata).unwrap())
}

fn problems(edges: &[(&str, &str, &str)]) -> Vec<String> {
    check_edges(&workspace(edges), HOUSE, RULES)
}

#[test]
fn edges_of_the_table_pass() {
    let allowed = [
        ("high", "low", "normal"),
        ("high", "wire", "normal"),
        ("high", "runtime", "normal"),
        ("high", "side", "dev"),
        ("low", "massgen-testkit", "dev"),
        ("low", "runtime", "dev"),
        ("low", "anything", "normal"),
    ];
    assert_eq!(problems(&allowed), Vec::<String>::new());
}

#[test]
fn an_edge_outside_the_table_is_found_and_told_with_what_is_allowed() {
    assert_eq!(problems(&[("low", "high", "normal")]), ["`low` depends on `high`; it may use none of ours"]);
    assert_eq!(problems(&[("side", "high", "dev")]), ["`side` tests with `high`; it may use low"]);
    assert_eq!(problems(&[("side", "high", "build")]), ["`side` depends on `high`; it may use low"]);
}

#[test]
fn what_only_tests_may_use_is_no_dependency() {
    assert_eq!(problems(&[("high", "side", "normal")]), ["`high` depends on `side`; it may use low"]);
    assert_eq!(problems(&[("low", "massgen-testkit", "normal")]).len(), 1);
}

#[test]
fn a_confined_crate_declared_elsewhere_is_found_with_the_reason() {
    let told = "`side` names `wire`, which is confined to high: one wire";
    assert_eq!(problems(&[("side", "wire", "normal")]), [told]);
    assert_eq!(problems(&[("side", "wire", "dev")]), [told]);
    assert_eq!(problems(&[("side", "runtime", "normal")]).len(), 1);
}

#[test]
fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
    let mut declared = workspace(&[]);
    declared.retain(|found| found.name != "side");
    declared.push(Declared { name: "new".into(), folder: PathBuf::new(), edges: Vec::new() });
    let problems = check_edges(&declared, HOUSE, RULES);
    assert!(problems[0].starts_with("`side` is in the house but not in the workspace"), "{problems:?}");
    assert!(problems[1].starts_with("`new` is not in the house"), "{problems:?}");
    assert_eq!(problems.len(), 2);
}

#[test]
fn a_pure_source_that_reads_a_clock_or_a_file_is_found_by_line() {
    let text = "// std::fs in a comment is fine\nuse std::time::Duration;\nlet now = std::time::SystemTime::now();\nstd::fs::read(path);\n";
    let found = worldly_names("low/src/lib.rs", text);
    assert_eq!(
        found,
        [
            "low/src/lib.rs:3 names `SystemTime`, and its crate is pure",
            "low/src/lib.rs:4 names `std::fs`, and its crate is pure"
        ]
    );
}

#[test]
fn the_house_has_no_cycle_and_names_only_its_own_crates() {
    let mut settled: Vec<&str> = Vec::new();
    while settled.len() < ROOMS.len() {
        let next = ROOMS.iter().find(|room| {
            !settled.contains(&room.name) && room.may_use.iter().all(|used| settled.contains(used))
        });
        let next = next.unwrap_or_else(|| panic!("a cycle or an unknown crate above {settled:?}"));
        settled.push(next.name);
    }
    for rule in CONFINED {
        assert!(
            rule.to.iter().all(|to| settled.contains(to)),
            "{} is confined to an unknown crate",
            rule.external
        );
    }
}
