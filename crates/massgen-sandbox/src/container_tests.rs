use super::*;

fn container() -> Container {
    Container {
        agent: "agent_a".to_owned(),
        instance: "20260101_1 x".to_owned(),
        image: "debian:stable".to_owned(),
        network: ContainerNetwork::None,
        memory: None,
        processors: None,
        mounts: vec![
            ContainerMount { host: "/work/a b".into(), inside: "/work/a b".into(), access: Access::Write },
            ContainerMount { host: "/work/peers".into(), inside: "/work/peers".into(), access: Access::Read },
        ],
        environment: BTreeMap::from([("PIP_CACHE_DIR".to_owned(), "/work/a b/.cache/pip".to_owned())]),
        secrets: BTreeMap::from([("GITHUB_TOKEN".to_owned(), "hidden-value".into())]),
        sudo: Sudo::No,
        user: "1000:1000".to_owned(),
        packages: Packages::default(),
    }
}

fn owner() -> Owner {
    "machine:boot:pid[1]:42:100".parse().expect("an owner")
}

fn shown(line: &[OsString]) -> String {
    let words = line.iter().map(|word| {
        let word = word.to_string_lossy();
        let word = if word == END { "<end.sh>".into() } else { word };
        if word.contains([' ', '\n']) { format!("'{}'", word.replace('\n', "; ")) } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ").replace(" --", "\n  --")
}

fn call() -> ContainerCall {
    ContainerCall {
        command: ["/bin/sh", "-c", "make test"].map(OsString::from).to_vec(),
        folder: "/work/a b".into(),
        environment: BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned())]),
        stdin: Vec::new(),
        time: None,
        stdout: crate::Keep::STANDARD,
        stderr: crate::Keep::STANDARD,
    }
}

#[test]
fn a_closed_container_of_docker_and_all_that_is_done_with_it() {
    let container = container();
    let lines = [
        container.create(EngineKind::Docker, &owner()),
        container.start(),
        container.exec(&call(), "1-2."),
        container.end("1-2."),
        container.restart(),
        remove(&container.name()),
        list(),
        whose("0123abcd"),
    ];
    insta::assert_snapshot!(lines.map(|line| shown(&line)).join("\n"));
}

#[test]
fn an_open_container_of_podman_with_bounds_sudo_and_packages() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut container = Container {
        network: ContainerNetwork::Bridge,
        memory: Some("2g".to_owned()),
        processors: Some(1.5),
        sudo: Sudo::Yes,
        packages: Packages {
            python: names(&["numpy<2"]),
            npm: names(&["vite"]),
            system: names(&["jq", "file"]),
        },
        ..container()
    };
    assert_eq!(container.check(), Ok(()));
    let mut lines = vec![container.create(EngineKind::Podman, &owner())];
    lines.extend(container.install());
    lines.push(container.end("1-2."));
    container.sudo = Sudo::No;
    container.network = ContainerNetwork::Host;
    lines.push(container.create(EngineKind::Podman, &owner()));
    let lines: Vec<_> = lines.iter().map(|line| shown(line)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn no_line_and_no_debug_text_shows_a_secret() {
    let container = container();
    let lines = [container.create(EngineKind::Docker, &owner()), container.exec(&call(), "1-2.")];
    assert!(lines.iter().flatten().all(|word| !word.to_string_lossy().contains("hidden-value")));
    assert!(!format!("{container:?}").contains("hidden-value"));
    let environment = [("OPENAI_API_KEY".into(), "hidden-value".into())];
    let engine = Engine::new(EngineKind::Docker, "/usr/bin/docker".into(), environment);
    assert!(!format!("{engine:?}").contains("hidden-value"));
}

#[test]
fn what_an_engine_could_misunderstand_is_refused() {
    let mount = |path: &str| ContainerMount { host: path.into(), inside: path.into(), access: Access::Read };
    let secret = |name: &str| BTreeMap::from([(name.to_owned(), SecretString::from("x"))]);
    let packages = Packages { python: vec!["numpy".to_owned()], ..Packages::default() };
    let system = Packages { system: vec!["jq".to_owned()], ..Packages::default() };
    let flag = Packages { python: vec!["--index-url=http://evil".to_owned()], ..Packages::default() };
    let bridge = ContainerNetwork::Bridge;
    let cases = [
        Container { image: "--privileged".to_owned(), ..container() },
        Container { image: "a b".to_owned(), ..container() },
        Container { memory: Some("2g --privileged".to_owned()), ..container() },
        Container { memory: Some("-1".to_owned()), ..container() },
        Container { processors: Some(0.0), ..container() },
        Container { mounts: vec![mount("relative")], ..container() },
        Container { mounts: vec![mount("/a,source=/")], ..container() },
        Container { secrets: secret("DOCKER_HOST"), ..container() },
        Container { secrets: secret("A=B"), ..container() },
        Container { environment: BTreeMap::from([(MARK.to_owned(), String::new())]), ..container() },
        Container { packages, ..container() },
        Container { packages: system, network: bridge, ..container() },
        Container { packages: flag, network: bridge, ..container() },
    ];
    let said: Vec<_> = cases.iter().map(|case| case.check().expect_err("refused").to_string()).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn credentials_are_shown_where_the_image_looks_for_them() {
    let home = Path::new("/home/u");
    let mounts = Credential::ALL.map(|(_, word, _)| {
        let mount = word.parse::<Credential>().expect("a kind").mount(home);
        assert_eq!(mount.access, Access::Read);
        format!("{word}: {} -> {}", mount.host.display(), mount.inside.display())
    });
    insta::assert_snapshot!(mounts.join("\n"));
    assert!("aws".parse::<Credential>().is_err());
    assert_eq!("bridge".parse(), Ok(ContainerNetwork::Bridge));
    assert!("full".parse::<ContainerNetwork>().is_err());
}

#[test]
fn caches_lie_in_the_given_folder() {
    let caches = caches(Path::new("/w/.cache")).expect("UTF-8");
    assert_eq!(caches.get("XDG_CACHE_HOME").map(String::as_str), Some("/w/.cache"));
    assert!(caches.values().all(|place| place.starts_with("/w/.cache")));
    assert_eq!(caches.len(), 8);
}
