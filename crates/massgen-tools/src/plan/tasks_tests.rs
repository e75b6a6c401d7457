use proptest::prelude::*;
use serde_json::json;

use super::*;

fn written(tasks: Value) -> Vec<Written> {
    serde_json::from_value(tasks).expect("tasks")
}

fn plan(tasks: Value) -> Plan {
    let mut plan = Plan::default();
    plan.create(written(tasks)).expect("a plan");
    plan
}

fn ids(tasks: &[&Task]) -> Vec<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

#[test]
fn tasks_wait_for_those_before_them() {
    let mut plan = plan(json!([
        "first",
        {"id": "b", "description": "second", "depends_on": [0], "priority": "high"},
        {"id": "c", "description": "third", "depends_on": ["b", "task_1"]},
    ]));
    assert_eq!(ids(&plan.ready()), ["task_1"]);
    assert_eq!(ids(&plan.blocked()), ["b", "c"]);
    assert!(matches!(plan.update("c", Status::Completed, None), Err(Problem::Waits { .. })));
    plan.update("task_1", Status::InProgress, None).expect("begun");
    let ready = plan.update("task_1", Status::Completed, Some("done")).expect("done");
    assert_eq!(ids(&ready), ["b"]);
    let ready = plan.update("b", Status::Verified, None).expect("done");
    assert_eq!(ids(&ready), ["c"]);
}

#[test]
fn plans_that_make_no_sense_are_refused_and_told() {
    let told = [
        json!([]),
        json!([{"description": " "}]),
        json!([{"id": "a", "description": "x"}, {"id": "a", "description": "y"}]),
        json!([{"id": "a", "description": "x", "depends_on": ["z"]}]),
        json!([{"id": "a", "description": "x", "depends_on": [7]}]),
        json!([{"id": "a", "description": "x", "depends_on": ["b"]}, {"id": "b", "description": "y", "depends_on": ["a"]}]),
        json!([{"id": "a", "description": "x", "depends_on": [0]}]),
    ]
    .map(|tasks| Plan::default().create(written(tasks)).expect_err("refused").to_string());
    insta::assert_snapshot!(told.join("\n"));
    let mut plan = plan(json!(["a"]));
    assert_eq!(plan.create(written(json!(["b"]))), Err(Problem::Exists));
    let many = (0..=PLAN_TASKS).map(|number| json!(number.to_string())).collect();
    assert_eq!(Plan::default().create(written(Value::Array(many))), Err(Problem::TooMany));
}

#[test]
fn tasks_come_and_go() {
    let mut plan = plan(json!(["a", {"description": "b", "depends_on": [0]}]));
    let task =
        |description: &str| WrittenTask { description: description.to_owned(), ..WrittenTask::default() };
    assert_eq!(plan.add(task("between"), Some("task_1")).expect("added"), "task_3");
    assert_eq!(
        plan.tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(),
        ["task_1", "task_3", "task_2"]
    );
    assert!(matches!(plan.delete("task_1"), Err(Problem::Needed { .. })));
    plan.delete("task_2").expect("gone");
    plan.delete("task_1").expect("gone");
    plan.edit("task_3", "other").expect("changed");
    assert!(matches!(plan.edit("task_9", "x"), Err(Problem::NoTask { .. })));
    assert!(matches!(plan.add(task("x"), Some("task_9")), Err(Problem::NoTask { .. })));
    assert_eq!(plan.tasks.len(), 1);
}

proptest! {
    #[test]
    fn a_plan_that_was_taken_can_be_done_to_its_end(
        edges in prop::collection::vec((0usize..8, 0usize..8), 0..12), count in 1usize..8,
    ) {
        let tasks: Vec<Value> = (0..count)
            .map(|index| {
                let before: Vec<usize> =
                    edges.iter().filter(|(task, before)| *task == index && *before < count).map(|(_, before)| *before).collect();
                json!({"description": "x", "depends_on": before})
            })
            .collect();
        let mut plan = Plan::default();
        if plan.create(written(Value::Array(tasks))).is_ok() {
            for _ in 0..count {
                let next = plan.ready().first().map(|task| task.id.clone()).expect("one is ready");
                plan.update(&next, Status::Completed, None).expect("done");
            }
            prop_assert!(plan.tasks.iter().all(|task| task.status == Status::Completed));
        }
    }
}
