use std::path::PathBuf;

use serde_json::json;

use super::*;

fn attempt() -> Attempt {
    let root = PathBuf::from("/project/.massgen/massgen_logs/log_20260131_120000_123456");
    Attempt { folder: root.join("turn_1/attempt_1"), root, turn: 1 }
}

fn documents() -> Documents {
    Documents {
        status: json!({
            "is_complete": true, "finish_reason_details": "Winner: writer",
            "meta": {"question": "from the status", "elapsed_seconds": 75.4},
        }),
        metrics: json!({
            "meta": {"question": "Which tree grows fastest, and how would one measure that in a garden of one's own?", "winner": "writer"},
            "totals": {"estimated_cost": 0.01234, "input_tokens": 12_345, "output_tokens": 678, "reasoning_tokens": 90},
            "tools": {"total_calls": 12, "total_failures": 1, "total_execution_time_ms": 9000.0, "by_tool": {
                "mcp__files__read": {"call_count": 10, "failure_count": 1, "total_execution_time_ms": 1000.0},
                "custom_tool__measure": {"call_count": 2, "failure_count": 0, "total_execution_time_ms": 8000.0},
            }},
            "rounds": {"total_rounds": 5, "by_outcome": {"answer": 2, "vote": 2, "post_evaluation": 0, "presentation": 1}},
            "api_timing": {"total_calls": 5, "avg_time_ms": 1234.5, "avg_ttft_ms": 200.0},
            "agents": {"writer": {}, "critic": {}},
        }),
    }
}

#[test]
fn a_summary_says_what_a_run_was_about_and_what_it_took() {
    insta::assert_snapshot!(summary(&attempt(), &documents(), 80));
}

#[test]
fn a_summary_of_a_run_that_goes_on_says_what_is_known() {
    let status = json!({
        "is_complete": false, "simulated": true, "results": {"winner": null},
        "meta": {"question": "Which tree?", "elapsed_seconds": 0.85},
        "costs": {"total_estimated_cost": null, "total_input_tokens": 5, "total_output_tokens": 6},
        "rounds": {"total_rounds": 0, "by_outcome": {"answer": 0}},
        "agents": {"writer": {}},
    });
    let documents = Documents { status, ..Documents::default() };
    insta::assert_snapshot!(summary(&Attempt { turn: 2, ..attempt() }, &documents, 80));
}

#[test]
fn a_run_without_a_winner_says_why() {
    let mut documents = documents();
    documents.metrics["meta"]["winner"] = Value::Null;
    documents.status["finish_reason_details"] = "Deadline reached before any answer".into();
    let page = summary(&attempt(), &documents, 80);
    assert!(page.contains("winner    none of 2 agents. Deadline reached before any answer\n"), "{page}");
}

#[test]
fn without_a_status_the_rounds_tell_the_duration() {
    let mut documents = documents();
    documents.status = Value::Null;
    documents.metrics["agents"]["writer"]["round_history"] =
        json!([{"duration_ms": 1500.0}, {"duration_ms": 500}]);
    assert_eq!(duration(&documents), Some(2.0));
    assert!(is_complete(&documents));
}

#[test]
fn tools_come_by_time_or_by_calls_with_their_total() {
    insta::assert_snapshot!(tool_table(&documents(), ToolOrder::Time));
    let by_calls = tool_table(&documents(), ToolOrder::Calls);
    let first = by_calls.lines().nth(1).unwrap();
    assert!(first.starts_with("mcp__files__read"), "{by_calls}");
    assert_eq!(tool_table(&Documents::default(), ToolOrder::Time), "The agents of this run used no tools.\n");
}

#[test]
fn a_tool_that_is_called_by_its_short_name_too_is_one() {
    let mut documents = documents();
    let calls = |count: u32| json!({"call_count": count, "total_execution_time_ms": 10.0});
    documents.metrics["tools"]["by_tool"] = json!({
        "weather": calls(1), "custom_tool__weather": calls(2),
        "read": calls(4), "mcp__one__read": calls(5), "mcp__two__read": calls(6),
    });
    let table = tool_table(&documents, ToolOrder::Calls);
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split_whitespace().take(2).collect()).collect();
    let expected = [
        ["mcp__two__read", "6"],
        ["mcp__one__read", "5"],
        ["read", "4"],
        ["custom_tool__weather", "3"],
        ["Total", "18"],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_list_fits_the_terminal() {
    let entry = Entry::new(&attempt(), &documents());
    assert_eq!(entry.time.as_deref(), Some("2026-01-31 12:00:00"));
    let unknown = Entry { cost: None, duration: None, question: "\u{1b}[31mred".into(), ..entry.clone() };
    let page = list(&[entry.clone(), unknown], 80);
    assert!(page.lines().all(|line| columns(line) <= 80), "{page}");
    insta::assert_snapshot!(page);
    assert_eq!(entry.json()["duration_seconds"], 75.4);
}

#[test]
fn what_is_in_the_files_cannot_speak_to_the_terminal() {
    let mut documents = documents();
    documents.metrics["meta"]["question"] = "\u{1b}]0;title\u{7}a\nb".into();
    documents.metrics["tools"]["by_tool"] = json!({"\u{1b}[2Jtool": {"call_count": 1}});
    let page = summary(&attempt(), &documents, 80) + &tool_table(&documents, ToolOrder::Time);
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
    assert!(page.contains("question  a b\n"), "{page}");
}

#[test]
fn files_that_say_nothing_understood_are_no_failure() {
    for document in
        [Value::Null, json!([]), json!("text"), json!({"meta": 3, "agents": [], "tools": {"by_tool": []}})]
    {
        let documents = Documents { status: document.clone(), metrics: document };
        assert!(summary(&attempt(), &documents, 10).contains("duration"));
        assert!(tool_table(&documents, ToolOrder::Calls).contains("no tools"));
    }
}

#[test]
fn times_of_names_that_are_no_times_are_unknown() {
    assert_eq!(time_of("20260131_120000").as_deref(), Some("2026-01-31 12:00:00"));
    for stamp in ["", "mine", "20260131", "2026013_1120000", "2026é131_120000", "20260131_12h000"] {
        assert_eq!(time_of(stamp), None, "{stamp}");
    }
}

#[test]
fn a_text_is_cut_at_the_last_column_that_fits() {
    assert_eq!(cut("a tree", 6), "a tree");
    assert_eq!(cut("a tree house", 8), "a tre...");
    assert_eq!(cut("木木木木", 7), "木木...");
}
