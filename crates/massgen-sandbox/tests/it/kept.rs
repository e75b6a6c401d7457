//! Parts of trees that stay as they are, or closed, inside of what a command may change.

use massgen_sandbox::{Error, HowItEnded, Mechanism};

use crate::support::{Place, mechanisms, output};

#[tokio::test]
async fn what_is_around_something_protected_is_not_moved_away() {
    let place = Place::new().await;
    let kept = place.workspace.join("a/b/kept");
    fs_err::create_dir_all(&kept).expect("made");
    fs_err::write(kept.join("file"), "as it was").expect("written");
    for mechanism in mechanisms(&place.sandbox) {
        let line = "mv a moved; mv a/b moved; mv a/b/kept moved; rm -rf a; mkdir -p a/b/kept; echo new > a/b/kept/file; \
                    echo x > a/b/beside && echo worked";
        let mut call = place.call(mechanism, line);
        call.policy.protected = vec![kept.clone()];
        match mechanism {
            Mechanism::Landlock => {
                let refused = place.sandbox.run(call).await.expect_err("refused");
                assert!(matches!(refused, Error::CannotProtect { .. }), "{refused}");
            }
            Mechanism::Bubblewrap | Mechanism::Unconfined => {
                let ended = place.run(call).await;
                let said = output(&ended);
                assert!(said.contains("worked"), "{said}");
                assert_eq!(fs_err::read_to_string(kept.join("file")).expect("there"), "as it was", "{said}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_masked_is_not_read_and_not_moved_to_where_it_could_be() {
    let place = Place::new().await;
    let (folder, file) = (place.workspace.join("deep/secrets"), place.peers.join("answer.txt"));
    fs_err::create_dir_all(&folder).expect("made");
    fs_err::write(folder.join("key"), "gold").expect("written");
    for mechanism in mechanisms(&place.sandbox) {
        let line = format!(
            "cat deep/secrets/key; ls deep/secrets; cat {}; mv deep moved; mv deep/secrets moved; echo x > deep/secrets/x; \
             cat moved/secrets/key moved/key; echo x > deep/beside && echo worked",
            file.display()
        );
        let mut call = place.call(mechanism, &line);
        call.policy.masked = vec![folder.clone(), file.clone()];
        match mechanism {
            Mechanism::Landlock => {
                let refused = place.sandbox.run(call).await.expect_err("refused");
                assert!(matches!(refused, Error::CannotMask { .. }), "{refused}");
            }
            Mechanism::Bubblewrap | Mechanism::Unconfined => {
                let ended = place.run(call).await;
                let said = output(&ended);
                assert_eq!(ended.how, HowItEnded::Exited(0), "{said}");
                assert!(said.contains("worked"), "{said}");
                assert!(!said.contains("gold") && !said.contains("of a peer"), "{said}");
                assert_eq!(fs_err::read_to_string(folder.join("key")).expect("there"), "gold");
                assert!(!folder.join("x").exists(), "{said}");
            }
        }
    }
}
