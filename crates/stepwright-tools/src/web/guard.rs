//! Keeps requests that a model chooses from the machine and its network.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use stepwright_core::error::ErrorCode;
use stepwright_core::{ErrorId, StepError};
use stepwright_http::reqwest::Url;
use stepwright_http::reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks up names, and fails for names with a private address. A connection is made to the
/// addresses that were checked.
pub(super) struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One private address is enough: the connection may use any of them.
            if let Some(private) = found.iter().find(|found| !is_public(found.ip())) {
                let (name, ip) = (name.as_str().to_owned(), private.ip());
                return Err(Box::new(Private { name, ip }).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The error for a name with a private address.
#[derive(Debug)]
struct Private {
    name: String,
    ip: IpAddr,
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, ip } = self;
        write!(f, "`{name}` has the private address {ip}, which this tool may not reach")
    }
}

impl Error for Private {}

/// Checks an address that is a number: it is not looked up.
pub(super) fn check_public(text: &str, url: &Url) -> Result<(), StepError> {
    let host = url.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let Ok(ip) = number else { return Ok(()) };
    if is_public(ip) {
        return Ok(());
    }
    let what = if url.as_str() == text { "it is" } else { "it leads to" };
    let message = format!(
        "`{text}` cannot be fetched: {what} the private address {ip}, which this tool may \
                 not reach"
    );
    let error = StepError::terminal(message).with_code(ErrorCode::Rejected);
    Err(error
        .with_id(ErrorId::HTTP_ADDRESS_REFUSED)
        .with_hint("another address may do; only the settings of the tool allow private ones"))
}

/// Returns `true` for an address of the internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip.is_documentation()
        // "This network", shared addresses of providers, protocol assignments, benchmarks, and
        // those kept for the future.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // Addresses that carry one of the other kind are judged by it.
    if let Some(ip) = inner_v4(ip) {
        return is_public_v4(ip);
    }
    let [a, b, ..] = ip.segments();
    // Only these are assigned to the internet; within them are tunnels and documentation.
    let is_global = (a & 0xe000) == 0x2000;
    let is_special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x3fff;
    is_global && !is_special
}

/// Returns the IPv4 address within an IPv6 address: mapped, compatible, translated (NAT64) or 6to4.
fn inner_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |[high, low]: [u16; 2]| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of([high, low]))
        }
        [0x2002, high, low, ..] => Some(of([high, low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for private in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.169.0.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
