//! What comes with the program, and how it gets where agents read it.

use std::collections::BTreeMap;

use massgen_config::skill_head;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_folder_comes_with_the_program_and_its_skill_has_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skills");
    let there = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let there = there.filter(|entry| entry.path().join(FILE).exists());
    let there: BTreeMap<String, String> = there
        .map(|entry| {
            let text = fs::read_to_string(entry.path().join(FILE)).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    let known = ALL.iter().map(|shipped| (shipped.name.to_owned(), shipped.text.to_owned()));
    assert_eq!(there, known.collect());
    for shipped in ALL {
        assert_eq!(skill_head(shipped.text).unwrap().name, shipped.name);
    }
}

#[test]
fn those_that_are_named_are_laid_out_whole_also_over_an_older_one() {
    let home = tempfile::tempdir().unwrap();
    let old = home.path().join(".massgen/skills/file-search/SKILL.md");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, "of an older version").unwrap();
    let (folders, warnings) = lay_out(&names(&["file_search", "massgen-config-creator"]), Some(home.path()));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(folders[0], old.parent().unwrap());
    for (folder, name) in folders.iter().zip(["file-search", "massgen-config-creator"]) {
        assert_eq!(fs::read_to_string(folder.join(FILE)).unwrap(), find(name).unwrap().text);
    }
    assert!(!home.path().join(".massgen/skills/evolving-skill-creator").exists(), "nobody asked for it");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let home = tempfile::tempdir().unwrap();
    let (folders, warnings) = lay_out(&names(&["serena"]), Some(home.path()));
    assert!(folders.is_empty());
    let told = "the skill `serena` of `massgen_skills` is not offered: massgen comes with evolving-skill-creator, \
                file-search, massgen-config-creator";
    assert_eq!(warnings, [told]);
    let (folders, warnings) = lay_out(&names(&["file-search"]), None);
    assert!(folders.is_empty());
    let told = "the skill `file-search` of `massgen_skills` is not offered: there is no home directory to lay it out in";
    assert_eq!(warnings, [told]);
}
