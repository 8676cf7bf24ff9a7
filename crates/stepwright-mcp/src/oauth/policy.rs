//! The addresses that the documents of a server can lead to.
//!
//! A server names its authorization server, and that one names further addresses. A server of the
//! internet must not make this machine send requests into its own network.

use std::net::{IpAddr, SocketAddr};
use stepwright_http::reqwest::Url;
use stepwright_http::reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of the internet.
    Public,
    /// All: the MCP server itself is on this machine or in its network.
    All,
}

impl Reach {
    /// Returns the addresses to which the documents of this server can lead.
    pub(super) fn of(server: &Url) -> Self {
        let is_local = match server.host_str() {
            Some("localhost") => true,
            Some(host) => literal(host).is_some_and(|ip| !is_public(ip)),
            None => false,
        };
        if is_local { Self::All } else { Self::Public }
    }

    /// Returns `true` if requests to this host may be sent. Names are judged when they resolve.
    pub(super) fn allows(self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        self == Self::All || literal(host).is_none_or(is_public)
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|found| reach == Self::All || is_public(found.ip())).collect();
            if allowed.is_empty() {
                let why = format!("`{}` is not an address of the internet", name.as_str());
                return Err(why.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Returns `true` for an address of the internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || is_shared
                || first == 0
                || first >= 240)
        }
        IpAddr::V6(ip) => match ip.to_ipv4() {
            // An address of version 4 in the clothes of version 6, and `::1`.
            Some(within) => is_public(IpAddr::V4(within)),
            None => {
                !(ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_the_internet_leads_to_no_address_of_this_network() {
        let server = |url: &str| Reach::of(&url.parse().unwrap());
        let reach = server("https://mcp.example.org/mcp");
        assert_eq!(reach, Reach::Public);
        for url in [
            "http://127.0.0.1/x",
            "http://10.0.0.7/x",
            "http://192.168.1.1/x",
            "http://169.254.169.254/latest",
            "http://100.64.0.1/x",
            "http://0.0.0.0/x",
            "http://[::1]/x",
            "http://[::ffff:127.0.0.1]/x",
            "http://[fd00::1]/x",
            "http://[fe80::1]/x",
        ] {
            assert!(!reach.allows(&url.parse().unwrap()), "{url}");
        }
        assert!(reach.allows(&"https://93.184.216.34/x".parse().unwrap()));
        assert!(reach.allows(&"https://[2606:4700::1111]/x".parse().unwrap()));
        for url in ["http://localhost:8080/mcp", "http://127.0.0.1:1/mcp", "http://10.0.0.7/mcp"] {
            assert_eq!(server(url), Reach::All, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused() {
        let resolved = Reach::Public.resolve("localhost".parse().unwrap()).await;
        assert!(resolved.is_err());
        assert!(Reach::All.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
