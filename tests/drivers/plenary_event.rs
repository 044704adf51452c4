//! The driver's pages and sockets against a scripted server: how it reads each answer.

use std::time::Duration;

use crate::scripted_server::{
    RecordingProbe, Request, ScriptedServer, answer, close, driver, settings, switching_protocols, text,
};
use soakrig::drivers::plenary::vocabulary;
use soakrig::drivers::plenary::{Plenary, PlenarySocket};
use soakrig::model::{EndReason, Failure, FailureClass, FailureKind, FrameKind, HttpOutcome, HttpStep, Initiator};
use soakrig::protocol::{Connection, Driver, Ended, Event, Outgoing, Progress, Received, Session, SideRoomId};
use soakrig::transport::http::cookies::Jar;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PRESENCE: &str = r#"{"payload": {"channel_name": "plenary-1", "members": [], "lurkers": 0}, "type": "presence"}"#;

fn session() -> Session {
    Session::with(Jar::from([("csrftoken", "c1"), ("sessionid", "s1")]))
}

fn page(state: &str) -> String {
    format!("<html><script>window.__INITIAL_STATE__ = {state};</script></html>")
}

fn open_page() -> String {
    page(
        r#"{"plenary": {"open": true, "breakouts_open": true}, "breakouts": [{"id": 3}, {"id": 4, "is_proposal": true}],
            "auth": {"is_authenticated": true, "id": 42}}"#,
    )
}

/// A server with one answer for everything.
async fn always(status: &'static str, headers: &'static [&'static str], body: String) -> ScriptedServer {
    ScriptedServer::start(move |_, stream| {
        let body = body.clone();
        async move { answer(stream, status, headers, &body).await }
    })
    .await
}

async fn open_kind(server: &ScriptedServer) -> FailureKind {
    driver(&server.url()).open(&mut session()).await.unwrap_err().kind
}

async fn preflight(server: &ScriptedServer) -> Result<(), Failure> {
    driver(&server.url()).preflight().await
}

#[tokio::test]
async fn the_event_page_gives_user_id_and_breakouts() {
    let server = always("200 OK", &["Set-Cookie: csrftoken=c2; Path=/"], open_page()).await;
    let mut session = session();
    let room = driver(&server.url()).open(&mut session).await.unwrap();
    assert_eq!((room.user_id.0, room.side_rooms, room.page_bytes), (42, vec![SideRoomId(3)], open_page().len()));
    assert_eq!(server.request_lines(), ["GET /event/test/"]);
    assert_eq!(server.requests()[0].header("cookie"), Some("csrftoken=c1; sessionid=s1"));
    assert_eq!(session.cookies.value("csrftoken"), Some("c2"));
}

#[tokio::test]
async fn each_problem_of_an_event_has_its_failure_kind() {
    let full = "<div class=\"over-capacity\">Over Capacity</div>".to_owned();
    let closed = page(r#"{"plenary": {"open": false}, "auth": {"is_authenticated": true, "id": 1}}"#);
    let cancelled = page(r#"{"plenary": {"open": false, "canceled": true}}"#);
    let signed_out = page(r#"{"plenary": {"open": true}, "auth": {"is_authenticated": false}}"#);
    for (body, kind) in [
        (full, vocabulary::OVER_CAPACITY),
        (closed, vocabulary::EVENT_CLOSED),
        (cancelled, vocabulary::EVENT_CANCELLED),
        (signed_out, FailureKind::SignedOut),
        ("<html></html>".to_owned(), vocabulary::NO_STATE),
        (page("{"), vocabulary::BAD_STATE),
    ] {
        assert_eq!(open_kind(&always("200 OK", &[], body).await).await, kind);
    }
    for (status, kind) in [
        ("404 Not Found", FailureKind::NotFound),
        ("400 Bad Request", FailureKind::BadRequest),
        ("500 Oops", FailureKind::InternalError),
        ("502 Bad Gateway", FailureKind::ServerError),
        ("418 Teapot", FailureKind::ClientError),
        ("204 No Content", FailureKind::UnexpectedStatus),
    ] {
        assert_eq!(open_kind(&always(status, &[], String::new()).await).await, kind, "{status}");
    }
    let to_login = &["Location: /accounts/login/?next=/event/test/"];
    assert_eq!(open_kind(&always("302 Found", to_login, String::new()).await).await, FailureKind::SignedOut);
    let to_slug = &["Location: /event/other/"];
    assert_eq!(open_kind(&always("302 Found", to_slug, String::new()).await).await, FailureKind::BadRedirect);
}

#[tokio::test]
async fn retry_after_of_a_refused_upgrade_is_kept() {
    let server = always("429 Too Many Requests", &["Retry-After: 17"], String::new()).await;
    let failure = driver(&server.url()).open(&mut session()).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::TooManyRequests, Some(Duration::from_secs(17))));
}

#[tokio::test]
async fn the_preflight_needs_no_account() {
    let to_login = &["Location: /accounts/login/?next=/event/test/"];
    let server = always("302 Found", to_login, String::new()).await;
    preflight(&server).await.unwrap();
    assert_eq!(server.requests()[0].header("cookie"), None);
    let kind = |outcome: Result<(), Failure>| outcome.unwrap_err().kind;
    assert_eq!(kind(preflight(&always("404 Not Found", &[], String::new()).await).await), FailureKind::NotFound);
    let closed = page(r#"{"plenary": {"open": false}, "auth": {"is_authenticated": false}}"#);
    assert_eq!(kind(preflight(&always("200 OK", &[], closed).await).await), vocabulary::EVENT_CLOSED);
    let failure = preflight(&always("400 Bad Request", &[], String::new()).await).await.unwrap_err();
    assert!(failure.detail.contains("wrong Host"), "{failure}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(kind(driver(&format!("http://{unused}")).preflight().await), FailureKind::ConnectionRefused);
    assert_eq!(kind(driver("http://nowhere.invalid").preflight().await), FailureKind::Dns);
}

#[tokio::test]
async fn each_request_is_reported_once_with_its_outcome() {
    let probe = std::sync::Arc::new(RecordingProbe::default());
    for (status, body) in [("200 OK", open_page()), ("404 Not Found", String::new()), ("503 Busy", String::new())] {
        let mut with_probe = settings(&always(status, &[], body).await.url());
        with_probe.probe = std::sync::Arc::clone(&probe) as _;
        let _ = Plenary::new(with_probe).unwrap().open(&mut session()).await;
    }
    let outcomes = [HttpOutcome::Ok, HttpOutcome::ClientError, HttpOutcome::ServerError];
    assert_eq!(probe.all(), outcomes.map(|outcome| (HttpStep::Room, outcome)));
}

/// A server that upgrades, sends `early` together with the 101, and echoes frames' bytes.
async fn upgrading(early: Vec<u8>) -> ScriptedServer {
    ScriptedServer::start(move |request: Request, mut stream: TcpStream| {
        let mut bytes = switching_protocols(&request).into_bytes();
        bytes.extend_from_slice(&early);
        async move {
            stream.write_all(&bytes).await.unwrap();
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        }
    })
    .await
}

/// Drives until `done` says so; kinds of the frames, and the last progress.
async fn drive(socket: &mut PlenarySocket, done: impl Fn(&Progress) -> bool) -> (Vec<FrameKind>, Progress) {
    let mut kinds = Vec::new();
    loop {
        let progress = socket.drive(|received| kinds.extend(received.kind)).await;
        if done(&progress) {
            return (kinds, progress);
        }
    }
}

#[tokio::test]
async fn frames_sent_with_the_101_are_read() {
    let presence = text(PRESENCE);
    let (first, rest) = presence.split_at(40);
    // A whole frame, and the start of another one.
    let early = [&presence[..], first].concat();
    let rest = rest.to_vec();
    let server = ScriptedServer::start(move |request: Request, mut stream: TcpStream| {
        let (together, rest) = ([switching_protocols(&request).as_bytes(), &early].concat(), rest.clone());
        async move {
            stream.write_all(&together).await.unwrap();
            // The rest goes out once the client has sent something, so both cannot arrive together.
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).await.unwrap();
            stream.write_all(&[&rest[..], &close(1000)].concat()).await.unwrap();
        }
    })
    .await;
    let mut socket = driver(&server.url()).connect(&mut session()).await.unwrap();
    let mut seen = 0;
    let progress = socket.drive(|received| seen += usize::from(matches!(received.event, Event::Members(_)))).await;
    assert!(matches!(progress, Progress::Read { .. }), "{progress:?}");
    assert_eq!(seen, 1);
    assert!(socket.begin(Outgoing::Heartbeat));
    let (kinds, _) = drive(&mut socket, |p| matches!(p, Progress::Closing(_))).await;
    assert_eq!(kinds, [FrameKind::Presence, FrameKind::Close]);
}

#[tokio::test]
async fn the_upgrade_has_a_browsers_headers_and_offers_no_extension() {
    let server = upgrading(text(PRESENCE)).await;
    let driver = driver(&format!("{}rooms/", server.url()));
    let _socket = driver.connect(&mut session()).await.unwrap();
    let asked = server.requests().remove(0);
    assert_eq!(asked.line(), "GET /rooms/event/test/");
    assert_eq!(asked.header("host"), Some(format!("127.0.0.1:{}", server.port).as_str()));
    assert_eq!(asked.header("origin"), Some(format!("http://127.0.0.1:{}", server.port).as_str()));
    assert_eq!(asked.header("cookie"), Some("csrftoken=c1; sessionid=s1"));
    assert_eq!(asked.header("sec-websocket-version"), Some("13"));
    assert_eq!(asked.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn each_refused_upgrade_has_its_failure_kind() {
    for (status, kind) in [
        ("403 Forbidden", vocabulary::OVER_CAPACITY),
        ("500 Internal Server Error", FailureKind::InternalError),
        ("503 Busy", FailureKind::Unavailable),
        ("429 Slow", FailureKind::TooManyRequests),
        ("404 No", FailureKind::NotFound),
        ("200 OK", FailureKind::UnexpectedStatus),
        ("302 Found", FailureKind::UnexpectedStatus),
    ] {
        let server = always(status, &["Retry-After: 3"], "x".repeat(100_000)).await;
        let failure = driver(&server.url()).connect(&mut session()).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (kind, Some(Duration::from_secs(3))), "{status}");
    }
}

#[tokio::test]
async fn a_wrong_101_is_a_bad_handshake() {
    for (find, put) in [
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("Connection: keep-alive, upgrade", "Connection: keep-alive"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: A"),
        ("Sec-WebSocket-Accept: ", "X-Accept: "),
        ("Upgrade: WebSocket", "Upgrade: WebSocket\r\nSec-WebSocket-Extensions: permessage-deflate"),
        ("Upgrade: WebSocket", "Upgrade: WebSocket\r\nSec-WebSocket-Protocol: chat"),
    ] {
        let server = ScriptedServer::start(move |request: Request, mut stream: TcpStream| async move {
            stream.write_all(switching_protocols(&request).replace(find, put).as_bytes()).await.unwrap();
        })
        .await;
        let failure = driver(&server.url()).connect(&mut session()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadHandshake, "{put}: {failure}");
    }
}

#[tokio::test]
async fn a_breakout_requests_its_page_and_then_its_socket() {
    let server = ScriptedServer::start(move |request: Request, mut stream: TcpStream| async move {
        if request.header("upgrade").is_none() {
            return answer(stream, "200 OK", &[], "<html>").await;
        }
        stream.write_all(switching_protocols(&request).as_bytes()).await.unwrap();
        let full = r#"{"type": "presence", "payload": {"members": [], "error": "x", "error_code": "over-capacity"}}"#;
        stream.write_all(&[text(full), close(4001)].concat()).await.unwrap();
        let _ = stream.read(&mut [0; 100]).await;
    })
    .await;
    let mut socket = driver(&server.url()).connect_side_room(&mut session(), SideRoomId(3)).await.unwrap();
    assert_eq!(server.request_lines(), ["GET /breakout/3/", "GET /breakout/3/"]);
    let mut refusal = None;
    socket
        .drive(|received| match received.event {
            Event::Refused(failure) => refusal = Some((failure.class, failure.kind)),
            event => assert_ne!(event, Event::Joined),
        })
        .await;
    assert_eq!(refusal, Some((FailureClass::Declined, vocabulary::OVER_CAPACITY)));
    let (_, end) = drive(&mut socket, |p| matches!(p, Progress::Ended(_))).await;
    assert_eq!(end, Progress::Ended(Ended { initiator: Initiator::Server, reason: EndReason::Application }));
}

#[tokio::test]
async fn the_first_member_list_means_joined_and_is_one_frame() {
    let chat = r#"{"type": "chat", "payload": {"user": 6, "message": "hello"}}"#;
    let early = [text(chat), text(PRESENCE), text(PRESENCE), close(1000)].concat();
    let server = upgrading(early).await;
    let mut socket = driver(&server.url()).connect(&mut session()).await.unwrap();
    let mut told = Vec::new();
    loop {
        let note = |received: Received<'_>| {
            told.push((
                received.kind,
                matches!(received.event, Event::Joined),
                matches!(received.event, Event::Members(_)),
            ));
        };
        if let Progress::Closing(_) = socket.drive(note).await {
            break;
        }
    }
    let list = (Some(FrameKind::Presence), false, true);
    let before = (Some(FrameKind::Chat), false, false);
    assert_eq!(told, [before, (None, true, false), list, list, (Some(FrameKind::Close), false, false)]);
}

#[tokio::test]
async fn a_missing_breakout_is_not_found() {
    let server = always("404 Not Found", &[], String::new()).await;
    let outcome = driver(&server.url()).connect_side_room(&mut session(), SideRoomId(3)).await;
    assert_eq!(outcome.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(server.request_lines().len(), 1);
}
