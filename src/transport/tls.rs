//! The TLS configuration that all connections share.
//!
//! It trusts the system's store, or compiled-in roots if the system has none, and a private authority in addition. It
//! knows no sockets.

mod verify;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use self::verify::{Trust, Verifier};
pub use self::words::in_words;

/// Largest file of authorities that is read, in bytes.
const CA_FILE_LIMIT: u64 = 16 << 20;

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read the CA file {path}: {source}; check --ca-file and the file's permissions")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not a list of certificates.
    #[error(
        "{path} holds no usable certificate ({reason}); --ca-file needs PEM, the format that begins with -----BEGIN CERTIFICATE-----"
    )]
    NotCertificates {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file of our own certificate or key cannot be used.
    #[error("{path}: {reason}; --client-cert and --client-key want PEM files")]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The settings of TLS connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// A PEM file of certificates to trust in addition to the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to accept any certificate.
    pub insecure_skip_verify: bool,
    /// The certificate for servers that ask for one.
    pub client: Option<ClientCertificate>,
}

/// A certificate of our own and its key, each a PEM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and the intermediate ones up to its authority.
    pub certificate: PathBuf,
    /// Its key, without a passphrase.
    pub key: PathBuf,
}

/// The TLS configuration for the target.
///
/// # Errors
/// A file that cannot be read, or does not hold what it should.
pub fn configure(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?.dangerous();
    let trust = match settings.insecure_skip_verify {
        true => Trust::Any,
        false => known(settings.ca_file.as_deref(), Arc::clone(&provider))?,
    };
    let builder = builder.with_custom_certificate_verifier(Arc::new(Verifier { trust, provider }));
    let config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = client_certificate(client)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| TlsError::ClientCertificate { path: client.certificate.clone(), reason: in_words(&e) })?
        }
    };
    Ok(Arc::new(config))
}

/// The configuration with the system's roots, or the compiled-in ones, and those in `ca_file`.
///
/// # Errors
/// A `ca_file` that cannot be read, or holds no certificate.
pub fn trusting(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    configure(&TlsSettings { ca_file: ca_file.map(Path::to_owned), ..TlsSettings::default() })
}

/// A configuration that accepts any certificate; for `--insecure-skip-verify`.
///
/// # Errors
/// None in practice: the library's own defaults are used.
pub fn accept_any() -> Result<Arc<ClientConfig>, TlsError> {
    configure(&TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() })
}

fn known(ca_file: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Trust, TlsError> {
    let mut roots = RootCertStore::empty();
    // Certificates of the system's store that cannot be read or parsed are left out, as in browsers.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let given = match ca_file {
        Some(path) => add_file(&mut roots, path)?,
        None => Vec::new(),
    };
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    // This can only fail for revocation lists, of which there are none.
    let authorities = authorities.map_err(|e| TlsError::Setup(rustls::Error::General(e.to_string())))?;
    Ok(Trust::Known { authorities, given })
}

fn client_certificate(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let unreadable = |path: &Path, reason: String| TlsError::ClientCertificate { path: path.to_owned(), reason };
    let read = |path: &Path| std::fs::read(path).map_err(|e| unreadable(path, e.to_string()));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&client.certificate)?).collect();
    let chain = chain.map_err(|e| unreadable(&client.certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable(&client.certificate, "it holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&client.key)?);
    let key = key.map_err(|_| unreadable(&client.key, "it holds no key in PEM without a passphrase".to_owned()))?;
    Ok((chain, key))
}

/// Adds the certificates of a file to the roots, and returns them.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let useless = |reason: String| TlsError::NotCertificates { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > CA_FILE_LIMIT {
        return Err(useless(format!("{size} bytes are not a list of certificates")));
    }
    let pem = std::fs::read(path).map_err(unreadable)?;
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| useless(e.to_string()))?;
        roots.add(certificate.clone()).map_err(|e| useless(in_words(&e)))?;
        found.push(certificate);
    }
    if found.is_empty() { Err(useless("none found".to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ca_file_names_path_and_remedy() {
        let error = trusting(Some(Path::new("/nowhere/ca.pem"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem") && error.contains("--ca-file"), "{error}");
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a certificate").unwrap();
        let error = trusting(Some(file.path())).unwrap_err();
        assert!(matches!(error, TlsError::NotCertificates { .. }), "{error}");
    }
}
