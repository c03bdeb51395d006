//! Which addresses are public, in every spelling of an address that a URL or a resolver can give.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn url(text: &str) -> Url {
    text.parse().expect("a URL")
}

#[test]
fn nothing_special_is_public() {
    let special = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "2001::1",
        "2001:0:808:808::",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        "::169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1:ffff::1",
        "64:ff9c::1",
        "2002:a9fe:a9fe::1",
        "2002:6440:1::1",
        "2001:0:7f00:1::1",
        "ff0e::1",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
        "4000::1",
        "e000::1",
    ];
    for address in special {
        assert!(!is_public(ip(address)), "{address}");
    }
}

#[test]
fn what_is_next_to_a_special_range_is_public() {
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.17",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
        "2001:200::1",
        "3ffe:ffff::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ];
    for address in public {
        assert!(is_public(ip(address)), "{address}");
    }
}

#[test]
fn an_operator_may_name_networks_and_only_those_open() {
    let allow = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network")).to_vec();
    let policy = AddressPolicy { allow };
    for permitted in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "8.8.8.8"] {
        assert!(policy.permits(ip(permitted)), "{permitted}");
    }
    for refused in ["127.0.0.1", "192.168.0.1", "fc00::1", "64:ff9b::10.1.2.3"] {
        assert!(!policy.permits(ip(refused)), "{refused}");
    }
}

#[test]
fn an_address_in_the_url_is_vetted_in_every_spelling() {
    let policy = AddressPolicy::default();
    let spellings = [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://user@127.0.0.1/",
        "http://１２７.0.0.1/",
        "http://0/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://127.0.0.1.:8080/",
        "http://127%2e0%2e0%2e1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[::127.0.0.1]/",
    ];
    for text in spellings {
        assert!(policy.vet_literal(&url(text)).is_err(), "{text}");
    }
    for text in ["http://1.1.1.1/", "http://[2606:4700:4700::1111]/", "https://shop.example/"] {
        assert!(policy.vet_literal(&url(text)).is_ok(), "{text}");
    }
}

#[test]
fn a_refusal_names_the_line_that_would_allow_it() {
    let policy = AddressPolicy::default();
    let lines = [
        ("http://10.1.2.3/", "allow_networks = [\"10.0.0.0/8\"]"),
        ("http://[::1]/", "allow_networks = [\"::1/128\"]"),
        ("http://[fd00::5]/", "allow_networks = [\"fc00::/7\"]"),
        ("http://[64:ff9b::10.1.2.3]/", "allow_networks = [\"64:ff9b::a01:203/128\"]"),
    ];
    for (text, line) in lines {
        let refusal = policy.vet_literal(&url(text)).expect_err("not public");
        assert!(refusal.to_string().contains(line), "{refusal}");
        let allow = vec![refusal.network];
        assert!(AddressPolicy { allow }.vet_literal(&url(text)).is_ok(), "{text}");
    }
}

#[test]
fn only_the_permitted_addresses_of_a_name_are_handed_on() {
    let policy = AddressPolicy::default();
    let at = |text: &str| SocketAddr::new(ip(text), 0);
    let mixed = policy.vet_resolved("a.example", vec![at("10.0.0.1"), at("1.1.1.1")]);
    assert_eq!(mixed, Ok(vec![at("1.1.1.1")]));
    let private = policy.vet_resolved("a.example", vec![at("10.0.0.1"), at("::1")]);
    assert_eq!(private, Err(AddressRefused::new("a.example", ip("10.0.0.1"))));
}

#[test]
fn what_is_no_address_of_one_kind_is_no_url() {
    for text in
        ["http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://256.0.0.1/", "http://4294967296/", "http://0x/x"]
    {
        let url = text.parse::<Url>();
        assert!(
            url.as_ref().is_err() || AddressPolicy::default().vet_literal(url.as_ref().expect("read")).is_err(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_name_is_vetted_by_what_it_resolves_to_in_every_spelling() {
    for host in ["localhost", "LOCALHOST", "localhost."] {
        let name = host.parse().expect("a name");
        // A machine whose resolver does not know a spelling refuses it as well.
        assert!(Resolver(AddressPolicy::default()).resolve(name).await.is_err(), "{host}");
    }
    let policy = AddressPolicy { allow: vec!["127.0.0.0/8".parse().expect("a network")] };
    let handed: Vec<SocketAddr> =
        Resolver(policy).resolve("localhost".parse().expect("a name")).await.expect("allowed").collect();
    assert!(!handed.is_empty() && handed.iter().all(|a| a.ip() == ip("127.0.0.1")), "{handed:?}");
}
