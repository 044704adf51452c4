//! Redirects to another origin, at every step: the other server gets no cookie, no password, not
//! even a connection. And the text of a page cannot become a header.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::scripted_server::{Request, ScriptedServer, answer, driver, switching_protocols};
use soakrig::model::{Account, Failure, FailureKind, Secret};
use soakrig::protocol::{Driver, Session, SideRoomId};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

fn who() -> Account {
    Account { username: "loadtest7".to_owned(), password: Secret::new("correct horse") }
}

/// A second server: its port, and how many have connected.
async fn other_origin() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (port, connections) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, connections)
}

const STATE: &str = r#"{"plenary": {"open": true, "breakouts_open": true}, "breakouts": [{"id": 4}],
    "auth": {"is_authenticated": true, "id": 6}}"#;

/// Answers as a correct server does.
async fn answer_correctly(request: Request, mut stream: TcpStream) {
    let cookies = ["Set-Cookie: sessionid=top-secret; Path=/", "Set-Cookie: csrftoken=t0k; Path=/"];
    if request.header("upgrade").is_some() {
        let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        let _ = stream.shutdown().await;
    } else if request.path.starts_with("/accounts/") && request.method == "GET" {
        answer(stream, "200 OK", &cookies, "<input name=csrfmiddlewaretoken value=t0k>").await;
    } else if request.path.starts_with("/accounts/") {
        answer(stream, "302 Found", &[&cookies[..], &["Location: /"]].concat(), "").await;
    } else {
        answer(stream, "200 OK", &cookies, &format!("window.__INITIAL_STATE__ = {STATE};")).await;
    }
}

/// Runs all steps of a user, whether or not the earlier ones failed; returns the failures.
async fn all_steps(url: &str) -> Vec<Failure> {
    let (driver, mut session) = (driver(url), Session::default());
    let mut failures: Vec<Failure> = Vec::new();
    failures.extend(driver.preflight().await.err());
    failures.extend(driver.sign_up(&who(), &mut session).await.err());
    failures.extend(driver.log_in(&who(), &mut session).await.err());
    failures.extend(driver.open(&mut session).await.err());
    failures.extend(driver.connect(&mut session).await.err());
    failures.extend(driver.connect_side_room(&mut session, SideRoomId(4)).await.err());
    failures.extend(driver.delete(&mut session).await.err());
    failures
}

#[tokio::test]
async fn no_step_follows_a_redirect_to_another_origin() {
    let (port, connections) = other_origin().await;
    let steps = [
        "GET /accounts/signup/",
        "POST /accounts/signup/",
        "GET /accounts/login/",
        "POST /accounts/login/",
        "GET /event/test/",
        "GET /breakout/4/",
        "GET /accounts/delete/",
        "POST /accounts/delete/",
    ];
    for step in steps {
        for (status, form) in [
            ("301 Moved Permanently", "http://127.0.0.1:{port}/accounts/login/"),
            ("302 Found", "//127.0.0.1:{port}/"),
            ("303 See Other", "http://localhost:{port}/event/test/"),
            ("307 Temporary Redirect", "http://127.0.0.1:{port}/accounts/signup/"),
            ("308 Permanent Redirect", "http:\\\\127.0.0.1:{port}\\accounts\\login\\"),
        ] {
            let location = format!("Location: {}", form.replace("{port}", &port.to_string()));
            let server = ScriptedServer::start(move |request: Request, stream| {
                let location = location.clone();
                async move {
                    if request.line() == step {
                        answer(stream, status, &[&location], "").await;
                    } else {
                        answer_correctly(request, stream).await;
                    }
                }
            })
            .await;
            let failures = all_steps(&server.url()).await;
            assert!(server.request_lines().iter().any(|line| line == step), "{step}: {:?}", server.request_lines());
            let bad = failures.iter().filter(|f| f.kind == FailureKind::BadRedirect).count();
            assert!(bad >= 1, "{step}, {status}: {failures:?}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "the other server was contacted");
}

#[tokio::test]
async fn an_upgrade_follows_no_redirect() {
    let (port, connections) = other_origin().await;
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = ScriptedServer::start(move |request: Request, stream| async move {
            if request.header("upgrade").is_some() {
                let location = format!("Location: http://127.0.0.1:{port}/event/test/");
                answer(stream, status, &[&location], "").await;
            } else {
                answer_correctly(request, stream).await;
            }
        })
        .await;
        let failures = all_steps(&server.url()).await;
        let refused = failures.iter().filter(|f| f.kind == FailureKind::UnexpectedStatus).count();
        assert_eq!(refused, 2, "the event's socket and the breakout's: {failures:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "the other server was contacted");
}

#[tokio::test]
async fn text_of_a_page_cannot_become_a_header() {
    let evil = "t0k\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1";
    let server = ScriptedServer::start(move |request: Request, stream| async move {
        let page = format!("<input name=csrfmiddlewaretoken value=\"{evil}\">");
        let cookies = [
            "Set-Cookie: sessionid=\"x%0d%0aX-Evil: 1\"; Path=/",
            "Set-Cookie: a\tb=c; Path=/",
            "Set-Cookie: csrftoken=t, X-Evil=1; Path=/; Domain=evil.example",
        ];
        match request.method.as_str() {
            "GET" => answer(stream, "200 OK", &cookies, &page).await,
            _ => answer(stream, "302 Found", &["Location: /"], "").await,
        }
    })
    .await;
    let mut session = Session::default();
    driver(&server.url()).sign_up(&who(), &mut session).await.unwrap();
    let _ = driver(&server.url()).connect(&mut session).await;
    let requests = server.requests();
    assert_eq!(server.request_lines(), ["GET /accounts/signup/", "POST /accounts/signup/", "GET /event/test/"]);
    for request in &requests {
        assert_eq!(request.header("x-evil"), None, "{request:?}");
    }
    assert_eq!(requests[1].field("csrfmiddlewaretoken").as_deref(), Some("t0k\nX-Evil: 1\n\nGET /evil HTTP/1.1"));
    assert!(requests[2].header("cookie").unwrap().contains("x%0d%0aX-Evil: 1"), "{:?}", requests[2]);
}
