//! What a command uses up, and how it ends.

use std::time::Duration;

use massgen_sandbox::{HowItEnded, Mechanism};

use crate::support::{Place, living_in, mechanisms, output};

/// Two processes start two each, and so on: a bomb that ends by itself at 511 processes, so that a sandbox which fails to
/// stop it does not take the machine down with it. Each of the last ones leaves a line.
const BOMB: &str = "bomb() { [ $1 -gt 0 ] && { bomb $(($1-1)) & bomb $(($1-1)) & } || { echo x >> last; sleep 3; }; wait; }; bomb 8";

#[tokio::test]
async fn a_fork_bomb_does_not_grow() {
    let place = Place::new().await;
    let last = place.workspace.join("last");
    for mechanism in mechanisms(&place.sandbox) {
        fs_err::write(&last, "").expect("written");
        let mut call = place.call(mechanism, BOMB);
        call.policy.limits.processes = Some(64);
        // The system refuses it more processes, or the supervisor ends it: root is not held to the number, and how far
        // its bomb comes until it is counted depends on the machine. Its last processes wait, so it is counted in time.
        let ended = place.run(call).await;
        let grown = fs_err::read_to_string(&last).expect("read").lines().count();
        let is_ended = output(&ended).contains("64 are allowed");
        assert!(grown < 256 || is_ended, "{mechanism}: {}", output(&ended));
        assert_ne!(ended.how, HowItEnded::OutOfTime, "{mechanism}: {}", output(&ended));
        assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
    }
}

#[tokio::test]
async fn memory_of_all_processes_together_is_bounded() {
    let place = Place::new().await;
    let line = "for i in 1 2 3 4; do python3 -c \"x=bytearray(60_000_000); import time; time.sleep(30)\" & done; wait";
    for mechanism in mechanisms(&place.sandbox) {
        let mut call = place.call(mechanism, line);
        call.policy.limits.memory = Some(150_000_000);
        let ended = place.run(call).await;
        assert!(output(&ended).contains("of memory"), "{mechanism}: {}", output(&ended));
    }
}

#[tokio::test]
async fn a_file_does_not_grow_beyond_its_limit() {
    let place = Place::new().await;
    for mechanism in mechanisms(&place.sandbox) {
        let mut call = place.call(mechanism, "head -c 3000000 /dev/zero > big");
        call.policy.limits.file_size = Some(1_000_000);
        let ended = place.run(call).await;
        assert_ne!(ended.how, HowItEnded::Exited(0), "{mechanism}");
        let size = fs_err::metadata(place.workspace.join("big")).expect("there").len();
        assert_eq!(size, 1_000_000, "{mechanism}");
    }
}

#[tokio::test]
async fn a_child_that_makes_a_session_of_its_own_does_not_outlive_the_call() {
    let place = Place::new().await;
    let sandboxes = [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat();
    for mechanism in sandboxes {
        let line = "setsid sh -c 'echo started > started; sleep 300' >/dev/null 2>&1 & while [ ! -e started ]; do sleep 0.01; done; setsid sh -c 'setsid sleep 301 &' & exit 0";
        let _ = fs_err::remove_file(place.workspace.join("started"));
        let ended = place.run(place.call(mechanism, line)).await;
        assert_eq!(ended.how, HowItEnded::Exited(0), "{mechanism}: {}", output(&ended));
        assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
    }
}

#[tokio::test]
async fn the_end_of_time_ends_the_whole_call() {
    let place = Place::new().await;
    let sandboxes = [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat();
    for mechanism in sandboxes {
        let mut call = place.call(mechanism, "trap '' TERM; echo before; (setsid sleep 300 &) ; sleep 300");
        call.time = Some(Duration::from_millis(600));
        let ended = place.run(call).await;
        assert_eq!(ended.how, HowItEnded::OutOfTime, "{mechanism}");
        assert_eq!(ended.stdout.head, b"before\n", "{mechanism}");
        assert_eq!(living_in(&place.workspace), Vec::<String>::new(), "{mechanism}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends() {
    let place = Place::new().await;
    let sandboxes = [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat();
    for mechanism in sandboxes {
        let _ = fs_err::remove_file(place.workspace.join("pipe"));
        let call = place.call(mechanism, "mkfifo pipe; (setsid sleep 300 &); cat pipe");
        let run = tokio::time::timeout(Duration::from_millis(800), place.run(call));
        assert!(run.await.is_err(), "{mechanism}");
        // The supervisor ends the call after it was told; its end is the end of all of them.
        let gone = async {
            while !living_in(&place.workspace).is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("all are gone");
    }
}

#[tokio::test]
async fn a_hundred_megabytes_of_output_stay_small_in_memory() {
    let place = Place::new().await;
    for mechanism in mechanisms(&place.sandbox) {
        let ended = place.run(place.call(mechanism, "head -c 100000000 /dev/zero; echo end >&2")).await;
        assert_eq!(ended.stdout.total(), 100_000_000, "{mechanism}");
        assert_eq!(ended.stdout.head.len() + ended.stdout.tail.len(), 128 * 1024);
        assert_eq!(ended.stderr.head, b"end\n");
    }
}

#[tokio::test]
async fn a_process_that_uses_too_much_processor_time_is_ended_and_that_is_said() {
    let place = Place::new().await;
    let sandboxes = [mechanisms(&place.sandbox), vec![Mechanism::Unconfined]].concat();
    for mechanism in sandboxes {
        let mut call = place.call(mechanism, "while :; do :; done");
        call.policy.limits.processor_time = Some(Duration::from_secs(1));
        let ended = place.run(call).await;
        let said = output(&ended);
        assert_eq!(ended.how, HowItEnded::Exited(152), "{mechanism}: {said}");
        assert!(said.contains("more than 1 seconds of processor time"), "{mechanism}: {said}");
        // Who does not listen is ended all the same, and the rest of the call goes on.
        let mut call = place.call(mechanism, "(trap '' XCPU; while :; do :; done); echo $?");
        call.policy.limits.processor_time = Some(Duration::from_secs(1));
        let ended = place.run(call).await;
        assert_eq!(ended.stdout.head, b"137\n", "{mechanism}: {}", output(&ended));
    }
}
