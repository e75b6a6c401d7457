use serde_json::json;

use crate::testing::House;

#[tokio::test]
async fn a_plan_lives_in_the_workspace() {
    let house = House::new();
    let tasks = json!([{"id": "a", "description": "one", "verification": "it works"}, {"description": "two", "depends_on": ["a"]}]);
    let made = house.json("create_task_plan", json!({"tasks": tasks})).await;
    assert_eq!((&made["success"], &made["operation"]), (&json!(true), &json!("create_task_plan")));
    let done = house
        .json("update_task_status", json!({"task_id": "a", "status": "completed", "completion_notes": "n"}))
        .await;
    assert_eq!(done["newly_ready_tasks"][0]["id"], "task_2");
    house.json("add_task", json!({"description": "three", "after_task_id": "a"})).await;
    house.json("edit_task", json!({"task_id": "task_2", "description": "2"})).await;
    insta::assert_snapshot!(house.read("ws/tasks/plan.json"));
    assert_eq!(
        house.json("get_ready_tasks", json!({})).await["ready_tasks"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(house.json("get_blocked_tasks", json!({})).await["blocked_tasks"], json!([]));
    house.json("delete_task", json!({"task_id": "task_3"})).await;
    assert_eq!(house.json("get_task_plan", json!({})).await["summary"]["total_tasks"], 2);
    assert!(house.not_ok("create_task_plan", json!({"tasks": ["x"]})).await.contains("exists already"));
    house.json("clear_task_plan", json!({})).await;
    house.json("create_task_plan", json!({"tasks": ["x"]})).await;
}

#[tokio::test]
async fn a_plan_file_that_somebody_broke_is_told() {
    let house = House::new();
    house.write("ws/tasks/plan.json", "no plan");
    assert!(house.not_ok("get_task_plan", json!({})).await.contains("mend it"));
}

#[tokio::test]
async fn calls_at_the_same_time_lose_no_task() {
    let house = House::new();
    house.json("create_task_plan", json!({"tasks": ["x"]})).await;
    let calls = (0..20).map(|number| house.json("add_task", json!({"description": number.to_string()})));
    futures::future::join_all(calls).await;
    assert_eq!(house.json("get_task_plan", json!({})).await["summary"]["total_tasks"], 21);
}
