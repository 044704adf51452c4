//! Answers as proxies and servers send them: compressed, with large heads, with redirects to internal hosts.

use std::io::Write as _;

use crate::scripted_server::{ScriptedServer, driver, switching_protocols};
use flate2::Compression;
use flate2::write::GzEncoder;
use soakrig::model::{Failure, FailureKind};
use soakrig::protocol::{Driver, Session};
use tokio::io::AsyncWriteExt;

const STATE: &str =
    "window.__INITIAL_STATE__ = {\"plenary\": {\"open\": true}, \"auth\": {\"is_authenticated\": true, \"id\": 1}};";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The outcome of the event page if the server sends this body.
async fn page(encoding: &str, body: Vec<u8>) -> (ScriptedServer, Result<(), Failure>) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = [head.as_bytes(), &body].concat();
    let server = ScriptedServer::start(move |_, mut stream| {
        let whole = whole.clone();
        async move {
            let _ = stream.write_all(&whole).await;
        }
    })
    .await;
    let outcome = driver(&server.url()).open(&mut Session::default()).await.map(|_| ());
    (server, outcome)
}

#[tokio::test]
async fn a_page_packed_by_gzip_is_read() {
    let padded = format!("{STATE}{}", "<p>padding</p>".repeat(200_000));
    for body in [STATE.to_owned(), padded] {
        let (server, outcome) = page("gzip", gzip(body.as_bytes())).await;
        outcome.unwrap();
        assert_eq!(server.requests()[0].header("accept-encoding"), Some("gzip"));
    }
    let two = [gzip(b"window.__INITIAL_"), gzip(&STATE.as_bytes()[17..])].concat();
    page("x-gzip", two).await.1.unwrap();
}

#[tokio::test]
async fn a_packed_page_is_bounded_by_what_it_unpacks_to() {
    let bomb = gzip(&vec![b' '; 33 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    assert_eq!(page("gzip", bomb).await.1.unwrap_err().kind, FailureKind::BodyTooLarge);
}

#[tokio::test]
async fn what_is_not_gzip_is_bad_http() {
    let mut cut = gzip(STATE.as_bytes());
    cut.truncate(cut.len() - 4);
    for (encoding, body) in [("gzip", cut), ("gzip", b"plain".to_vec()), ("br", b"brotli".to_vec())] {
        assert_eq!(page(encoding, body).await.1.unwrap_err().kind, FailureKind::BadHttp, "{encoding}");
    }
}

/// The outcome of an upgrade if the server adds these headers to its answer.
async fn upgrade(headers: String) -> Result<(), Failure> {
    let server = ScriptedServer::start(move |request, mut stream| {
        let head = switching_protocols(&request).replacen("\r\n", &format!("\r\n{headers}"), 1);
        async move {
            let _ = stream.write_all(head.as_bytes()).await;
        }
    })
    .await;
    driver(&server.url()).connect(&mut Session::default()).await.map(|_| ())
}

#[tokio::test]
async fn the_head_of_an_upgrade_may_be_as_large_as_a_pages() {
    upgrade((0..90).map(|n| format!("X-{n}: x\r\n")).collect()).await.unwrap();
    upgrade(format!("Content-Security-Policy: {}\r\n", "x".repeat(20_000))).await.unwrap();
    for large in [format!("X: {}\r\n", "x".repeat(70_000)), (0..300).map(|n| format!("X-{n}: x\r\n")).collect()] {
        let failure = upgrade(large).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadHttp);
        assert!(failure.detail.contains("65536 bytes") && failure.detail.contains("256 headers"), "{failure}");
    }
}

#[tokio::test]
async fn a_redirect_to_an_internal_address_gets_a_hint() {
    let server = ScriptedServer::start(|_, stream| {
        crate::scripted_server::answer(stream, "302 Found", &["Location: http://10.0.0.7:8080/event/test/"], "")
    })
    .await;
    let failure = driver(&server.url()).open(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadRedirect);
    assert!(failure.detail.contains("http://10.0.0.7:8080: an internal address"), "{failure}");
}
