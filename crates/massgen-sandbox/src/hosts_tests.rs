use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn list(hosts: &[&str]) -> Vec<AllowedHost> {
    hosts.iter().map(|host| host.parse().expect("a host")).collect()
}

fn allowed(hosts: &[&str], target: &str) -> bool {
    is_allowed(&list(hosts), &Target::from_text(target, None).expect("a target"))
}

#[test]
fn a_name_allows_itself_at_the_ports_of_the_web() {
    for target in ["example.org:443", "example.org:80", "EXAMPLE.org.:443"] {
        assert!(allowed(&["Example.org"], target), "{target}");
    }
    for target in
        ["example.org:22", "a.example.org:443", "example.org.evil.net:443", "notexample.org:443", "org:443"]
    {
        assert!(!allowed(&["example.org"], target), "{target}");
    }
}

#[test]
fn a_star_allows_all_names_below_and_not_the_name_itself() {
    for target in ["a.example.org:443", "a.b.example.org:443"] {
        assert!(allowed(&["*.example.org"], target), "{target}");
    }
    for target in ["example.org:443", "notexample.org:443", "a.example.org.evil.net:443", "a.example.org:22"]
    {
        assert!(!allowed(&["*.example.org"], target), "{target}");
    }
}

#[test]
fn a_port_in_the_list_is_the_only_one() {
    assert!(allowed(&["example.org:8443", "[::1]:99"], "example.org:8443"));
    assert!(allowed(&["example.org:8443", "[::1]:99"], "[::1]:99"));
    assert!(!allowed(&["example.org:8443"], "example.org:443"));
}

#[test]
fn an_address_is_allowed_by_itself_alone() {
    assert!(allowed(&["10.0.0.5"], "10.0.0.5:443"));
    assert!(allowed(&["10.0.0.5"], "[::ffff:10.0.0.5]:443"));
    assert!(!allowed(&["*.0.0.example", "example.org"], "10.0.0.5:443"));
}

#[test]
fn what_is_no_host_says_why() {
    let said: Vec<String> = [
        "",
        "*",
        "*.",
        "*.10.0.0.1",
        "a..b",
        "a b",
        "user@example.org",
        "example.org:0",
        "example.org:99999",
        "example.org:",
        "http://example.org",
        "2130706433",
        "127.1",
        "0x7f.0x1",
        "bücher.example",
        "a.*.b",
    ]
    .iter()
    .map(|text| text.parse::<AllowedHost>().expect_err("no host").to_string())
    .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_host_is_written_as_it_is_read() {
    for text in ["example.org", "*.example.org:8443", "10.0.0.5:80", "::1", "[::1]:8080"] {
        let host: AllowedHost = text.parse().expect("a host");
        assert_eq!(host.to_string(), text);
        let json = serde_json::to_string(&host).expect("written");
        assert_eq!(serde_json::from_str::<AllowedHost>(&json).expect("read"), host);
    }
    assert!(serde_json::from_str::<AllowedHost>("\"*\"").is_err());
}

#[test]
fn names_lead_to_the_internet_only() {
    let may = |address: &str| may_lead_to(&[], address.parse().expect("an address"), 443);
    assert!(may("93.184.216.34") && may("2606:4700::1111"));
    for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd12::1", "224.0.0.1"] {
        assert!(!may(address), "{address}");
    }
    let listed = list(&["127.0.0.1:8080"]);
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert!(may_lead_to(&listed, here, 8080) && !may_lead_to(&listed, here, 8081));
}

proptest! {
    #[test]
    fn whatever_is_read_as_a_target_is_read_again_from_what_is_shown(text in "[a-z0-9.:\\[\\]-]{0,24}") {
        if let Ok(target) = Target::from_text(&text, Some(80)) {
            prop_assert_eq!(Target::from_text(&target.to_string(), None), Ok(target));
        }
    }
}
