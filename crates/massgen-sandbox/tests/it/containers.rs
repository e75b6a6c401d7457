//! Containers, with a program in place of an engine: it keeps what containers there are in a folder, writes down how it is
//! called, and runs commands so that they outlive it, as those in a container do.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use massgen_sandbox::container::{
    Access, AgentContainer, Container, ContainerCall, ContainerMount, ContainerNetwork, Engine, EngineKind,
    Packages, Sudo,
};
use massgen_sandbox::{Error, HowItEnded, Keep, Owner};

use crate::support::{living_in, output};

const FAKE: &str = r#"#!/bin/sh
printf '%s\n' "$*" | tr '\n' ' ' >> "$FAKE/calls"; echo >> "$FAKE/calls"
verb=$1; shift
case $verb in
create)
  while [ $# -gt 0 ]; do
    case $1 in --name) name=$2;; --label) label=${2#*=};; esac
    shift
  done
  [ ! -e "$FAKE/all/$name" ] || { echo "Conflict. The name is in use." >&2; exit 1; }
  echo "$label" > "$FAKE/all/$name"
  # Ids are hexadecimal.
  id=$(printf %s "$name" | od -An -tx1 | tr -d ' \n'); echo "$name" > "$FAKE/ids/$id"; echo "$id";;
start) [ ! -e "$FAKE/broken" ] || { echo "no such runtime" >&2; exit 125; }; : > "$FAKE/up/$1";;
restart) : > "$FAKE/restarted";;
rm)
  for word; do name=$word; done
  [ ! -e "$FAKE/ids/$name" ] || name=$(cat "$FAKE/ids/$name")
  rm -f "$FAKE/all/$name" "$FAKE/up/$name";;
ps) for id in "$FAKE"/ids/*; do [ -e "$FAKE/all/$(cat "$id")" ] && echo "${id##*/}"; done; :;;
inspect) for word; do id=$word; done; cat "$FAKE/all/$(cat "$FAKE/ids/$id")";;
exec)
  while :; do
    case $1 in
    --interactive) shift;;
    --user) shift 2;;
    --workdir) cd "$2" || exit 126; shift 2;;
    --env) case $2 in *=*) export "$2";; esac; shift 2;;
    *) break;;
    esac
  done
  [ -e "$FAKE/up/$1" ] || { echo "Error response from daemon: $1 is not running" >&2; exit 1; }
  shift
  exec 3<&0
  setsid "$@" <&3 3<&- &
  wait $!;;
*) echo "unknown $verb" >&2; exit 1;;
esac
"#;

struct Place {
    engine: Engine,
    fake: PathBuf,
    workspace: PathBuf,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        let (fake, workspace) = (root.join("fake"), root.join("workspace"));
        for made in ["all", "ids", "up"] {
            fs_err::create_dir_all(fake.join(made)).expect("made");
        }
        fs_err::create_dir(&workspace).expect("made");
        let program = root.join("docker");
        fs_err::write(&program, FAKE).expect("written");
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("set");
        let path = std::env::var_os("PATH").expect("a search path");
        let environment = [("PATH".into(), path), ("FAKE".into(), fake.clone().into())];
        Self {
            engine: Engine::new(EngineKind::Docker, program, environment),
            fake,
            workspace,
            _folder: folder,
        }
    }

    fn container(&self) -> Container {
        Container {
            agent: "agent_a".to_owned(),
            instance: "run1".to_owned(),
            image: "debian:stable".to_owned(),
            network: ContainerNetwork::None,
            memory: None,
            processors: None,
            mounts: vec![ContainerMount {
                host: self.workspace.clone(),
                inside: self.workspace.clone(),
                access: Access::Write,
            }],
            environment: BTreeMap::new(),
            secrets: BTreeMap::from([("TOKEN".to_owned(), "hidden-value".into())]),
            sudo: Sudo::No,
            user: "1000:1000".to_owned(),
            packages: Packages::default(),
        }
    }

    async fn made(&self) -> AgentContainer {
        self.engine.make(self.container(), &me()).await.expect("made")
    }

    fn call(&self, line: &str) -> ContainerCall {
        ContainerCall {
            command: ["/bin/sh", "-c", line].map(Into::into).to_vec(),
            folder: self.workspace.clone(),
            environment: BTreeMap::from([("GREETING".to_owned(), "good day".to_owned())]),
            stdin: b"typed".to_vec(),
            time: Some(Duration::from_mins(1)),
            stdout: Keep::STANDARD,
            stderr: Keep::STANDARD,
        }
    }

    fn calls(&self) -> String {
        fs_err::read_to_string(self.fake.join("calls")).unwrap_or_default()
    }

    fn containers(&self) -> Vec<String> {
        names(&self.fake.join("all"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("listed");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn me() -> Owner {
    Owner::this().expect("this process")
}

#[tokio::test]
async fn commands_run_in_one_container_until_it_is_removed() {
    let place = Place::new();
    let made = place.made().await;
    assert_eq!(place.containers(), ["massgen-agent_a-run1"]);
    for _ in 0..2 {
        let ended =
            made.run(place.call("pwd; echo $GREETING $TOKEN; cat; echo err >&2; exit 3")).await.expect("ran");
        assert_eq!(ended.how, HowItEnded::Exited(3), "{}", output(&ended));
        let expected = format!("{}\ngood day hidden-value\ntyped", place.workspace.display());
        assert_eq!(ended.stdout.text(|_| String::new()), expected);
        assert_eq!(ended.stderr.head, b"err\n");
    }
    made.remove().await.expect("removed");
    assert_eq!(place.containers(), Vec::<String>::new());
    let calls = place.calls();
    assert_eq!(calls.matches("create ").count(), 1, "{calls}");
    assert!(!calls.contains("hidden-value"), "{calls}");
}

#[tokio::test]
async fn the_end_of_time_ends_the_command_in_the_container() {
    let place = Place::new();
    let made = place.made().await;
    // The last one has another environment, as what `sudo` runs.
    let mut call =
        place.call("trap '' TERM; (setsid sleep 300 &); echo ready; env -i /bin/sh -c 'sleep 300; :'");
    call.time = Some(Duration::from_millis(500));
    let ended = made.run(call).await.expect("ran");
    assert_eq!(ended.how, HowItEnded::OutOfTime, "{}", output(&ended));
    assert_eq!(ended.stdout.head, b"ready\n");
    assert_eq!(living_in(&place.workspace), Vec::<String>::new());
    assert!(!place.fake.join("restarted").exists());
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it_and_other_calls_go_on() {
    let place = Place::new();
    let made = place.made().await;
    let other = made.run(place.call("mkfifo pipe; echo from the other > pipe; echo done"));
    let left = async {
        let ended = made
            .run(place.call("while [ ! -p pipe ]; do sleep 0.01; done; setsid sleep 300 >/dev/null 2>&1 &"))
            .await;
        assert_eq!(ended.expect("ran").how, HowItEnded::Exited(0));
        made.run(place.call("cat pipe")).await.expect("ran")
    };
    let (other, read) = tokio::join!(other, left);
    assert_eq!(other.expect("ran").how, HowItEnded::Exited(0));
    assert_eq!(read.stdout.head, b"from the other\n");
    assert_eq!(living_in(&place.workspace), Vec::<String>::new());
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_ends_in_the_container() {
    let place = Place::new();
    let made = place.made().await;
    let run = tokio::time::timeout(Duration::from_millis(500), made.run(place.call("sleep 300")));
    assert!(run.await.is_err());
    let gone = async {
        while !living_in(&place.workspace).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("all are gone");
}

#[tokio::test]
async fn an_image_that_cannot_look_for_processes_is_started_anew() {
    let place = Place::new();
    let made = place.made().await;
    // The container is no longer up, so nothing can be run in it to end a command.
    let mut call = place.call(&format!("rm {}/up/*; exec sleep 1", place.fake.display()));
    call.time = Some(Duration::from_millis(300));
    made.run(call).await.expect("ran");
    assert!(place.fake.join("restarted").exists(), "{}", place.calls());
}

#[tokio::test]
async fn leftovers_of_the_dead_are_removed_and_those_of_the_living_stay() {
    let place = Place::new();
    let made = place.made().await;
    let label = fs_err::read_to_string(place.fake.join("all/massgen-agent_a-run1")).expect("read");
    let (front, _began) = label.trim().rsplit_once(':').expect("an owner");
    // The same process number, begun at another time: somebody else's.
    fs_err::write(place.fake.join("all/massgen-agent_a-old"), format!("{front}:1\n")).expect("written");
    fs_err::write(place.fake.join("ids/abcde"), "massgen-agent_a-old").expect("written");
    fs_err::write(place.fake.join("all/strange"), "of somebody else").expect("written");
    fs_err::write(place.fake.join("ids/abcdef"), "strange").expect("written");
    assert_eq!(place.engine.remove_leftovers(&me()).await.expect("removed"), ["abcde"]);
    let mut left = place.containers();
    left.sort();
    assert_eq!(left, ["massgen-agent_a-run1", "strange"]);
    drop(made);
    let gone = async {
        while place.containers().len() > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("a dropped container is removed");
}

#[tokio::test]
async fn a_container_that_does_not_start_is_not_left_and_says_why() {
    let place = Place::new();
    fs_err::write(place.fake.join("broken"), "").expect("written");
    let error = place.engine.make(place.container(), &me()).await.expect_err("refused");
    assert!(matches!(error, Error::Container { .. }), "{error}");
    assert_eq!(error.to_string(), "docker could not start a container: no such runtime");
    assert_eq!(place.containers(), Vec::<String>::new());
    let nowhere = Engine::new(EngineKind::Podman, "/nowhere/podman".into(), []);
    let error = nowhere.make(place.container(), &me()).await.expect_err("refused");
    assert!(error.to_string().starts_with("podman could not make a container: "), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn docker_is_taken_before_podman_and_only_from_the_search_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = || {
        let path = format!("relative:{}", folder.path().display());
        Engine::find([("PATH".into(), path.into())]).map(|engine| engine.kind())
    };
    assert_eq!(found(), None);
    for (name, kind) in [("podman", EngineKind::Podman), ("docker", EngineKind::Docker)] {
        fs_err::write(folder.path().join(name), "").expect("written");
        assert_ne!(found(), Some(kind), "{name} is no program yet");
        fs_err::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o755)).expect("set");
        assert_eq!(found(), Some(kind));
    }
}

#[tokio::test]
async fn packages_are_installed_before_the_first_command() {
    let place = Place::new();
    let tools = place.workspace.join("tools");
    fs_err::create_dir(&tools).expect("made");
    let pip = tools.join("pip");
    fs_err::write(&pip, format!("#!/bin/sh\necho \"$@\" > {}/installed\n", place.fake.display()))
        .expect("written");
    fs_err::set_permissions(&pip, PermissionsExt::from_mode(0o755)).expect("set");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("a search path"));
    let environment = [("PATH".into(), path.into()), ("FAKE".into(), place.fake.clone().into())];
    let engine = Engine::new(EngineKind::Docker, place.fake.with_file_name("docker"), environment);
    let packages = Packages { python: vec!["numpy".to_owned()], ..Packages::default() };
    let container = Container { packages, network: ContainerNetwork::Bridge, ..place.container() };
    let made = engine.make(container, &me()).await.expect("made");
    let installed = fs_err::read_to_string(place.fake.join("installed")).expect("installed");
    assert!(installed.trim().ends_with("numpy"), "{installed}");
    made.remove().await.expect("removed");
}
