//! `NO_PROXY`: the servers to connect to without the proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

use super::endpoint::Endpoint;

/// Servers to connect to directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Entry>);

/// One entry; with a port, only for that port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Network(IpNet),
    /// A domain and all names below it.
    Domain(String),
}

impl NoProxy {
    /// Parses a list with commas or white space between its entries, each with or without a port: `*`, an address, a
    /// network such as `10.0.0.0/8`, or a name, which includes those below it, with or without a leading dot. Names are
    /// not resolved to compare their addresses.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(text.split([',', ' ', '\t', '\n', '\r']).filter(|entry| !entry.is_empty()).map(Entry::of).collect())
    }

    /// Whether a server is in the list.
    #[must_use]
    pub fn names(&self, server: &Endpoint) -> bool {
        let ip: Option<IpAddr> = server.host.parse().ok();
        let name = server.host.trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|entry| entry.port.is_none_or(|port| port == server.port) && entry.hosts.hold(&name, ip))
    }
}

impl Entry {
    fn of(text: &str) -> Self {
        if let Some(network) = network(text) {
            return Self { hosts: Hosts::Network(network), port: None };
        }
        let split = text.rsplit_once(':').and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
        let (host, port) = split.unwrap_or((text, None));
        let hosts = match host {
            "*" => Hosts::All,
            _ => network(host).map_or_else(|| Hosts::Domain(domain(host)), Hosts::Network),
        };
        Self { hosts, port }
    }
}

impl Hosts {
    fn hold(&self, name: &str, ip: Option<IpAddr>) -> bool {
        match (self, ip) {
            (Self::All, _) => true,
            (Self::Network(network), Some(ip)) => network.contains(&ip.to_canonical()),
            (Self::Domain(domain), None) => {
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

/// A network, or an address as the smallest one.
fn network(text: &str) -> Option<IpNet> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| bare.parse().ok().map(|ip: IpAddr| IpNet::from(ip.to_canonical())))
}

/// A name as in URLs: in lower case and ASCII.
fn domain(text: &str) -> String {
    let name = text.strip_prefix('*').unwrap_or(text).trim_matches('.');
    Host::parse(name).map_or_else(|_| name.to_ascii_lowercase(), |host| host.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str, host: &str, port: u16) -> bool {
        NoProxy::read(list).names(&Endpoint { host: host.into(), port, secure: false })
    }

    #[test]
    fn names_stand_for_what_is_below_them_addresses_and_networks_for_addresses() {
        for (list, host) in [
            ("example.org", "example.org"),
            ("example.org", "chat.Example.org."),
            (".example.org", "example.org"),
            ("*.example.org", "chat.example.org"),
            ("localhost, bücher.example", "xn--bcher-kva.example"),
            ("*", "anything"),
            ("*", "::1"),
            ("127.0.0.1", "127.0.0.1"),
            ("10.0.0.0/8 192.0.2.7", "10.255.0.1"),
            ("::1", "::1"),
            ("[2001:db8::]/32,[::1]", "::1"),
            ("2001:db8::/32", "2001:db8::7"),
        ] {
            assert!(names(list, host, 80), "{list} names {host}");
        }
        for (list, host) in [
            ("", "example.org"),
            (",", "example.org"),
            ("example.org", "badexample.org"),
            ("chat.example.org", "example.org"),
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.0/99", "10.0.0.1"),
            ("1", "127.0.0.1"),
            ("0.0.0.0/0", "example.org"),
            ("::/0", "127.0.0.1"),
        ] {
            assert!(!names(list, host, 80), "{list} does not name {host}");
        }
    }

    #[test]
    fn an_entry_with_a_port_holds_for_that_port_only() {
        for (list, host) in
            [("h:8080", "h"), ("127.0.0.1:8080", "127.0.0.1"), ("[::1]:8080", "::1"), ("*:8080", "any.example")]
        {
            assert!(names(list, host, 8080), "{list}");
            assert!(!names(list, host, 8081), "{list}");
        }
    }
}
