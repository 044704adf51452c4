//! The driver against hostile servers: every answer is a failure with a kind, in bounded time and
//! memory.

use std::time::Duration;

use crate::scripted_server::{Request, ScriptedServer, answer, driver, settings, switching_protocols};
use soakrig::drivers::plenary::Plenary;
use soakrig::drivers::plenary::vocabulary;
use soakrig::model::{Account, EndReason, Failure, FailureKind, Initiator, Secret};
use soakrig::protocol::{Connection, Driver, Ended, Progress, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn who() -> Account {
    Account { username: "loadtest7".to_owned(), password: Secret::new("correct horse") }
}

/// A server that starts each answer with `head` and sends `more` forever.
async fn endless(head: &'static str, more: &'static [u8]) -> ScriptedServer {
    ScriptedServer::start(move |_, mut stream: TcpStream| async move {
        let mut bytes = head.as_bytes();
        while stream.write_all(bytes).await.is_ok() {
            bytes = more;
        }
    })
    .await
}

/// A server that sends `bytes` and waits for the client to disconnect.
async fn answering(bytes: String) -> ScriptedServer {
    ScriptedServer::start(move |_, mut stream: TcpStream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await
}

async fn page(server: &ScriptedServer) -> Failure {
    driver(&server.url()).open(&mut Session::default()).await.unwrap_err()
}

async fn form(server: &ScriptedServer) -> Failure {
    driver(&server.url()).sign_up(&who(), &mut Session::default()).await.unwrap_err()
}

async fn socket(server: &ScriptedServer) -> Failure {
    driver(&server.url()).connect(&mut Session::default()).await.unwrap_err()
}

const CHUNK: &[u8] = b"10000\r\n";

#[tokio::test]
async fn endless_bodies_are_too_large() {
    let mut chunk = CHUNK.to_vec();
    chunk.resize(CHUNK.len() + 0x10000, b' ');
    chunk.extend_from_slice(b"\r\n");
    let chunked = endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk.leak()).await;
    assert_eq!(page(&chunked).await.kind, FailureKind::BodyTooLarge);
    assert_eq!(form(&chunked).await.kind, FailureKind::BodyTooLarge);
    let unframed = endless("HTTP/1.1 200 OK\r\n\r\n", &[b' '; 65_536]).await;
    assert_eq!(page(&unframed).await.kind, FailureKind::BodyTooLarge);
    let announced = answering("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n".to_owned()).await;
    assert_eq!(page(&announced).await.kind, FailureKind::BodyTooLarge);
    // A refusal's body is not read beyond its limit either.
    let refusal = endless("HTTP/1.1 500 Oops\r\n\r\n", &[b' '; 65_536]).await;
    assert_eq!(page(&refusal).await.kind, FailureKind::InternalError);
    assert_eq!(socket(&refusal).await.kind, FailureKind::InternalError);
}

#[tokio::test]
async fn endless_heads_are_bad_http() {
    for (head, more) in [
        ("HTTP/1.1 200 OK\r\n", &b"X-Header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"[..]),
        ("HTTP/1.1 200 OK\r\nX-Header: ", &[b'x'; 4096]),
        ("HTTP/1.1 200 ", &[b'x'; 4096]),
    ] {
        let server = endless(head, more).await;
        assert_eq!(page(&server).await.kind, FailureKind::BadHttp);
        assert_eq!(socket(&server).await.kind, FailureKind::BadHttp);
    }
    // Interim answers without an end are bounded by the time-out alone.
    let server = endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
    let mut with_timeout = settings(&server.url());
    with_timeout.connection.http_timeout = Duration::from_millis(200);
    let with_timeout = Plenary::new(with_timeout).unwrap();
    assert_eq!(with_timeout.open(&mut Session::default()).await.unwrap_err().kind, FailureKind::Timeout);
    assert_eq!(with_timeout.connect(&mut Session::default()).await.unwrap_err().kind, FailureKind::Timeout);
}

#[tokio::test]
async fn cookies_are_limited_in_number() {
    let many = |count: usize| {
        let cookies: String = (0..count).map(|n| format!("Set-Cookie: c{n}={}; Path=/\r\n", "x".repeat(20))).collect();
        format!("HTTP/1.1 404 No\r\n{cookies}Content-Length: 0\r\n\r\n")
    };
    assert_eq!(page(&answering(many(10_000)).await).await.kind, FailureKind::BadHttp);
    let mut session = Session::default();
    let server = answering(many(90)).await;
    let failure = driver(&server.url()).open(&mut session).await.unwrap_err();
    assert_eq!((failure.kind, session.cookies.len()), (FailureKind::NotFound, 90));
}

#[tokio::test]
async fn redirect_loops_are_not_followed() {
    for location in
        ["/event/test/", "/event/test", "//127.0.0.1:1/", "http://user:pw@127.0.0.1/", "", "http://[", "\u{1}"]
    {
        let server =
            answering(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")).await;
        let kind = page(&server).await.kind;
        assert!(matches!(kind, FailureKind::BadRedirect | FailureKind::BadHttp), "{location}: {kind:?}");
        assert_eq!(server.request_lines().len(), 1);
    }
    let server = ScriptedServer::start(|request: Request, stream| async move {
        let location = format!("Location: {}x/", request.path);
        answer(stream, "302 Found", &[&location], "").await;
    })
    .await;
    assert_eq!(page(&server).await.kind, FailureKind::BadRedirect);
    assert_eq!(server.request_lines().len(), 1);
}

#[tokio::test]
async fn large_pages_are_read_eight_at_a_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    // More than the buffers of both ends hold; then the server waits.
    const SENT: usize = 24 << 20;
    let far = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&far);
    let server = ScriptedServer::start(move |_, mut stream: TcpStream| {
        let count = Arc::clone(&count);
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n").await;
            for _ in 0..SENT >> 16 {
                if stream.write_all(&[b' '; 1 << 16]).await.is_err() {
                    return;
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let mut with_timeout = settings(&server.url());
    with_timeout.connection.http_timeout = Duration::from_secs(300);
    let with_timeout = Arc::new(Plenary::new(with_timeout).unwrap());
    let asking: Vec<_> = (0..11)
        .map(|_| {
            let driver = Arc::clone(&with_timeout);
            tokio::spawn(async move { driver.open(&mut Session::default()).await.map(drop) })
        })
        .collect();
    let reached = || far.load(Ordering::SeqCst);
    let until = std::time::Instant::now() + Duration::from_secs(120);
    while (reached() < 8 || server.request_lines().len() < 11) && std::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A ninth would be about as far.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((server.request_lines().len(), reached()), (11, 8), "all ask, and eight are read at a time");
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn nested_json_in_frames_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let frames: Vec<String> = [
        "{\"type\": \"chat\", \"payload\": {\"user\": 6, \"message\": X}}",
        "{\"type\": \"presence\", \"payload\": {\"members\": X}}",
        "{\"payload\": {\"members\": X}, \"type\": \"presence\"}",
        "{\"type\": \"presence\", \"payload\": {\"error_code\": X}}",
        "{\"type\": \"breakout_receive\", \"payload\": X}",
        "{\"type\": \"plenary\", \"payload\": {\"plenary\": X}}",
        "{\"type\": \"error\", \"error\": X}",
        "{\"type\": \"nonsense\", \"x\": X}",
        "X",
    ]
    .iter()
    .flat_map(|form| [form.replace('X', &nested(250_000)), form.replace('X', &"[".repeat(500_000))])
    .collect();
    let wire: Vec<u8> = frames
        .iter()
        .flat_map(|frame| crate::scripted_server::text(frame))
        .chain(crate::scripted_server::close(1000))
        .collect();
    let server = ScriptedServer::start(move |request: Request, mut stream: TcpStream| {
        let wire = wire.clone();
        async move {
            let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
            let _ = stream.write_all(&wire).await;
            let _ = stream.read(&mut [0; 16]).await;
        }
    })
    .await;
    let mut socket = driver(&server.url()).connect(&mut Session::default()).await.unwrap();
    let mut read = 0;
    while !matches!(socket.drive(|told| read += usize::from(told.kind.is_some())).await, Progress::Ended(_)) {}
    assert_eq!(read, frames.len() + 1, "each is read as one frame, and the close");
}

#[tokio::test]
async fn a_damaged_gzip_is_refused() {
    let bomb = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x0b\x08";
    assert_eq!(page(&answering(bomb.to_owned()).await).await.kind, FailureKind::BadHttp);
}

#[tokio::test]
async fn nested_json_and_nested_pages_are_bounded() {
    for inside in ["{\"plenary\": ", "{\"plenary\": {\"x\": ", "{\"breakouts\": "] {
        let body = format!("window.__INITIAL_STATE__ = {inside}{}", "[".repeat(5_000_000));
        let server = answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(page(&server).await.kind, vocabulary::BAD_STATE);
    }
    for body in ["<div>".repeat(700_000), "<b><p>".repeat(600_000), format!("<a {}", " x".repeat(2_000_000))] {
        let server = answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        assert_eq!(form(&server).await.kind, vocabulary::NO_CSRF);
        assert_eq!(page(&server).await.kind, vocabulary::NO_STATE);
    }
}

#[tokio::test]
async fn broken_answers_have_their_failure_kinds() {
    let cut = ScriptedServer::start(|_, mut stream: TcpStream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    })
    .await;
    assert_eq!(page(&cut).await.kind, FailureKind::ConnectionClosed);
    let gone = ScriptedServer::start(|_, _| async {}).await;
    assert_eq!(page(&gone).await.kind, FailureKind::ConnectionClosed);
    assert_eq!(socket(&gone).await.kind, FailureKind::ConnectionClosed);
    let reset = ScriptedServer::start(|_, stream: TcpStream| async move { stream.set_zero_linger().unwrap() }).await;
    assert_eq!(page(&reset).await.kind, FailureKind::ConnectionReset);
    assert_eq!(socket(&reset).await.kind, FailureKind::ConnectionReset);
    let nonsense = answering("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()).await;
    assert_eq!(page(&nonsense).await.kind, FailureKind::BadHttp);
    assert_eq!(socket(&nonsense).await.kind, FailureKind::BadHttp);
}

#[tokio::test]
async fn a_hanging_server_is_a_timeout_at_every_stage() {
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        let server = answering(sent.to_owned()).await;
        let mut with_timeout = settings(&server.url());
        with_timeout.connection.http_timeout = Duration::from_millis(100);
        let failure = Plenary::new(with_timeout).unwrap().open(&mut Session::default()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout, "{sent}");
    }
    let server = answering(String::new()).await;
    let mut with_timeout = settings(&server.url());
    with_timeout.connection.http_timeout = Duration::from_millis(100);
    let failure = Plenary::new(with_timeout).unwrap().connect(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
}

#[tokio::test]
async fn error_texts_hold_no_control_characters_and_no_password() {
    let shows = async |text: String| {
        let server = ScriptedServer::start(move |_, stream| {
            let page = format!("<input name=csrfmiddlewaretoken value=t><span class=help-block>{text}");
            async move { answer(stream, "200 OK", &[], &page).await }
        });
        form(&server.await).await
    };
    let failure = shows("\x1b]0;owned\x07\x1b[2J\u{9b}31mhello\u{202e}".to_owned()).await;
    assert_eq!(failure.kind, FailureKind::SignupRefused);
    assert!(!failure.to_string().contains(|c: char| c.is_control() || c == '\u{202e}'), "{failure:?}");
    let failure = shows("you said correct horse".to_owned()).await;
    assert_eq!(failure.detail, "you said …");
    let failure = shows("é".repeat(100_000)).await;
    assert_eq!(failure.detail.chars().count(), Failure::DETAIL_LIMIT);
}

#[tokio::test]
async fn a_password_parsed_as_html_is_not_shown() {
    let server = ScriptedServer::start(|_, stream| async move {
        let page = "<input name=csrfmiddlewaretoken value=t><ul class=errorlist><li>Abc<def>ghi99 is taken</li></ul>";
        answer(stream, "200 OK", &[], page).await;
    });
    let account = Account { username: "loadtest7".to_owned(), password: Secret::new("Abc<def>ghi99") };
    let failure = driver(&server.await.url()).sign_up(&account, &mut Session::default()).await.unwrap_err();
    assert_eq!(failure.detail, "… is taken");
}

#[tokio::test]
async fn a_first_connection_closed_without_an_answer_suggests_https() {
    let server = ScriptedServer::start(|request: Request, stream| async move {
        if request.path.starts_with("/accounts/") {
            answer(stream, "404 Not Found", &[], "").await;
        }
    })
    .await;
    let driver = driver(&server.url());
    let first = driver.preflight().await.unwrap_err();
    assert_eq!(first.kind, FailureKind::ConnectionClosed);
    assert!(first.detail.contains("is this port for https://?"), "{first}");
    let _ = driver.sign_up(&who(), &mut Session::default()).await;
    let later = driver.preflight().await.unwrap_err();
    assert!(!later.detail.contains("https"), "{later}");
}

#[tokio::test]
async fn an_endless_message_is_frame_too_large() {
    let server = ScriptedServer::start(|request: Request, mut stream: TcpStream| async move {
        stream.write_all(switching_protocols(&request).as_bytes()).await.unwrap();
        // One text message in fragments that never ends.
        let mut bytes = [&[0x01, 126, 0xFF, 0xFF][..], &[b'x'; 0xFFFF]].concat();
        while stream.write_all(&bytes).await.is_ok() {
            bytes[0] = 0x00;
        }
    })
    .await;
    let mut socket = driver(&server.url()).connect(&mut Session::default()).await.unwrap();
    loop {
        if let Progress::Ended(end) = socket.drive(|_| {}).await {
            assert_eq!(end, Ended { initiator: Initiator::Server, reason: EndReason::FrameTooLarge });
            break;
        }
    }
}
