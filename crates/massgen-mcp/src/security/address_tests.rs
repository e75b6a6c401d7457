use super::*;

fn told(url: &str, security: &ServerSecurity) -> String {
    check_url(url, security).unwrap_err().to_string()
}

#[test]
fn services_of_the_world_may_be_reached() {
    for url in ["https://search.parallel.ai/mcp", "http://example.org:8080/a?b=c", "https://[2606:4700::1]/"]
    {
        check_url(url, &ServerSecurity::default()).expect(url);
    }
}

#[test]
fn this_machine_is_reached_only_if_allowed_however_it_is_written() {
    let allowed = ServerSecurity { allow_localhost: true, ..ServerSecurity::default() };
    for url in [
        "http://localhost:8000/mcp",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
    ] {
        assert!(told(url, &ServerSecurity::default()).contains("this machine"), "{url}");
        check_url(url, &allowed).expect(url);
    }
    let private = ServerSecurity { allow_private_ips: true, ..ServerSecurity::default() };
    told("http://127.0.0.1/", &private);
}

#[test]
fn local_networks_are_reached_only_if_allowed() {
    let allowed = ServerSecurity { allow_private_ips: true, ..ServerSecurity::default() };
    for url in [
        "http://10.0.0.1/",
        "http://172.16.3.4/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest",
        "http://100.64.0.1/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/",
    ] {
        assert!(told(url, &ServerSecurity::default()).contains("local network"), "{url}");
        check_url(url, &allowed).expect(url);
    }
    let localhost = ServerSecurity { allow_localhost: true, ..ServerSecurity::default() };
    told("http://10.0.0.1/", &localhost);
}

#[test]
fn addresses_that_nobody_has_are_refused_always() {
    let all = ServerSecurity { allow_localhost: true, allow_private_ips: true, ..ServerSecurity::default() };
    for url in ["http://224.0.0.1/", "http://255.255.255.255/", "http://[ff02::1]/", "http://[2001:db8::1]/"]
    {
        assert!(told(url, &all).contains("no address of a service"), "{url}");
    }
}

#[test]
fn hosts_that_are_named_may_be_reached_whatever_they_are() {
    let named =
        ServerSecurity { allowed_hostnames: vec!["10.0.0.1".to_owned()], ..ServerSecurity::default() };
    check_url("http://10.0.0.1/", &named).expect("named");
    told("http://10.0.0.2/", &named);
    check_url("https://example.org/", &named).expect("naming one takes nothing from the others");
}

#[test]
fn addresses_of_other_kinds_are_refused_and_hold_no_secret_in_the_reason() {
    let security = ServerSecurity::default();
    for url in ["ftp://canary@x/", "file:///etc/canary", "canary", "http://", "http://x/\ncanary"] {
        assert!(!told(url, &security).contains("canary"), "{url}");
    }
    for port in [22, 23, 25, 53, 135, 139, 445, 1433, 1521, 3306, 3389, 5432, 6379] {
        assert!(told(&format!("http://example.org:{port}/"), &security).contains(&port.to_string()));
    }
    told(&format!("https://example.org/{}", "x".repeat(2048)), &security);
}

#[test]
fn headers_are_judged_without_being_told() {
    let judged = |name: &str, value: &str| {
        check_headers(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
            .map_err(|refused| refused.to_string())
    };
    judged("Authorization", "Bearer x").expect("fine");
    for (name, value) in [("X-A", "canary\r\nX-B: 1"), ("X A", "canary"), ("", "canary"), ("Host", "canary")]
    {
        assert!(!judged(name, value).unwrap_err().contains("canary"));
    }
    assert!(judged("Mcp-Session-Id", "x").unwrap_err().contains("protocol"));
    judged("X", &"x".repeat(1001)).unwrap_err();
    judged(&"X".repeat(101), "x").unwrap_err();
}
