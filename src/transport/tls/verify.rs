//! The verifier of servers' certificates.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// The certificates that a server may show. That it holds the key of the one it shows is always verified.
#[derive(Debug)]
pub(super) enum Trust {
    /// Any.
    Any,
    /// Those that browsers accept, and a server's own certificate that was given with `--ca-file`, even if it is an
    /// authority's, as `openssl req -x509` makes them.
    Known {
        /// The system's authorities, and those of `--ca-file`.
        authorities: Arc<WebPkiServerVerifier>,
        /// The certificates of `--ca-file`.
        given: Vec<CertificateDer<'static>>,
    },
}

/// Verifies servers' certificates by `trust`.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Known { authorities, given } = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let verified = authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if given.iter().any(|given| given == end_entity) => pardon(error, end_entity, server_name),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts a given certificate despite errors that do not matter. Its dates matter, and have been checked before this;
/// its names matter, if it has any.
fn pardon(error: Error, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<ServerCertVerified, Error> {
    let Error::InvalidCertificate(reason) = &error else { return Err(error) };
    if is_of_an_authority(reason) {
        let named = rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
        return match named {
            Err(error) => pardon(error, certificate, name),
            Ok(()) => Ok(ServerCertVerified::assertion()),
        };
    }
    match reason {
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            Ok(ServerCertVerified::assertion())
        }
        _ => Err(error),
    }
}

/// Whether a certificate was refused because it is an authority's.
pub(super) fn is_of_an_authority(reason: &CertificateError) -> bool {
    match reason {
        CertificateError::Other(other) => other.to_string().contains("CaUsedAsEndEntity"),
        _ => false,
    }
}
