//! Values of the connection options: headers, fixed addresses, reconnects.

use std::net::IpAddr;
use std::str::FromStr;

use super::error::ValueError;
use super::given::{Given, Value};
use super::time::Span;
use crate::model::{Reconnect, Secret};
use crate::transport::resolve::Resolve;

/// A header as given, or `@FILE`. Parsing never fails, because an error would show its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderText(pub Secret);

impl FromStr for HeaderText {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self(Secret::new(text)))
    }
}

/// The URL of a proxy as given, or `@FILE`. Parsing never fails, because an error would show a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyText(pub Secret);

impl FromStr for ProxyText {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self(Secret::new(text)))
    }
}

/// `HOST:PORT:ADDR`, with more addresses after commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveText(pub Resolve);

impl FromStr for ResolveText {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        read_resolve(text).map(Self).ok_or_else(|| {
            ValueError::new("not HOST:PORT:ADDR; give one such as chat.example.org:443:192.0.2.7 or h:443:[::1]")
        })
    }
}

fn read_resolve(text: &str) -> Option<Resolve> {
    let (host, rest) = text.split_once(':')?;
    let (port, addresses) = rest.split_once(':')?;
    let address = |text: &str| {
        let text = text.trim();
        text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>().ok()
    };
    let addresses = addresses.split(',').map(address).collect::<Option<Vec<_>>>()?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    // Spelled as in the target's URL: in lower case and ASCII.
    let host = host.trim_end_matches('.');
    let host = url::Host::parse(host).map_or_else(|_| host.to_ascii_lowercase(), |host| host.to_string());
    (!host.is_empty()).then_some(Resolve { host, port, addresses })
}

impl FromStr for Reconnect {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "backoff" => Ok(Self::Backoff),
            "immediate" => Ok(Self::Immediate),
            _ => match text.strip_prefix("fixed:").map(str::parse::<Span>) {
                Some(wait) => wait.map(|wait| Self::Fixed(wait.get())),
                None => Err(ValueError::new("neither backoff nor immediate nor a wait such as fixed:5s")),
            },
        }
    }
}

/// Lists: a repeated flag, an array in the file, one line per member in the environment.
macro_rules! lines {
    ($($ty:ty),+) => {$(
        impl Value for Vec<$ty> {
            fn read(given: &Given) -> Result<Self, ValueError> {
                match given {
                    Given::One(text) => {
                        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::parse).collect()
                    }
                    Given::Many(texts) => texts.iter().map(|text| text.parse()).collect(),
                }
            }
        }
    )+};
}

lines!(HeaderText, ResolveText);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fixed_address_is_host_port_and_addresses() {
        let read = |text: &str| text.parse::<ResolveText>().map(|text| text.0);
        let resolve = read("Chat.example:443:192.0.2.7,[::1]").unwrap();
        assert_eq!((resolve.host.as_str(), resolve.port), ("chat.example", 443));
        assert_eq!(resolve.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(read("Bücher.example:443:192.0.2.7").unwrap().host, "xn--bcher-kva.example");
        for text in ["", "h", "h:1", "h:0:::1", "h:x:127.0.0.1", ":1:127.0.0.1", "h:1:", "h:1:name"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("h:1:::1").unwrap().addresses, ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn users_come_back_as_told() {
        assert_eq!("backoff".parse(), Ok(Reconnect::Backoff));
        assert_eq!("immediate".parse(), Ok(Reconnect::Immediate));
        assert_eq!("fixed:5s".parse(), Ok(Reconnect::Fixed(Duration::from_secs(5))));
        for text in ["", "fixed", "fixed:", "fixed:5", "at once"] {
            assert!(text.parse::<Reconnect>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_variable_holds_a_list_in_lines_and_no_header_shows_its_value() {
        let read = Vec::<HeaderText>::read(&Given::One("A: s3cret, x\n\nB: 2\n".into())).unwrap();
        assert_eq!(read.iter().map(|text| text.0.reveal()).collect::<Vec<_>>(), ["A: s3cret, x", "B: 2"]);
        assert!(!format!("{read:?}").contains("s3cret"));
    }
}
