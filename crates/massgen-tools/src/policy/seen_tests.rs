use proptest::prelude::*;

use super::*;

fn runs_rm(line: &str) -> bool {
    seen(line).commands.iter().any(|command| command.starts_with("rm x"))
}

#[test]
fn a_command_is_seen_through_what_stands_around_it() {
    for line in [
        "rm x",
        " /bin/rm x",
        "r\\m 'x'",
        "r''\"m\" x",
        "r\\\nm x",
        "A=1 B='2 3' rm x",
        ">log 2>&1 rm x",
        "2>/dev/null rm x",
        "true; rm x",
        "true && rm x",
        "true || rm x",
        "true & rm x",
        "true | rm x",
        "true\nrm x",
        "(rm x)",
        "{ rm x; }",
        "f() { rm x; }; f",
        "! rm x",
        "if true; then rm x; fi",
        "while rm x; do :; done",
        "for f in a; do rm x; done",
        "case a in a) rm x;; esac",
        "ls # a comment; 'open\nrm x",
        "echo $(rm x)",
        "echo \"$(rm x)\"",
        "echo \"$(echo \"$(rm x)\")\"",
        "echo `rm x`",
        "echo `echo \\`rm x\\``",
        "diff <(rm x) >(cat)",
        "echo ${a:-$(rm x)} b",
        "echo $(echo ')' ; rm x)",
    ] {
        assert!(runs_rm(line), "{line}: {:?}", seen(line));
    }
}

#[test]
fn a_command_is_seen_inside_of_programs_that_run_others() {
    for line in [
        "sudo rm x",
        "sudo -u bob -- rm x",
        "sudo -n A=1 rm x",
        "/usr/bin/sudo /bin/rm x",
        "doas rm x",
        "timeout 5 rm x",
        "timeout -k 5 10 rm x",
        "timeout --signal=KILL 5 rm x",
        "env rm x",
        "env -i X=1 rm x",
        "env -u A -C / rm x",
        "env -S 'rm x'",
        "nice rm x",
        "nice -n 5 rm x",
        "nice -5 rm x",
        "nohup rm x &",
        "setsid -f rm x",
        "stdbuf -o0 rm x",
        "time -p rm x",
        "command rm x",
        "command -p rm x",
        "builtin eval rm x",
        "exec rm x",
        "exec -a name rm x",
        "eval rm x",
        "eval 'rm x'",
        "eval \"r\\\"\\\"m x\"",
        "ls | xargs rm x",
        "ls | xargs -I {} -n 1 rm x {}",
        "ls | xargs -0 sh -c 'rm x'",
        "find . -name a -exec rm x {} +",
        "find . -execdir rm x {} \\;",
        "find . -ok rm x \\;",
        "busybox rm x",
        "flock lock rm x",
        "flock -n lock -c 'rm x'",
        "watch 'rm x'",
        "sh -c 'rm x'",
        "bash -lc 'rm x'",
        "bash -o pipefail -ec 'true; rm x'",
        "/bin/sh -c \"sh -c 'rm x'\"",
        "su bob -c 'rm x'",
        "su --command='rm x'",
        "script -qc 'rm x' /dev/null",
        "trap 'rm x' EXIT",
        "sudo env nice timeout 5 sh -c 'nohup rm x'",
        "bash <<EOF\nrm x\nEOF",
    ] {
        assert!(runs_rm(line), "{line}: {:?}", seen(line));
    }
}

#[test]
fn what_is_only_written_is_not_run() {
    for line in [
        "echo rm x",
        "echo 'a; rm x'",
        "echo \"a && rm x\"",
        "echo a\\;rm x",
        "grep 'rm x' file",
        "ls # rm x",
        "cat > rm x",
        "timeout 5 echo rm x",
        "xargs grep rm x",
        "find . -name rm x",
        "command -v rm x",
        "bash script rm x",
        "sh -c 'echo $1' rm x",
        "echo '$(rm x)'",
        "git commit -m \"rm x\"",
    ] {
        let seen = seen(line);
        assert!(!seen.commands.iter().any(|command| command.starts_with("rm x")), "{line}: {seen:?}");
        assert_eq!(seen.clarity, Clarity::Clear, "{line}");
    }
}

#[test]
fn what_cannot_be_seen_is_known() {
    let deep = (0..20).fold("rm x".to_owned(), |line, _| format!("$({line})"));
    for line in
        ["echo 'open", "echo \"open", "echo $(open", "echo `open", "$(echo rm) x", "$'rm' x", "a\\", &deep]
    {
        assert_eq!(seen(line).clarity, Clarity::Unclear, "{line}");
    }
}

#[test]
fn a_line_of_many_words_that_run_others_is_read_soon() {
    let line = "sudo -a ".repeat(20_000);
    assert_eq!(seen(&line).clarity, Clarity::Unclear);
    let line = "$(".repeat(20_000);
    assert_eq!(seen(&line).clarity, Clarity::Unclear);
    let line = "a $(b) ".repeat(20_000);
    assert_eq!(seen(&line).clarity, Clarity::Clear);
}

proptest! {
    #[test]
    fn any_line_is_read_without_harm(line in "[a-c \\\\'\"`$(){}<>;|&#=\n-]{0,60}") {
        let _ = seen(&line);
    }

    #[test]
    fn a_plain_command_is_seen_as_it_is(words in prop::collection::vec("[a-z]{1,6}", 1..6)) {
        let line = words.join(" ");
        prop_assert!(seen(&line).commands.contains(&line));
    }
}
