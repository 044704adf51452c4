//! Custom headers: with every request and upgrade, and in no output.

use http::HeaderMap;

use crate::scripted_server::{ScriptedServer, answer, driver, settings, switching_protocols};
use soakrig::drivers::plenary::Plenary;
use soakrig::protocol::{Driver, Session};
use tokio::io::AsyncWriteExt;

fn headers() -> HeaderMap {
    let pairs =
        [("authorization", "Bearer s3cret-token"), ("user-agent", "Mozilla/5.0"), ("x-two", "2"), ("x-two", "3")];
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn they_go_with_every_request_and_upgrade_and_replace_soakrigs() {
    let server = ScriptedServer::start(|request, mut stream| async move {
        if request.header("upgrade").is_some() {
            let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        } else {
            answer(stream, "404 Not Found", &[], "").await;
        }
    })
    .await;
    let mut with_headers = settings(&server.url());
    with_headers.connection.headers = headers();
    let driver = Plenary::new(with_headers).unwrap();
    driver.open(&mut Session::default()).await.unwrap_err();
    driver.connect(&mut Session::default()).await.unwrap();
    for request in server.requests() {
        let all = |name: &str| -> Vec<String> {
            request.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
        };
        assert_eq!(all("authorization"), ["Bearer s3cret-token"], "{request:?}");
        assert_eq!(all("user-agent"), ["Mozilla/5.0"], "{request:?}");
        assert_eq!(all("x-two"), ["2", "3"], "{request:?}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn their_values_are_masked_where_a_server_repeats_them() {
    let server = ScriptedServer::start(|_, stream| async move {
        answer(stream, "302 Found", &["Location: /x/s3cret-token/"], "").await;
    })
    .await;
    let mut with_headers = settings(&server.url());
    with_headers.connection.headers = headers();
    let failure = Plenary::new(with_headers).unwrap().open(&mut Session::default()).await.unwrap_err();
    assert!(failure.detail.contains("/x/…/") && !failure.detail.contains("s3cret"), "{failure}");
    let failure = driver(&server.url()).open(&mut Session::default()).await.unwrap_err();
    assert!(failure.detail.contains("s3cret-token"), "what is no secret is shown: {failure}");
}
