//! Which addresses may be dialled. A webhook URL is configuration, but names change hands and resolve to anything.
//!
//! Vetting happens where the connection is made: [`Resolver`] hands on only permitted addresses, so there is no gap
//! between a check and a use. Addresses written into the URL never reach a resolver and are vetted before it.
//! Never here: the request itself. Read next: `webhook/sender.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, last: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, last), prefix)
}

/// The IANA special-purpose registry, as far as nothing in it is a receiver on the public internet.
const SPECIAL_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    // Looks public, but is the host agent of every virtual machine in Azure.
    v4(168, 63, 129, 16, 32),
];

/// All of IPv6 that is routed between networks; whatever is outside of it is special.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// Special ranges, those inside [`GLOBAL_V6`] and those an operator may want to name.
const SPECIAL_V6: &[Ipv6Net] = &[
    v6(0, 0, 0, 1, 128),
    v6(0x64, 0xff9b, 1, 0, 48),
    v6(0x100, 0, 0, 0, 64),
    // IETF protocol assignments, Teredo (2001::/32) and benchmarking among them.
    v6(0x2001, 0, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 0, 32),
    v6(0x3fff, 0, 0, 0, 20),
    v6(0xfc00, 0, 0, 0, 7),
    v6(0xfe80, 0, 0, 0, 10),
    v6(0xfec0, 0, 0, 0, 10),
    v6(0xff00, 0, 0, 0, 8),
];

const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 0, 96);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 0, 16);

/// Whether the address is one of the public internet. An IPv4 address in an IPv6 coat (mapped, NAT64, 6to4) is judged
/// by the IPv4 address that is reached in the end.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(inner) => is_public(IpAddr::V4(inner)),
            None => GLOBAL_V6.contains(&ip) && !SPECIAL_V6.iter().any(|net| net.contains(&ip)),
        },
    }
}

/// The IPv4 address that a translator or relay takes out of this one.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = ip.octets();
    if NAT64.contains(&ip) {
        return Some(Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]));
    }
    SIX_TO_FOUR.contains(&ip).then(|| Ipv4Addr::new(bytes[2], bytes[3], bytes[4], bytes[5]))
}

/// The range to name in order to allow this address.
fn network_of(address: IpAddr) -> IpNet {
    let named = match address {
        IpAddr::V4(ip) => SPECIAL_V4.iter().find(|net| net.contains(&ip)).copied().map(IpNet::V4),
        IpAddr::V6(ip) => SPECIAL_V6.iter().find(|net| net.contains(&ip)).copied().map(IpNet::V6),
    };
    named.unwrap_or_else(|| IpNet::from(address))
}

/// What an endpoint may be: public, or in one of the networks its operator named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPolicy {
    /// Ranges permitted although they are not public.
    pub allow: Vec<IpNet>,
}

/// An endpoint is at an address that may not be dialled. The sentence says how to permit it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{host} is at {address}, which is not a public address; if that is meant, put `allow_networks = [\"{network}\"]` on the endpoint"
)]
pub struct AddressRefused {
    host: String,
    address: IpAddr,
    network: IpNet,
}

impl AddressRefused {
    fn new(host: &str, address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { host: host.to_owned(), address, network: network_of(address) }
    }
}

impl AddressPolicy {
    /// Whether this address may be dialled.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allow.iter().any(|net| net.contains(&address))
    }

    /// Vets a host that is written as an address; every other host is vetted when it is resolved.
    /// The URL parser has already turned decimal, octal, hex and short forms into the usual one.
    ///
    /// # Errors
    /// When it may not be dialled.
    pub fn vet_literal(&self, url: &Url) -> Result<(), AddressRefused> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if !self.permits(address) => Err(AddressRefused::new(host, address)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn vet_resolved(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, AddressRefused> {
        let refused = addresses.iter().map(SocketAddr::ip).find(|ip| !self.permits(*ip));
        let permitted: Vec<SocketAddr> = addresses.into_iter().filter(|a| self.permits(a.ip())).collect();
        match refused {
            Some(address) if permitted.is_empty() => Err(AddressRefused::new(host, address)),
            Some(_) | None => Ok(permitted),
        }
    }
}

/// Resolves names with the system's resolver and hands on only what the policy permits.
pub(super) struct Resolver(pub(super) AddressPolicy);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let permitted = policy.vet_resolved(host, found)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
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
}
