//! Redirects to another origin, at every step: the second server hears nothing, no cookie and no
//! password, not even a connection. And what a page says cannot become a header.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stage::{Heard, Stage, answer, driver, switching};
use soakrig::model::{Account, Failure, FailureKind, Secret};
use soakrig::protocol::{BreakoutId, Driver, Session};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

fn who() -> Account {
    Account { username: "loadtest7".to_owned(), password: Secret::new("correct horse") }
}

/// A second server: its port, and how many have connected.
async fn stranger() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (port, callers) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&callers);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, callers)
}

const STATE: &str = r#"{"plenary": {"open": true, "breakouts_open": true}, "breakouts": [{"id": 4}],
    "auth": {"is_authenticated": true, "id": 6}}"#;

/// What a well-behaved server answers.
async fn behave(heard: Heard, mut stream: TcpStream) {
    let cookies = ["Set-Cookie: sessionid=top-secret; Path=/", "Set-Cookie: csrftoken=t0k; Path=/"];
    if heard.header("upgrade").is_some() {
        let _ = stream.write_all(switching(&heard).as_bytes()).await;
        let _ = stream.shutdown().await;
    } else if heard.path.starts_with("/accounts/") && heard.method == "GET" {
        answer(stream, "200 OK", &cookies, "<input name=csrfmiddlewaretoken value=t0k>").await;
    } else if heard.path.starts_with("/accounts/") {
        answer(stream, "302 Found", &[&cookies[..], &["Location: /"]].concat(), "").await;
    } else {
        answer(stream, "200 OK", &cookies, &format!("window.__INITIAL_STATE__ = {STATE};")).await;
    }
}

/// All steps of a user, each whatever the others came to; their failures.
async fn live(url: &str) -> Vec<Failure> {
    let (driver, mut session) = (driver(url), Session::default());
    let mut failures: Vec<Failure> = Vec::new();
    failures.extend(driver.preflight().await.err());
    failures.extend(driver.sign_up(&who(), &mut session).await.err());
    failures.extend(driver.log_in(&who(), &mut session).await.err());
    failures.extend(driver.open(&mut session).await.err());
    failures.extend(driver.connect(&session).await.err());
    failures.extend(driver.connect_breakout(&mut session, BreakoutId(4)).await.err());
    failures.extend(driver.delete(&mut session).await.err());
    failures
}

#[tokio::test]
async fn nothing_follows_a_redirect_to_another_origin() {
    let (port, callers) = stranger().await;
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
            let stage = Stage::open(move |heard: Heard, stream| {
                let location = location.clone();
                async move {
                    if heard.line() == step {
                        answer(stream, status, &[&location], "").await;
                    } else {
                        behave(heard, stream).await;
                    }
                }
            })
            .await;
            let failures = live(&stage.url()).await;
            assert!(stage.lines().iter().any(|line| line == step), "{step}: {:?}", stage.lines());
            let bad = failures.iter().filter(|f| f.kind == FailureKind::BadRedirect).count();
            assert!(bad >= 1, "{step}, {status}: {failures:?}");
        }
    }
    assert_eq!(callers.load(Ordering::SeqCst), 0, "the stranger was called");
}

#[tokio::test]
async fn a_refused_upgrade_is_not_taken_elsewhere() {
    let (port, callers) = stranger().await;
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let stage = Stage::open(move |heard: Heard, stream| async move {
            if heard.header("upgrade").is_some() {
                let location = format!("Location: http://127.0.0.1:{port}/event/test/");
                answer(stream, status, &[&location], "").await;
            } else {
                behave(heard, stream).await;
            }
        })
        .await;
        let failures = live(&stage.url()).await;
        let refused = failures.iter().filter(|f| f.kind == FailureKind::UnexpectedStatus).count();
        assert_eq!(refused, 2, "the event's socket and the breakout's: {failures:?}");
    }
    assert_eq!(callers.load(Ordering::SeqCst), 0, "the stranger was called");
}

#[tokio::test]
async fn what_a_page_says_cannot_become_a_header() {
    let evil = "t0k\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1";
    let stage = Stage::open(move |heard: Heard, stream| async move {
        let page = format!("<input name=csrfmiddlewaretoken value=\"{evil}\">");
        let cookies = [
            "Set-Cookie: sessionid=\"x%0d%0aX-Evil: 1\"; Path=/",
            "Set-Cookie: a\tb=c; Path=/",
            "Set-Cookie: csrftoken=t, X-Evil=1; Path=/; Domain=evil.example",
        ];
        match heard.method.as_str() {
            "GET" => answer(stream, "200 OK", &cookies, &page).await,
            _ => answer(stream, "302 Found", &["Location: /"], "").await,
        }
    })
    .await;
    let mut session = Session::default();
    driver(&stage.url()).sign_up(&who(), &mut session).await.unwrap();
    let _ = driver(&stage.url()).connect(&session).await;
    let heard = stage.heard();
    assert_eq!(stage.lines(), ["GET /accounts/signup/", "POST /accounts/signup/", "GET /event/test/"]);
    for request in &heard {
        assert_eq!(request.header("x-evil"), None, "{request:?}");
    }
    assert_eq!(heard[1].field("csrfmiddlewaretoken").as_deref(), Some("t0k\nX-Evil: 1\n\nGET /evil HTTP/1.1"));
    assert!(heard[2].header("cookie").unwrap().contains("x%0d%0aX-Evil: 1"), "{:?}", heard[2]);
}
