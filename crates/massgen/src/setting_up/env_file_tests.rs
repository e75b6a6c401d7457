use super::*;

fn set(name: &str, value: &str) -> Assignment {
    (name.to_owned(), SecretString::from(value))
}

#[test]
fn a_new_file_says_what_it_is() {
    let text = merged("", &[set("OPENAI_API_KEY", "sk-1")]).unwrap();
    assert_eq!(text, format!("{HEADER}OPENAI_API_KEY=sk-1\n"));
}

#[test]
fn other_lines_are_kept_as_they_are() {
    let old =
        "# mine\r\nA='x y' # why\n\nexport OPENAI_API_KEY = old\nB=2\nOPENAI_API_KEY=never-read\nLAST=1";
    let text = merged(old, &[set("OPENAI_API_KEY", "new"), set("C", "3")]).unwrap();
    assert_eq!(text, "# mine\r\nA='x y' # why\n\nOPENAI_API_KEY=new\nB=2\nLAST=1\nC=3\n");
}

#[test]
fn every_value_is_read_back_as_it_was() {
    let hard = [
        "plain-1_2.3/4+5=6",
        "two words",
        "#no-comment",
        "$HOME and ${HOME}",
        "it's",
        "a\\b",
        "ends in \\",
        "'\"\\$`\\\"'",
        "\"quoted\"",
        "ünïcode ✓",
        " spaces around ",
        "a'#b $c",
    ];
    for value in hard {
        let text = merged("X=1\n", &[set("KEY", value), set("AFTER", "2")]).unwrap();
        let read = variables(&text);
        assert_eq!((read["KEY"].as_str(), read["AFTER"].as_str()), (value, "2"), "{text}");
    }
}

#[test]
fn what_no_line_can_hold_is_refused_without_showing_it() {
    for value in ["", " ", "top\nsecret", "top\u{1b}secret"] {
        let error = merged("", &[set("KEY", value)]).unwrap_err();
        assert_eq!(error, EnvFileError::Unwritable("KEY".to_owned()));
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_value_over_several_lines_is_not_torn() {
    let old = "PEM='first\nOPENAI_API_KEY=not-a-variable\nlast'\n";
    assert_eq!(merged(old, &[set("OPENAI_API_KEY", "new")]), Err(EnvFileError::Entangled));
    let text = merged(old, &[set("GROQ_API_KEY", "new")]).unwrap();
    assert_eq!(text, format!("{old}GROQ_API_KEY=new\n"));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file_afterwards() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/.env");
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    save(&path, &[set("A", "1")]).unwrap();
    assert_eq!(mode(&path), 0o600);
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    save(&path, &[set("B", "2")]).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), format!("{HEADER}A=1\nB=2\n"));
    // Nothing is left beside it.
    assert_eq!(fs_err::read_dir(folder.path().join("deep")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_elsewhere_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join(".env"));
    fs_err::write(&real, "A=1\n").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    save(&link, &[set("B", "2")]).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs_err::read_to_string(&real).unwrap(), "A=1\nB=2\n");
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_key_is_not() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("file"), "").unwrap();
    let failure = save(&folder.path().join("file/.env"), &[set("KEY", "canary-5f1c")]).unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("the keys were not saved to"), "{failure}");
    assert!(!failure.to_string().contains("canary"), "{failure}");
}

#[test]
fn writers_at_the_same_time_lose_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/.env");
    let names: Vec<String> = (0..8).map(|writer| format!("KEY_{writer}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                for round in 0..20 {
                    save(&path, &[set(name, &round.to_string())]).unwrap();
                }
            });
        }
    });
    let found = variables(&fs_err::read_to_string(&path).unwrap());
    for name in &names {
        assert_eq!(found.get(name).map(String::as_str), Some("19"), "{name}");
    }
    assert_eq!(fs_err::read_dir(folder.path().join("deep")).unwrap().count(), 1);
}

#[test]
fn marks_and_ends_of_lines_stay_as_they_are() {
    let text = merged("\u{feff}A=1\r\nB=2\r\n", &[set("A", "new"), set("C", "3")]).unwrap();
    assert_eq!(text, "\u{feff}A=new\r\nB=2\r\nC=3\r\n");
}

#[test]
fn a_line_that_is_not_understood_is_kept_and_one_of_the_same_name_is_mended() {
    let old = "A=1\nTORN=two words\nOPENAI_API_KEY='not closed\nB=2\n";
    let text = merged(old, &[set("OPENAI_API_KEY", "new"), set("C", "3")]).unwrap();
    assert_eq!(text, "A=1\nTORN=two words\nOPENAI_API_KEY=new\nB=2\nC=3\n");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_written_through() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (there, link) = (folder.path().join("there"), folder.path().join(".env"));
    std::os::unix::fs::symlink("there", &link).unwrap();
    let saved = save(&link, &[set("A", "1")]).unwrap();
    assert_eq!(saved, there);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs_err::read_to_string(&there).unwrap(), format!("{HEADER}A=1\n"));
    assert_eq!(fs_err::metadata(&there).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn a_link_that_no_file_can_be_behind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, to) in [("gone", "no/such/folder/.env"), ("loop", "loop")] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(to, &link).unwrap();
        let failure = save(&link, &[set("KEY", "canary-77")]).unwrap_err().to_string();
        assert!(failure.contains("it is a link") && !failure.contains("canary"), "{failure}");
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let failure = save(folder.path(), &[set("KEY", "k")]).unwrap_err();
    assert!(failure.to_string().contains("it is a folder"), "{failure}");
}

#[test]
fn nothing_is_left_of_a_file_that_was_begun_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    save(&path, &[set("KEY", "two\nlines")]).unwrap_err();
    assert!(!path.exists());
}
