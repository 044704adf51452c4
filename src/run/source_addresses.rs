//! Checks the local addresses of `--source-ip` before the ramp.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use tokio::net::TcpSocket;

use crate::error::StartError;

/// Any port will do, because nothing is sent.
const ANY_PORT: u16 = 9;

/// Checks that this machine can connect from each of `sources`.
///
/// # Errors
/// Names the first address that it cannot connect from, and the remedy.
pub(crate) fn are_ours(sources: &[IpAddr]) -> Result<(), StartError> {
    for source in sources {
        let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        socket.and_then(|socket| socket.bind(SocketAddr::new(*source, 0))).map_err(|error| {
            StartError::environment(
                format!("--source-ip {source}"),
                format!("connections cannot come from this address: {error}"),
            )
            .remedy("give addresses of this machine; `ip address` lists them")
        })?;
    }
    Ok(())
}

/// Checks that each of `sources` has a route to one of the target's addresses. Sends nothing.
///
/// # Errors
/// Names the first address without a route, and the remedy.
pub(crate) fn reach(sources: &[IpAddr], targets: &[IpAddr]) -> Result<(), StartError> {
    for source in sources {
        let mut why = None;
        let reached = targets.iter().any(|target| match way(*source, *target) {
            Ok(()) => true,
            Err(error) => {
                why = Some(format!("there is no route from this address to {target}: {error}"));
                false
            }
        });
        if let (false, Some(why)) = (reached, why) {
            return Err(StartError::environment(format!("--source-ip {source}"), why)
                .remedy("give addresses of this machine that can reach the target; see `ip route get`"));
        }
    }
    Ok(())
}

/// Asks the system for a route; connecting a datagram socket sends nothing.
fn way(source: IpAddr, target: IpAddr) -> std::io::Result<()> {
    if source.is_ipv4() != target.is_ipv4() {
        return Err(std::io::Error::other("one is IPv4, the other IPv6"));
    }
    UdpSocket::bind(SocketAddr::new(source, 0))?.connect(SocketAddr::new(target, ANY_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_of_another_machine_is_refused_by_name() {
        // 192.0.2.0/24 and 203.0.113.0/24 are for documentation.
        let error = are_ours(&[ip("127.0.0.2"), ip("203.0.113.77")]).unwrap_err();
        assert_eq!(error.code(), ExitCode::Environment);
        let said = error.to_string();
        assert!(said.contains("--source-ip 203.0.113.77") && said.contains("remedy: give addresses of this machine"));
        are_ours(&[ip("127.0.0.2")]).unwrap();
    }

    #[test]
    fn a_source_needs_a_way_to_one_of_the_targets_addresses() {
        reach(&[ip("127.0.0.2")], &[ip("127.9.9.9")]).unwrap();
        reach(&[ip("127.0.0.2")], &[ip("::1"), ip("127.9.9.9")]).unwrap();
        let error = reach(&[ip("127.0.0.2")], &[ip("::1")]).unwrap_err();
        assert!(error.to_string().contains("--source-ip 127.0.0.2"), "{error}");
        // Loopback addresses have routes to loopback addresses only.
        let error = reach(&[ip("127.0.0.2")], &[ip("198.51.100.1")]).unwrap_err();
        assert!(error.to_string().contains("no route from this address to 198.51.100.1"), "{error}");
    }

    #[test]
    fn a_target_without_a_known_address_is_for_the_connects_to_tell() {
        reach(&[ip("127.0.0.2")], &[]).unwrap();
    }
}
