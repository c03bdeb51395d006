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
mod tests;
