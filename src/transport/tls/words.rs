//! Errors of TLS in words, with their remedies, and without the names of Rust's types.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;

use super::verify::is_of_an_authority;

/// Maximum number of a certificate's names that are shown.
const NAMES_SHOWN: usize = 5;

/// An error of TLS in words, with its remedy if there is one.
#[must_use]
pub fn in_words(e: &rustls::Error) -> String {
    use rustls::Error as E;
    match e {
        E::InvalidCertificate(reason) => certificate_in_words(reason),
        E::AlertReceived(rustls::AlertDescription::CertificateRequired) => {
            "the server wants a client certificate: give one with --client-cert and --client-key".to_owned()
        }
        E::AlertReceived(alert) => format!("the server refused the handshake: {}", spaced(&format!("{alert:?}"))),
        E::PeerIncompatible(what) => format!("the server's TLS is incompatible: {}", spaced(&format!("{what:?}"))),
        E::PeerMisbehaved(what) => format!("the server breaks the rules of TLS: {}", spaced(&format!("{what:?}"))),
        E::InvalidMessage(what) => format!("the server's TLS cannot be read: {}", spaced(&format!("{what:?}"))),
        E::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
        other => other.to_string(),
    }
}

fn certificate_in_words(reason: &rustls::CertificateError) -> String {
    use rustls::CertificateError as C;
    let date =
        |at: &UnixTime| humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at.as_secs())).to_string();
    match reason {
        C::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired at {}: renew it, or set this machine's clock", date(not_after))
        }
        C::Expired => "the server's certificate has expired: renew it, or set this machine's clock".to_owned(),
        C::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is not valid before {}: set this machine's clock", date(not_before))
        }
        C::NotValidYet => "the server's certificate is not valid yet: set this machine's clock".to_owned(),
        C::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().take(NAMES_SHOWN).map(|name| unwrapped(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            let expected = expected.to_str();
            format!("the server's certificate is for {names}, not for {expected}: use a name that it has in the URL")
        }
        C::NotValidForName => "the server's certificate is for another name: use its name in the URL".to_owned(),
        C::UnknownIssuer => "no known authority signed the server's certificate, or the server leaves out those \
             between: give the authority's by --ca-file"
            .to_owned(),
        C::BadSignature => "the signature of the server's certificate is wrong".to_owned(),
        C::Revoked => "the server's certificate was revoked".to_owned(),
        authority if is_of_an_authority(authority) => "the server shows an authority's certificate as its own: \
             give exactly that one by --ca-file, or one made for a server"
            .to_owned(),
        C::Other(other) => format!("the server's certificate cannot be used: {}", spaced(&other.to_string())),
        other => {
            let kind = format!("{other:?}");
            let kind = kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            format!("the server's certificate cannot be used: {}", spaced(kind))
        }
    }
}

/// The name inside `DnsName("a.example")`.
fn unwrapped(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, inner)| inner).trim_matches([')', '"'])
}

/// A name in camel case as words: `HandshakeFailure` as "handshake failure".
fn spaced(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut before = ' ';
    for c in name.chars() {
        let c = if c.is_alphanumeric() { c } else { ' ' };
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        if c != ' ' || !words.ends_with(' ') {
            words.extend(c.to_lowercase());
        }
        before = c;
    }
    words.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_errors_are_words_with_a_remedy_and_no_type_names() {
        use rustls::{AlertDescription, CertificateError as C, Error as E};
        let name = rustls::pki_types::ServerName::try_from("chat.example").unwrap();
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (error, words) in [
            (E::InvalidCertificate(C::UnknownIssuer), "--ca-file"),
            (
                E::InvalidCertificate(C::ExpiredContext { time: at(2), not_after: at(1_700_000_000) }),
                "expired at 2023-11-14T22:13:20Z: renew it",
            ),
            (
                E::InvalidCertificate(C::NotValidForNameContext {
                    expected: name,
                    presented: vec!["DnsName(\"a.example\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()],
                }),
                "is for a.example, 127.0.0.1, not for chat.example",
            ),
            (E::InvalidCertificate(C::ApplicationVerificationFailure), "application verification failure"),
            (E::AlertReceived(AlertDescription::CertificateRequired), "--client-cert"),
            (E::AlertReceived(AlertDescription::HandshakeFailure), "handshake failure"),
            (E::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch), "the key does not belong to the certificate"),
        ] {
            let said = in_words(&error);
            assert!(said.contains(words), "{said}");
            assert!(!said.contains(['(', '"']) && !said.contains("::"), "{said}");
        }
    }
}
