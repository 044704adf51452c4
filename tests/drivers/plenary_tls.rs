//! The driver over TLS: a private authority, an unknown one, and none at all.

use std::path::PathBuf;
use std::sync::Arc;

use crate::scripted_server::{ScriptedServer, answer, driver, settings, switching_protocols, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{EndReason, FailureKind, FrameKind, Initiator};
use soakrig::protocol::{Connection, Driver, Ended, Outgoing, Progress, Session};
use soakrig::transport::tls::ClientCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A TLS proxy in front of a scripted server, and the certificate file of its authority.
pub(crate) struct Secured {
    pub(crate) url: String,
    pub(crate) ca_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Secured {
    /// The file alone, which is then kept.
    fn keep(self) -> PathBuf {
        let _ = self._folder.keep();
        self.ca_file
    }
}

pub(crate) async fn secure(server: &ScriptedServer) -> Secured {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    present(server, certificate.der().clone(), &key, authority.der()).await
}

/// A server with a certificate that it signed itself, as `openssl req -x509` makes it: an
/// authority's, and given as `--ca-file`.
async fn self_signed(server: &ScriptedServer, names: &[&str], change: fn(&mut CertificateParams)) -> Secured {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    present(server, certificate.der().clone(), &key, certificate.der()).await
}

/// A TLS proxy that presents `certificate`, and a file of the certificates to trust.
async fn present(
    server: &ScriptedServer,
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    trusted: &[u8],
) -> Secured {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem(trusted)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    serve(server, config, ca_file, folder).await
}

async fn serve(
    server: &ScriptedServer,
    config: rustls::ServerConfig,
    ca_file: PathBuf,
    folder: tempfile::TempDir,
) -> Secured {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let behind = server.port;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut front) = acceptor.accept(stream).await else { return };
                let mut back = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
            });
        }
    });
    Secured { url, ca_file, _folder: folder }
}

fn verifying(secured: &Secured) -> Plenary {
    let mut settings = settings(&secured.url);
    settings.connection.tls.insecure_skip_verify = false;
    settings.connection.tls.ca_file = Some(secured.ca_file.clone());
    Plenary::new(settings).unwrap()
}

fn key_pem(der: &[u8]) -> String {
    pem(der).replace("CERTIFICATE", "PRIVATE KEY")
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

async fn server() -> ScriptedServer {
    ScriptedServer::start(|request, mut stream: TcpStream| async move {
        if request.header("upgrade").is_none() {
            let page = r#"window.__INITIAL_STATE__ = {"plenary": {"open": true}, "auth": {"is_authenticated": true, "id": 1}};"#;
            return answer(stream, "200 OK", &[], page).await;
        }
        let large = format!(r#"{{"payload": {{"members": ["{}"]}}, "type": "presence"}}"#, "x".repeat(200_000));
        stream.write_all(&[switching_protocols(&request).as_bytes(), &text(&large)].concat()).await.unwrap();
        // One masked heartbeat: two bytes of header, four of mask, eleven of text.
        stream.read_exact(&mut [0; 17]).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_configured() {
    let secured = secure(&server().await).await;
    works(verifying(&secured)).await;
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_the_one_given() {
    let server = server().await;
    for names in [&["localhost"][..], &[]] {
        works(verifying(&self_signed(&server, names, |_| {}).await)).await;
    }
    let mut shown = self_signed(&server, &["localhost"], |_| {}).await;
    shown.ca_file = self_signed(&server, &["localhost"], |_| {}).await.keep();
    let failure = verifying(&shown).open(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.detail.contains("--ca-file"), "{failure}");
}

/// A server that requires a client certificate, and a certificate and key that it accepts.
async fn mutual(server: &ScriptedServer) -> (Secured, ClientCertificate) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let own = file("own.pem", pem(certificate.der()));
    let client = ClientCertificate { certificate: own.clone(), key: file("own.key", key_pem(&key.serialize_der())) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (serve(server, config, own, folder).await, client)
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_one_given() {
    let server = server().await;
    let (secured, client) = mutual(&server).await;
    let mut showing = settings(&secured.url);
    showing.connection.tls.client = Some(client.clone());
    works(Plenary::new(showing).unwrap()).await;
    let failure = driver(&secured.url).open(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.detail.contains("--client-cert"), "{failure}");
    let mut swapped = settings(&secured.url);
    swapped.connection.tls.client = Some(ClientCertificate { certificate: client.key, key: client.certificate });
    let error = Plenary::new(swapped).err().unwrap().to_string();
    assert!(error.contains("own.key") && error.contains("--client-cert"), "{error}");
}

#[tokio::test]
async fn a_given_certificate_still_needs_its_name_and_its_dates() {
    let server = server().await;
    let expired: fn(&mut CertificateParams) = |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let early: fn(&mut CertificateParams) = |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1);
    for (names, change, words) in [
        (&["other.example"][..], (|_| {}) as fn(&mut CertificateParams), "is for other.example, not for localhost"),
        (&["localhost"], expired, "expired at 2020-01-01T00:00:00Z"),
        (&["localhost"], early, "not valid before 2090-01-01T00:00:00Z"),
    ] {
        let failure = verifying(&self_signed(&server, names, change).await).open(&mut Session::default()).await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls);
        assert!(failure.detail.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn an_unknown_authority_is_a_tls_failure_unless_verification_is_off() {
    let secured = secure(&server().await).await;
    let mut strict = settings(&secured.url);
    strict.connection.tls.insecure_skip_verify = false;
    let strict = Plenary::new(strict).unwrap();
    let failure = strict.open(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    assert!(failure.detail.contains("no known authority") && failure.detail.contains("--ca-file"), "{failure}");
    assert_eq!(strict.connect(&mut Session::default()).await.unwrap_err().kind, FailureKind::Tls);
    works(Plenary::new(settings(&secured.url)).unwrap()).await;
}

#[tokio::test]
async fn plain_http_behind_an_https_url_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let driver = Plenary::new(settings(&url)).unwrap();
    assert_eq!(driver.connect(&mut Session::default()).await.unwrap_err().kind, FailureKind::Tls);
}

/// The page and a whole conversation.
async fn works(driver: Plenary) {
    driver.open(&mut Session::default()).await.unwrap();
    let mut socket = driver.connect(&mut Session::default()).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.is_empty() {
        socket.drive(|received| kinds.extend(received.kind)).await;
    }
    assert_eq!(kinds, [FrameKind::Presence]);
    assert!(socket.begin(Outgoing::Heartbeat));
    let mut written = false;
    loop {
        match socket.drive(|_| {}).await {
            Progress::Written => written = true,
            Progress::Ended(end) => {
                assert_eq!(end, Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame });
                break;
            }
            _ => {}
        }
    }
    assert!(written);
}
