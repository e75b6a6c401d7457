use serde_json::json;

use super::*;

fn served(agent: &str, begin_ms: f64, end_ms: f64, text: &str) -> Served {
    Served {
        begin_ms,
        end_ms: Some(end_ms),
        planned_ms: 290.0,
        chunks: 20,
        body: json!({"model": agent, "tools": [], "messages": [{"role": "user", "content": text}]}),
    }
}

#[test]
fn three_phases_of_parallel_requests_are_a_chain_of_three() {
    let log = [
        served("a", 0.0, 290.0, ""),
        served("b", 1.0, 292.0, ""),
        served("a", 293.0, 583.0, ""),
        served("b", 293.5, 584.0, ""),
        served("a", 585.0, 875.0, ""),
    ];
    assert_eq!(longest_chain(&log), 3);
    assert!((ideal_ms(&log, 3.0) - 870.0).abs() < 1e-9);
    assert_eq!(last_end(&log), Some(875.0));
}

#[test]
fn a_request_without_an_end_is_in_no_chain() {
    let mut open = served("a", 300.0, 0.0, "");
    open.end_ms = None;
    assert_eq!(longest_chain(&[served("a", 0.0, 290.0, ""), open.clone()]), 1);
    assert_eq!(last_end(&[open]), None);
}

#[test]
fn only_whole_blocks_that_the_same_agent_sent_before_are_cached() {
    let overhead = prompt(&served("a", 0.0, 1.0, "").body).len();
    let long = "x".repeat(3000 - overhead);
    let first = served("a", 0.0, 1.0, &long);
    assert_eq!(uncached_bytes(std::slice::from_ref(&first)), 3000);
    // The same prompt of another agent is not cached; of the same agent, its two whole blocks are.
    assert_eq!(uncached_bytes(&[first.clone(), served("b", 2.0, 3.0, &long)]), 6000);
    assert_eq!(uncached_bytes(&[first.clone(), served("a", 2.0, 3.0, &long)]), 3000 + 3000 - 2048);
    // A change in the first block leaves nothing.
    assert_eq!(uncached_bytes(&[first, served("a", 2.0, 3.0, &format!("y{}", &long[1..]))]), 6000);
}

#[test]
fn the_best_earlier_prompt_counts_not_the_last() {
    let long = "x".repeat(5000);
    let log = [served("a", 0.0, 1.0, &long), served("a", 2.0, 3.0, "other"), served("a", 4.0, 5.0, &long)];
    let sizes: Vec<usize> = log.iter().map(|request| prompt(&request.body).len()).collect();
    assert_eq!(uncached_bytes(&log), sizes[0] + sizes[1] + sizes[2] - 4096);
}

#[test]
fn a_finished_request_that_comes_again_is_paid_twice_and_an_unfinished_one_is_not() {
    let mut open = served("b", 5.0, 0.0, "vote");
    open.end_ms = None;
    let before = [served("a", 0.0, 1.0, "answer"), open];
    let after =
        [served("a", 9.0, 10.0, "answer"), served("b", 9.0, 10.0, "vote"), served("c", 9.0, 10.0, "answer")];
    assert_eq!(paid_twice(&before, &after), 1);
}
