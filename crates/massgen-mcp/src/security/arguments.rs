//! Arguments of calls.

use serde_json::{Map, Value};

use super::Refused;

/// Levels of objects and lists, the arguments themselves being the first.
const DEPTH: usize = 5;
/// Keys of one object.
const KEYS: usize = 100;
/// Items of one list.
const ITEMS: usize = 1000;
/// Characters of one text, and of all arguments together as JSON.
const CHARACTERS: usize = 15_000;
/// The same for tools that write files.
const FILE_CHARACTERS: usize = 50_000;
/// The same for tools that give tasks to agents.
const TASK_CHARACTERS: usize = 100_000;

/// Judges the arguments of a call of `tool`, as its server names it.
///
/// # Errors
/// They are not allowed; the reason, for the model.
pub fn check_arguments(tool: &str, arguments: &Map<String, Value>) -> Result<(), Refused> {
    let most = characters(tool);
    check_object(arguments, 1, most)?;
    let total = serde_json::to_string(arguments).map_or(usize::MAX, |text| text.chars().count());
    if total > most {
        return Err(Refused::new(format!(
            "the arguments have {total} characters together, at most {most} are allowed"
        )));
    }
    Ok(())
}

fn characters(tool: &str) -> usize {
    match tool {
        "write_file" | "edit_file" => FILE_CHARACTERS,
        "spawn_subagents" => TASK_CHARACTERS,
        _ => CHARACTERS,
    }
}

fn check_object(object: &Map<String, Value>, depth: usize, most: usize) -> Result<(), Refused> {
    if object.len() > KEYS {
        let count = object.len();
        return Err(Refused::new(format!("an object has {count} keys, at most {KEYS} are allowed")));
    }
    object.iter().try_for_each(|(key, value)| {
        check_text(key, most)?;
        check_value(value, depth, most)
    })
}

/// `depth` is the level that `value` stands in.
fn check_value(value: &Value, depth: usize, most: usize) -> Result<(), Refused> {
    let deeper = || {
        if depth == DEPTH {
            return Err(Refused::new(format!("the arguments nest deeper than {DEPTH} levels")));
        }
        Ok(depth + 1)
    };
    match value {
        Value::Object(object) => check_object(object, deeper()?, most),
        Value::Array(items) => {
            let depth = deeper()?;
            if items.len() > ITEMS {
                let count = items.len();
                return Err(Refused::new(format!("a list has {count} items, at most {ITEMS} are allowed")));
            }
            items.iter().try_for_each(|item| check_value(item, depth, most))
        }
        Value::String(text) => check_text(text, most),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str, most: usize) -> Result<(), Refused> {
    let length = text.chars().count();
    if length > most {
        return Err(Refused::new(format!("a text has {length} characters, at most {most} are allowed")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(tool: &str, arguments: &Value) -> Result<(), String> {
        check_arguments(tool, arguments.as_object().expect("an object"))
            .map_err(|refused| refused.to_string())
    }

    #[test]
    fn arguments_nest_five_levels_deep() {
        judged("x", &json!({"a": {"b": {"c": {"d": 1}}}})).expect("four levels");
        judged("x", &json!({"a": {"b": {"c": [{"d": 1}]}}})).expect("five levels");
        insta::assert_snapshot!(judged("x", &json!({"a": {"b": {"c": [{"d": []}]}}})).unwrap_err(), @"the arguments nest deeper than 5 levels");
    }

    #[test]
    fn objects_and_lists_have_a_size() {
        let object =
            |count: usize| json!({"o": (0..count).map(|n| (n.to_string(), json!(1))).collect::<Map<_, _>>()});
        judged("x", &object(100)).expect("as many as allowed");
        insta::assert_snapshot!(judged("x", &object(101)).unwrap_err(), @"an object has 101 keys, at most 100 are allowed");
        judged("x", &json!({"l": vec![1; 1000]})).expect("as many as allowed");
        insta::assert_snapshot!(judged("x", &json!({"l": vec![1; 1001]})).unwrap_err(), @"a list has 1001 items, at most 1000 are allowed");
    }

    #[test]
    fn texts_have_a_length_that_depends_on_the_tool() {
        let text = |length: usize| json!({"t": "x".repeat(length)});
        judged("x", &text(14_000)).expect("short enough");
        insta::assert_snapshot!(judged("x", &text(15_001)).unwrap_err(), @"a text has 15001 characters, at most 15000 are allowed");
        insta::assert_snapshot!(judged("x", &text(15_000)).unwrap_err(), @"the arguments have 15008 characters together, at most 15000 are allowed");
        judged("write_file", &text(49_000)).expect("files are longer");
        judged("write_file", &text(50_001)).unwrap_err();
        judged("spawn_subagents", &text(99_000)).expect("tasks are longer still");
        judged("spawn_subagents", &text(100_001)).unwrap_err();
    }
}
