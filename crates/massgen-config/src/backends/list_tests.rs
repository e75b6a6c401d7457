use super::*;
use crate::Source;

fn no_more(_: &BackendType, _: &str) -> ModelFacts {
    ModelFacts::default()
}

#[test]
fn the_list_fits_a_narrow_terminal() {
    insta::assert_snapshot!(table(Backends::built_in(), 80));
}

#[test]
fn the_list_uses_a_wide_terminal() {
    insta::assert_snapshot!(table(Backends::built_in(), 120));
}

#[test]
fn no_line_is_longer_than_the_terminal_and_no_cell_runs_into_the_next() {
    let text = "backends:\n  groq: {default_model: a-name/that-is/longer-than-any-column-of-the-list, \
                models: {averylongnameofamodelwithoutanyplacewhereitcouldbebrokenintotwopartsoflinesofthelistitself: }}";
    let extended = Backends::built_in().extended(&Source::new("models.yaml", text)).unwrap();
    for width in [20, 80, 100, 103, 104, 110, 120, 200] {
        let list = table(&extended, width);
        let room = width.clamp(NARROWEST, WIDEST);
        for line in list.lines().filter(|line| !line.contains("averylong")) {
            assert!(textwrap::core::display_width(line) <= room, "{width}: {line}");
        }
        // The second column begins at the same place in every row.
        let rows = list.lines().skip(3).take_while(|line| !line.is_empty());
        for line in rows.filter(|line| !line.starts_with(' ')) {
            let (before, after) = line.split_at(KIND + GAP);
            assert!(before.ends_with("  ") && !after.starts_with(' '), "{width}: {line}");
        }
    }
}

#[test]
fn more_than_eight_models_are_counted() {
    let list = table(Backends::built_in(), 140);
    assert!(list.contains("o4-mini") || list.contains("(+8 more)"), "{list}");
    assert!(list.contains("(+1 more)"), "{list}");
}

#[test]
fn every_field_is_in_the_json() {
    let list = json(Backends::built_in(), &no_more);
    let types = list["backends"].as_array().unwrap();
    assert_eq!(types.len(), Backends::built_in().types().len());
    let find = |name: &str| types.iter().find(|one| one["type"] == name).unwrap();
    insta::assert_json_snapshot!(["claude", "moonshot", "vllm"].map(find));
    assert_eq!(list["hosts"]["moonshot.cn"], json!(["MOONSHOT_API_KEY", "KIMI_API_KEY"]));
}

#[test]
fn a_price_that_nobody_knows_is_null_and_the_users_wins_over_the_catalogue() {
    let text = "backends: {openai: {models: {gpt-5.2: {price: {input: 1, output: 2.5}}}}}";
    let extended = Backends::built_in().extended(&Source::new("models.yaml", text)).unwrap();
    let catalogue = |_: &BackendType, model: &str| {
        let price = Price { input: 7, output: 7, cached_input: 7, cache_write: 7 };
        ModelFacts {
            context_window: Some(9),
            max_output_tokens: None,
            price: (model != "gpt-5.4").then_some(price),
        }
    };
    let list = json(&extended, &catalogue);
    let openai = list["backends"].as_array().unwrap().iter().find(|one| one["type"] == "openai").unwrap();
    let models = openai["models"].as_array().unwrap();
    let find = |name: &str| models.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(find("gpt-5.4")["price"], Value::Null);
    assert_eq!(find("gpt-5.2")["context_window"], 9);
    let price = json!({"input": 1.0, "cached_input": 1.0, "cache_write": 1.0, "output": 2.5});
    assert_eq!(find("gpt-5.2")["price"], price);
}
