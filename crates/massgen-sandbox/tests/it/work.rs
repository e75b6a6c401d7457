//! What must still work inside.

use massgen_sandbox::{Error, HowItEnded, Mechanism, Network};

use crate::support::{Place, mechanisms, output};

async fn works(files: &[(&str, &str)], line: &str, said: &str) {
    let place = Place::new().await;
    for mechanism in mechanisms(&place.sandbox) {
        for (name, text) in files {
            let path = place.workspace.join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs_err::write(path, text).expect("written");
        }
        let ended = place.run(place.call(mechanism, line)).await;
        assert_eq!(ended.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&ended));
        assert!(output(&ended).contains(said), "{mechanism}: {}", output(&ended));
    }
}

#[tokio::test]
async fn files_of_peers_are_read_and_own_ones_written() {
    works(&[], "cat ../peers/answer.txt > mine && cat mine && rm mine && echo > /dev/null", "of a peer")
        .await;
}

#[tokio::test]
async fn a_rust_project_is_built_and_tested() {
    let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let code = "#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() { assert_eq!(1 + 1, 2); }\n}\n";
    works(&[("Cargo.toml", manifest), ("src/lib.rs", code)], "cargo test --offline 2>&1", "1 passed").await;
}

#[tokio::test]
async fn a_python_project_is_tested() {
    let test = "import unittest, subprocess, tempfile, os\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        with tempfile.TemporaryDirectory() as d:\n            open(os.path.join(d, 'x'), 'w').write('1')\n        self.assertEqual(subprocess.check_output(['echo', 'hi']), b'hi\\n')\n";
    works(&[("test_small.py", test)], "python3 -m unittest 2>&1", "OK").await;
}

#[tokio::test]
async fn a_node_project_is_tested() {
    let test = "const test = require('node:test'); const { execSync } = require('node:child_process');\ntest('small', () => { if (execSync('echo hi').toString() !== 'hi\\n') throw new Error('no'); });\n";
    works(&[("small.test.js", test)], "node --test 2>&1", "pass 1").await;
}

#[tokio::test]
async fn git_keeps_a_repository_in_the_workspace() {
    let line = "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && git log --oneline";
    works(&[], line, "first").await;
}

#[tokio::test]
async fn the_exit_code_and_both_streams_are_told_apart() {
    let place = Place::new().await;
    let all = [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat();
    for mechanism in all {
        let ended = place.run(place.call(mechanism, "echo out; echo err >&2; exit 7")).await;
        assert_eq!(ended.how, HowItEnded::Exited(7), "{mechanism}");
        assert_eq!(
            (ended.stdout.head.as_slice(), ended.stderr.head.as_slice()),
            (b"out\n".as_slice(), b"err\n".as_slice())
        );
        let ended = place.run(place.call(mechanism, "kill -TERM $$")).await;
        assert_eq!(ended.how, HowItEnded::Exited(143), "{mechanism}");
    }
}

#[tokio::test]
async fn the_network_is_there_when_it_is_given() {
    let place = Place::new().await;
    for mechanism in mechanisms(&place.sandbox) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("its address").port();
        let line = format!("python3 -c \"import socket; socket.create_connection(('127.0.0.1',{port}),2)\"");
        let mut call = place.call(mechanism, &line);
        call.policy.network = Network::Full;
        let ended = place.run(call).await;
        assert_eq!(ended.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&ended));
    }
}

#[tokio::test]
async fn a_protected_path_stays_as_it_is_or_the_call_is_refused() {
    let place = Place::new().await;
    let git = place.workspace.join(".git");
    fs_err::create_dir_all(&git).expect("made");
    for mechanism in mechanisms(&place.sandbox) {
        let mut call = place.call(mechanism, "echo x > .git/config; echo y > beside");
        call.policy.protected.push(git.clone());
        match mechanism {
            Mechanism::Bubblewrap => {
                place.run(call).await;
                assert!(!git.join("config").exists());
                assert!(place.workspace.join("beside").exists());
            }
            Mechanism::Landlock => {
                let refused = place.sandbox.run(call).await;
                assert!(matches!(refused, Err(Error::CannotProtect { .. })), "{refused:?}");
            }
            Mechanism::Unconfined => {}
        }
    }
}

#[tokio::test]
async fn paths_that_are_missing_or_links_are_refused_before_anything_runs() {
    let place = Place::new().await;
    fs_err::os::unix::fs::symlink(&place.outside, place.workspace.join("link")).expect("linked");
    for path in [place.workspace.join("missing"), place.workspace.join("link"), "relative".into()] {
        let mut call = place.call(Mechanism::Unconfined, "true");
        call.policy.writable.push(path);
        assert!(matches!(place.sandbox.run(call).await, Err(Error::Path { .. })));
    }
}

#[tokio::test]
async fn processes_of_python_share_memory_where_that_is_theirs_alone() {
    let place = Place::new().await;
    let test = "import multiprocessing as m\nif __name__ == '__main__':\n    with m.Pool(2) as pool:\n        print(sum(pool.map(abs, [-1, -2])))\n";
    fs_err::write(place.workspace.join("share.py"), test).expect("written");
    for mechanism in mechanisms(&place.sandbox) {
        let ended = place.run(place.call(mechanism, "python3 share.py")).await;
        let works = ended.how == HowItEnded::Exited(0);
        assert_eq!(works, mechanism == Mechanism::Bubblewrap, "{mechanism}: {}", output(&ended));
    }
}
