//! The driver through an HTTP proxy: what passes, what the proxy learns, and the messages about its answers.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;

use crate::plenary_tls::secure;
use crate::proxies::{Conduct, ForwardProxy};
use crate::scripted_server::{ScriptedServer, answer, settings, switching_protocols};
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{Failure, FailureKind};
use soakrig::protocol::{Driver, DriverSettings, Session};
use soakrig::transport::no_proxy::NoProxy;
use soakrig::transport::proxy::Proxy;
use soakrig::transport::resolve::Resolve;
use soakrig::transport::tls::TlsSettings;
use tokio::io::AsyncWriteExt;

/// `me:pr0xy-s3cret`.
const CREDENTIALS: &str = "proxy-authorization: Basic bWU6cHIweHktczNjcmV0";

/// Answers pages with 404, and upgrades.
async fn site() -> ScriptedServer {
    ScriptedServer::start(|request, mut stream| async move {
        if request.header("upgrade").is_some() {
            let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        } else {
            answer(stream, "404 Not Found", &[], "").await;
        }
    })
    .await
}

/// Settings for a server that only the proxy knows.
fn through(proxy: &str, target: &str) -> DriverSettings {
    let mut settings = settings(target);
    settings.connection.proxy = Some(Proxy::of(proxy).unwrap());
    settings
}

/// Asks for a page and a socket.
async fn visit(settings: DriverSettings) -> (Failure, Result<(), Failure>) {
    let driver = Plenary::new(settings).unwrap();
    let mut session = Session::default();
    let page = driver.open(&mut session).await.unwrap_err();
    (page, driver.connect(&mut session).await.map(drop))
}

#[tokio::test]
async fn pages_and_sockets_go_through_and_neither_side_learns_the_others_secrets() {
    let server = site().await;
    let conduct = Conduct::TunnelFor(CREDENTIALS);
    let proxy = ForwardProxy::start(&[("chat.test:80", server.port)], conduct).await;
    let with_credentials = proxy.url().replace("//", "//me:pr0xy%2Ds3cret@");
    let mut settings = through(&with_credentials, "http://chat.test/");
    settings.connection.headers =
        HeaderMap::from_iter([("authorization".parse().unwrap(), "Bearer t4rget".parse().unwrap())]);
    settings.connection.source_ips = vec!["127.0.0.9".parse().unwrap()];
    let (page, socket) = visit(settings).await;
    assert_eq!(page.kind, FailureKind::NotFound, "{page}");
    socket.unwrap();
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.requests()[0].header("host"), Some("chat.test"));
    let seen = proxy.seen();
    assert_eq!((proxy.targets(), seen.strange.len()), (vec!["chat.test:80".to_owned(); 2], 0));
    assert!(seen.heads.iter().all(|head| !head.contains("t4rget") && head.contains("host: chat.test:80")), "{seen:?}");
    assert!(seen.inside.contains("t4rget") && !seen.inside.to_lowercase().contains("proxy-"), "{seen:?}");
    assert!(seen.peers.iter().all(|peer| *peer == "127.0.0.9".parse::<IpAddr>().unwrap()), "{seen:?}");
}

#[tokio::test]
async fn a_refusal_is_reported_in_words_without_the_credentials() {
    let server = site().await;
    for (conduct, kind, words) in [
        (Conduct::TunnelFor("proxy-authorization: Basic other"), FailureKind::ProxyRefused, "does not accept the user"),
        (Conduct::Tunnel, FailureKind::ProxyRefused, "HTTP 502 Bad Gateway to CONNECT chat.test:80"),
        (Conduct::Says("HTTP/1.1 403 Go away\r\n\r\n"), FailureKind::ProxyRefused, "only to port 443"),
        (Conduct::Says("HTTP/1.1 302 Found\r\nLocation: http://evil/\r\n\r\n"), FailureKind::ProxyRefused, "HTTP 302"),
        (Conduct::Says(""), FailureKind::ConnectionClosed, ""),
        (Conduct::Says("HTTP/1.1 200"), FailureKind::ConnectionClosed, ""),
        (Conduct::Says("220 mail.test ESMTP\r\n"), FailureKind::BadHttp, ""),
        (Conduct::Says("HTTP/1.1 200 OK\r\n\r\nwelcome"), FailureKind::BadHttp, "after the head"),
        (Conduct::Repeats("HTTP/1.1 200 OK\r\nX-Endless: x\r\n"), FailureKind::BadHttp, ""),
        (Conduct::Repeats("xxxxxxxxxxxxxxxx"), FailureKind::BadHttp, ""),
        (Conduct::Silent, FailureKind::Timeout, "no tunnel in time"),
    ] {
        let proxy = ForwardProxy::start(&[("other.test:80", server.port)], conduct).await;
        let mut settings = through(&proxy.url().replace("//", "//me:pr0xy-s3cret@"), "http://chat.test/");
        if matches!(conduct, Conduct::Silent) {
            settings.connection.http_timeout = Duration::from_secs(1);
        }
        let (page, socket) = visit(settings).await;
        for failure in [page, socket.unwrap_err()] {
            assert_eq!(failure.kind, kind, "{conduct:?}: {failure}");
            let named = format!("the proxy {}: ", proxy.url());
            assert!(failure.detail.starts_with(&named) && failure.detail.contains(words), "{conduct:?}: {failure}");
            assert!(!failure.detail.contains("s3cret") && !failure.detail.contains("bWU6"), "{failure}");
        }
    }
    assert_eq!(server.requests(), []);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (page, _) = visit(through(&format!("http://127.0.0.1:{unused}"), "http://chat.test/")).await;
    assert_eq!(page.kind, FailureKind::ConnectionRefused);
    assert!(page.detail.starts_with(&format!("the proxy http://127.0.0.1:{unused}: ")), "{page}");
    let (page, _) = visit(through("http://proxy.invalid:1", "http://chat.test/")).await;
    assert!(page.kind == FailureKind::Dns && page.detail.contains("the proxy http://proxy.invalid:1: "), "{page}");
}

#[tokio::test]
async fn tls_inside_the_tunnel_is_verified_by_the_servers_name() {
    let server = site().await;
    let secured = secure(&server).await;
    let port = secured.url.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy = ForwardProxy::start(&[("localhost:443", port), ("chat.test:443", port)], Conduct::Tunnel).await;
    let verified = |url: &str| {
        let mut settings = through(&proxy.url(), url);
        settings.connection.tls = TlsSettings { ca_file: Some(secured.ca_file.clone()), ..TlsSettings::default() };
        settings
    };
    let (page, socket) = visit(verified("https://localhost/")).await;
    assert_eq!((page.kind, socket), (FailureKind::NotFound, Ok(())), "{page}");
    let (page, _) = visit(verified("https://chat.test/")).await;
    assert_eq!(page.kind, FailureKind::Tls);
    assert!(page.detail.contains("is for localhost, not for chat.test"), "{page}");
    assert!(!proxy.seen().inside.contains("HTTP/1.1"), "TLS hides what is said");
}

#[tokio::test]
async fn a_proxy_over_tls_carries_servers_with_and_without_tls() {
    let server = site().await;
    let secured = secure(&server).await;
    let port = secured.url.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    let proxy =
        ForwardProxy::start_over_tls(&[("chat.test:80", server.port), ("chat.test:443", port)], Conduct::Tunnel).await;
    for target in ["http://chat.test/", "https://chat.test/"] {
        let (page, socket) = visit(through(&proxy.url().replace("http:", "https:"), target)).await;
        assert_eq!((page.kind, socket), (FailureKind::NotFound, Ok(())), "{page}");
    }
    assert_eq!(proxy.targets(), ["chat.test:80", "chat.test:80", "chat.test:443", "chat.test:443"]);
    // The proxy's certificate is verified, too.
    let mut settings = through(&proxy.url().replace("http:", "https:"), "http://chat.test/");
    settings.connection.tls.insecure_skip_verify = false;
    let (page, _) = visit(settings).await;
    assert!(page.kind == FailureKind::Tls && page.detail.starts_with("the proxy https://"), "{page}");
}

#[tokio::test]
async fn no_proxy_names_servers_that_are_connected_to_directly() {
    let server = site().await;
    let proxy = ForwardProxy::start(&[], Conduct::Tunnel).await;
    let mut settings = through(&proxy.url(), &server.url());
    settings.connection.proxy = settings.connection.proxy.map(|proxy| proxy.except(NoProxy::read("127.0.0.0/8")));
    let (page, socket) = visit(settings).await;
    assert_eq!((page.kind, socket), (FailureKind::NotFound, Ok(())));
    assert_eq!(proxy.seen().peers.len(), 0);
}

#[tokio::test]
async fn given_addresses_are_what_the_proxy_is_asked_for_and_where_it_is() {
    let server = site().await;
    let known = [("192.0.2.7:80", server.port), ("[2001:db8::7]:80", server.port)];
    let proxy = ForwardProxy::start(&known, Conduct::Tunnel).await;
    let mut settings = through(&format!("http://proxy.test:{}", proxy.port), "http://chat.test/");
    let given = |host: &str, port: u16, addresses: &[&str]| Resolve {
        host: host.into(),
        port,
        addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
    };
    settings.connection.resolve =
        vec![given("chat.test", 80, &["192.0.2.7", "2001:db8::7"]), given("proxy.test", proxy.port, &["127.0.0.1"])];
    let driver = Plenary::new(settings).unwrap();
    for _ in 0..2 {
        let mut session = Session::default();
        assert_eq!(driver.open(&mut session).await.unwrap_err().kind, FailureKind::NotFound);
        driver.connect(&mut session).await.unwrap();
    }
    assert_eq!(proxy.targets(), ["192.0.2.7:80", "192.0.2.7:80", "[2001:db8::7]:80", "[2001:db8::7]:80"]);
    assert!(server.requests().iter().all(|request| request.header("host") == Some("chat.test")));
    assert_eq!(driver.addresses().await.unwrap(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
}
