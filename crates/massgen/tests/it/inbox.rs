//! Messages of a person to agents at work.

use crate::program::World;

/// Agents that work until a note comes, which the scripted tool waits for.
const SCRIPT: &str = "agents:\n  \
    default: {replies: [[{call: {tool: look}}], [{call: {tool: look}}], [{call: {tool: look}}], [{answer: done}], [{vote: agent_a}]]}\n\
    tools:\n  look: {result: nothing yet, wait_ms: 700}\n";

#[test]
fn a_message_in_the_inbox_reaches_the_agents_and_leaves_the_inbox() {
    let world = World::scripted(1, SCRIPT);
    world.write("inbox/msg_0000000000001_1_0001.json", r#"{"content": "be brief", "source": "human"}"#);
    world.write("inbox/msg_0000000000002_1_0002.json", "not a message");
    world.write("inbox/note.txt", "left alone");
    let told = world.run(&["--automation", "--inbox-dir", "inbox", "why?"]).exits(0);
    assert_eq!(told.value("RUNTIME_INBOX"), Some(world.work().join("inbox").to_str().unwrap()));
    let events = fs_err::read_to_string(world.attempt().join("events.jsonl")).unwrap();
    assert!(events.contains("runtime_inbox_input") || events.contains("be brief"), "{events}");
    let left: Vec<String> = crate::program::files(&world.work().join("inbox"))
        .into_keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(left, ["msg_0000000000002_1_0002.json.rejected", "note.txt"]);
    assert!(told.stderr.contains("was set aside"), "{told}");
}
