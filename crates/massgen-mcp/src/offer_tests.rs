use massgen_protocol::tooling::{ServerSecurity, ServerTransport};

use super::*;

fn spec(name: &str) -> ServerSpec {
    let transport = ServerTransport::Stdio {
        command: vec!["x".to_owned()],
        environment: std::collections::BTreeMap::default(),
        folder: None,
    };
    ServerSpec {
        name: name.to_owned(),
        transport,
        call_time: None,
        allowed: None,
        excluded: Vec::new(),
        security: ServerSecurity::default(),
    }
}

fn told(name: &str) -> Told {
    Told {
        name: name.to_owned(),
        description: "does it".to_owned(),
        schema: Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        hints: Hints::default(),
    }
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn names(offer: &Offer) -> Vec<&str> {
    offer.tools.iter().map(|tool| tool.schema.name.as_str()).collect()
}

fn offered(spec: &ServerSpec, filter: &Filter, tools: &[&str]) -> Offer {
    offer(spec, filter, tools.iter().map(|name| told(name)).collect(), &mut BTreeSet::new())
}

#[test]
fn tools_are_called_by_server_and_name_without_marks_at_the_ends() {
    let offer = offered(&spec("_git-"), &Filter::default(), &["status_now", "-_a.b_"]);
    assert_eq!(names(&offer), ["mcp__git__status_now", "mcp__git__a_b"]);
    assert_eq!(offer.tools[1].name, "-_a.b_");
    assert!(offer.notes.is_empty());
}

#[test]
fn long_names_are_cut_to_what_every_provider_takes_and_stay_apart() {
    let (one, two) = (format!("{}_one", "a".repeat(90)), format!("{}_two", "a".repeat(90)));
    let offer = offered(&spec("server"), &Filter::default(), &[&one, &two]);
    let names = names(&offer);
    assert!(names.iter().all(|name| name.len() == TOOL_NAME_BYTES));
    assert_ne!(names[0], names[1]);
    assert_eq!(names[0], name_for_models("server", &one));
    insta::assert_snapshot!(names[0]);
}

#[test]
fn reserved_names_and_collisions_are_left_out_and_told() {
    let offer = offered(&spec("s"), &Filter::default(), &["ping", "a.b", "a_b", "a\u{1b}[2Jb", "_a_b"]);
    assert_eq!(names(&offer), ["mcp__s__a_b"]);
    insta::assert_snapshot!(offer.notes.join("\n"));
}

#[test]
fn names_of_other_servers_of_the_agent_are_taken() {
    let mut taken = BTreeSet::new();
    let first = offer(&spec("a"), &Filter::default(), vec![told("b__c")], &mut taken);
    let second = offer(&spec("a__b"), &Filter::default(), vec![told("c")], &mut taken);
    assert_eq!((names(&first), names(&second)), (vec!["mcp__a__b__c"], Vec::new()));
    assert_eq!(second.notes.len(), 1);
}

#[test]
fn what_server_or_agent_excludes_is_left_out_without_a_word() {
    let server = ServerSpec { excluded: list(&["one"]), ..spec("s") };
    let filter = Filter { allowed: None, excluded: list(&["mcp__s__two"]) };
    let offer = offered(&server, &filter, &["one", "two", "three"]);
    assert_eq!(names(&offer), ["mcp__s__three"]);
    assert!(offer.notes.is_empty());
}

#[test]
fn allowed_tools_of_the_server_count_before_those_of_the_agent() {
    let filter = Filter { allowed: Some(list(&["two"])), excluded: Vec::new() };
    assert_eq!(names(&offered(&spec("s"), &filter, &["one", "two"])), ["mcp__s__two"]);
    let server = ServerSpec { allowed: Some(list(&["one"])), ..spec("s") };
    assert_eq!(names(&offered(&server, &filter, &["one", "two"])), ["mcp__s__one"]);
    let none = ServerSpec { allowed: Some(Vec::new()), ..spec("s") };
    assert!(offered(&none, &filter, &["one"]).tools.is_empty());
}

#[test]
fn an_excluded_tool_is_never_offered_because_it_is_allowed() {
    let server = ServerSpec { allowed: Some(list(&["one"])), excluded: list(&["one"]), ..spec("s") };
    assert!(offered(&server, &Filter::default(), &["one"]).tools.is_empty());
}

#[test]
fn allowed_tools_that_the_server_does_not_have_are_told() {
    let server = ServerSpec { allowed: Some(list(&["one", "onee"])), ..spec("s") };
    let offer = offered(&server, &Filter::default(), &["one"]);
    assert_eq!(offer.notes, ["it has no tool `onee`, which `allowed_tools` names"]);
}

#[test]
fn schemas_are_passed_on_and_made_objects_where_they_are_none() {
    let mut tools = vec![told("fine"), told("same"), told("array"), told("none"), told("untyped")];
    tools[2].schema = Some(json!([1]));
    tools[3].schema = None;
    tools[4].schema = Some(json!({"properties": {"x": {}}, "additionalProperties": false}));
    let offer = offer(&spec("s"), &Filter::default(), tools, &mut BTreeSet::new());
    let schemas: Vec<String> = offer.tools.iter().map(|tool| tool.schema.parameters.to_string()).collect();
    insta::assert_snapshot!(format!("{}\n{}", schemas.join("\n"), offer.notes.join("\n")));
}

#[test]
fn large_schemas_and_descriptions_are_bounded() {
    let mut tools = vec![told("wide"), told("wordy")];
    tools[0].schema = Some(json!({"type": "object", "x": "x".repeat(SCHEMA_BYTES)}));
    tools[1].description = "ä".repeat(DESCRIPTION_BYTES);
    let offer = offer(&spec("s"), &Filter::default(), tools, &mut BTreeSet::new());
    assert_eq!(names(&offer), ["mcp__s__wordy"]);
    assert!(offer.tools[0].schema.description.len() <= DESCRIPTION_BYTES + 3);
    assert_eq!(offer.notes.len(), 2);
}

#[test]
fn a_server_offers_no_more_tools_than_a_prompt_can_hold() {
    let tools: Vec<String> = (0..TOOLS_PER_SERVER + 5).map(|number| format!("tool{number}")).collect();
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    let many = offered(&spec("s"), &Filter::default(), &tools);
    assert_eq!(many.tools.len(), TOOLS_PER_SERVER);
    assert!(many.notes[0].starts_with("5 of its tools"), "{:?}", many.notes);
    let heavy = (0..20).map(|number| {
        let schema = json!({"type": "object", "x": "x".repeat(SCHEMA_BYTES - 100)});
        Told { schema: Some(schema), ..told(&format!("tool{number}")) }
    });
    let heavy = offer(&spec("s"), &Filter::default(), heavy.collect(), &mut BTreeSet::new());
    assert!(heavy.tools.len() < 9 && !heavy.notes.is_empty());
}
