use massgen_protocol::limits::{SEARCH_BYTES, SEARCH_RESULT_BYTES, TOOL_FILE_BYTES};
use serde_json::json;

use crate::testing::House;

#[tokio::test]
async fn a_search_reads_no_more_than_it_may_and_says_so() {
    let house = House::new();
    // Files that take no room on the disk; they are read all the same.
    for number in 0..=SEARCH_BYTES / TOOL_FILE_BYTES {
        house.write(&format!("ws/{number:03}"), "");
        let file = fs_err::OpenOptions::new().write(true).open(house.path(&format!("ws/{number:03}")));
        file.and_then(|file| file.set_len(TOOL_FILE_BYTES)).expect("made larger");
    }
    house.write("ws/first/a.txt", "word");
    house.write("ws/last.txt", "word");
    let all = house.ok("grep", json!({"pattern": "word"})).await;
    assert_eq!(all, "(the search stopped after 256 MB of files; use a smaller folder or `include`)");
    assert_eq!(house.ok("grep", json!({"pattern": "word", "include": "*.txt"})).await.lines().count(), 2);
}

#[tokio::test]
async fn a_search_tells_no_more_than_it_may_and_says_so() {
    let house = House::new();
    house.write("ws/wide.txt", format!("{}\n", "x".repeat(390)).repeat(2_000));
    let found = house.ok("grep", json!({"pattern": "x", "context": 10})).await;
    let path = found.split('`').nth(1).expect("it is long enough for a file");
    let found = house.read(&format!("ws/{path}"));
    assert!(found.len() < SEARCH_RESULT_BYTES + 20_000, "{}", found.len());
    assert!(
        found.ends_with("lines are shown; use a narrower pattern, folder or `include`, or less `context`)")
    );
}
