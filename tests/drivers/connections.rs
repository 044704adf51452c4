//! Connections that the server closes early: which requests are retried, and which connections are shared.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::scripted_server::{RecordingProbe, Request, ScriptedServer, answer, driver, read_request, settings};
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{Account, Failure, FailureKind, HttpStep, Secret};
use soakrig::protocol::{Driver, RoomPage, Session};
use soakrig::transport::http::cookies::Jar;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const FORM: &str = "<input name='csrfmiddlewaretoken' value='t0123456789' type='hidden'>";
const PAGE: &str =
    r#"window.__INITIAL_STATE__ = {"plenary": {"open": true}, "auth": {"is_authenticated": true, "id": 6}};"#;

/// How the server responds to one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Response {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers, and ends the connection without announcing it.
    AnswerAndEnd,
    /// Ends the connection without a byte.
    End,
    /// Resets the connection without a byte.
    Reset,
    /// Ends the connection in the middle of the answer.
    EndHalfway,
}

/// A server with keep-alive, which records the connection of each request.
struct KeepAliveServer {
    port: u16,
    /// Number of the connection, method and path.
    requests: Arc<Mutex<Vec<(usize, String)>>>,
    /// Connections whose end the server has seen.
    ended: Arc<AtomicUsize>,
}

impl KeepAliveServer {
    /// `respond` decides by the request line and its number on its connection.
    async fn start(respond: fn(&str, usize) -> Response) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, ended) = (Arc::default(), Arc::default());
        let (log, over) = (Arc::clone(&requests), Arc::clone(&ended));
        tokio::spawn(async move {
            for connection in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(connection, stream, respond, Arc::clone(&log), Arc::clone(&over)));
            }
        });
        Self { port, requests, ended }
    }

    fn requests(&self) -> Vec<(usize, String)> {
        self.requests.lock().unwrap().clone()
    }

    fn times(&self, line: &str) -> usize {
        self.requests().iter().filter(|(_, request)| request == line).count()
    }
}

async fn serve(
    connection: usize,
    mut stream: TcpStream,
    respond: fn(&str, usize) -> Response,
    log: Arc<Mutex<Vec<(usize, String)>>>,
    over: Arc<AtomicUsize>,
) {
    for number in 1.. {
        let Some(request) = read_request(&mut stream).await else { break };
        let line = request.line();
        log.lock().unwrap().push((connection, line.clone()));
        let answer = answer_text(&request);
        let closing = request.header("connection") == Some("close");
        match respond(&line, number) {
            Response::Answer => stream.write_all(answer.as_bytes()).await.unwrap(),
            Response::AnswerAndEnd => {
                stream.write_all(answer.as_bytes()).await.unwrap();
                break;
            }
            Response::End => break,
            Response::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Response::EndHalfway => {
                stream.write_all(&answer.as_bytes()[..answer.len() - 5]).await.unwrap();
                break;
            }
        }
        if closing {
            break;
        }
    }
    let _ = stream.shutdown().await;
    let _ = stream.read(&mut [0]).await;
    over.fetch_add(1, Ordering::SeqCst);
}

fn answer_text(request: &Request) -> String {
    let (status, headers, body) = match request.line().as_str() {
        "GET /event/test/" => ("200 OK", "", PAGE),
        line if line.starts_with("GET") => ("200 OK", "Set-Cookie: csrftoken=c1\r\n", FORM),
        _ => ("302 Found", "Location: /events/\r\nSet-Cookie: sessionid=s1\r\n", ""),
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

struct Outcome {
    signed_up: Result<(), Failure>,
    opened: Option<Result<RoomPage, Failure>>,
    retries: Vec<HttpStep>,
}

/// Signs up and opens the event page, as a user does before it connects.
async fn sign_up_and_open(server: &KeepAliveServer, name: &str) -> Outcome {
    let probe = Arc::new(RecordingProbe::default());
    let mut with_probe = settings(&format!("http://127.0.0.1:{}/", server.port));
    with_probe.probe = Arc::clone(&probe) as _;
    let driver = Plenary::new(with_probe).unwrap();
    let who = Account { username: name.to_owned(), password: Secret::new("Sup3rS3cretPw") };
    let mut session = Session::default();
    let signed_up = driver.sign_up(&who, &mut session).await;
    let opened = if signed_up.is_ok() { Some(driver.open(&mut session).await) } else { None };
    Outcome { signed_up, opened, retries: probe.retries() }
}

const POST: &str = "POST /accounts/signup/";
const EVENT: &str = "GET /event/test/";

#[tokio::test]
async fn a_form_uses_a_new_connection_and_the_page_after_it_the_same() {
    let server = KeepAliveServer::start(|_, _| Response::Answer).await;
    let outcome = sign_up_and_open(&server, "a").await;
    outcome.opened.unwrap().unwrap();
    let wanted = [(1, "GET /accounts/signup/"), (2, POST), (2, EVENT)];
    assert_eq!(server.requests(), wanted.map(|(connection, line)| (connection, line.to_owned())));
    assert_eq!(outcome.retries, []);
}

#[tokio::test]
async fn a_page_is_retried_once_when_a_kept_connection_closes_without_an_answer() {
    for second in [Response::End, Response::Reset] {
        let respond: fn(&str, usize) -> Response = match second {
            Response::End => |_, number| if number == 1 { Response::Answer } else { Response::End },
            _ => |_, number| if number == 1 { Response::Answer } else { Response::Reset },
        };
        let server = KeepAliveServer::start(respond).await;
        let outcome = sign_up_and_open(&server, "a").await;
        outcome.opened.unwrap().unwrap();
        assert_eq!(server.times(EVENT), 2, "{second:?}");
        assert_eq!(outcome.retries, [HttpStep::Room], "{second:?}");
    }
}

#[tokio::test]
async fn a_connection_closed_between_requests_fails_no_step() {
    // It says "keep-alive" and ends the connection after each answer.
    let server = KeepAliveServer::start(|_, _| Response::AnswerAndEnd).await;
    for name in ["a", "b", "c"] {
        let outcome = sign_up_and_open(&server, name).await;
        outcome.signed_up.unwrap();
        outcome.opened.unwrap().unwrap();
    }
    assert_eq!(server.times(POST), 3);
}

#[tokio::test]
async fn a_page_that_fails_on_a_new_connection_is_not_retried() {
    let server =
        KeepAliveServer::start(|line, _| if line.starts_with("GET") { Response::End } else { Response::Answer }).await;
    let outcome = sign_up_and_open(&server, "a").await;
    assert_eq!(outcome.signed_up.unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!(server.requests(), [(1, "GET /accounts/signup/".to_owned())]);
    // Nor is the repeated request of a page.
    let server = KeepAliveServer::start(|line, _| if line == EVENT { Response::End } else { Response::Answer }).await;
    let outcome = sign_up_and_open(&server, "a").await;
    assert_eq!(outcome.opened.unwrap().unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!((server.times(EVENT), outcome.retries), (2, vec![HttpStep::Room]));
}

#[tokio::test]
async fn a_page_whose_answer_had_begun_is_not_retried() {
    let server =
        KeepAliveServer::start(|line, _| if line == EVENT { Response::EndHalfway } else { Response::Answer }).await;
    let outcome = sign_up_and_open(&server, "a").await;
    assert_eq!(outcome.opened.unwrap().unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!((server.times(EVENT), outcome.retries), (1, vec![]));
}

#[tokio::test]
async fn a_form_is_never_posted_twice() {
    for response in [Response::End, Response::Reset, Response::EndHalfway] {
        let respond: fn(&str, usize) -> Response = match response {
            Response::End => |line, _| if line == POST { Response::End } else { Response::Answer },
            Response::Reset => |line, _| if line == POST { Response::Reset } else { Response::Answer },
            _ => |line, _| if line == POST { Response::EndHalfway } else { Response::Answer },
        };
        let server = KeepAliveServer::start(respond).await;
        let outcome = sign_up_and_open(&server, "a").await;
        outcome.signed_up.unwrap_err();
        assert_eq!((server.times(POST), outcome.retries), (1, vec![]), "{response:?}");
    }
}

#[tokio::test]
async fn users_share_no_connection_and_close_all_of_theirs() {
    let server = KeepAliveServer::start(|_, _| Response::Answer).await;
    let (a, b) = tokio::join!(sign_up_and_open(&server, "a"), sign_up_and_open(&server, "b"));
    a.opened.unwrap().unwrap();
    b.opened.unwrap().unwrap();
    let requests = server.requests();
    let pages: Vec<_> = requests.iter().filter(|(_, line)| line == EVENT).map(|(connection, _)| connection).collect();
    assert!(pages.len() == 2 && pages[0] != pages[1], "{requests:?}");
    // All four are closed once no user can use them.
    let closed = async {
        while server.ended.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), closed).await.expect("a connection is left behind");
}

const DELETE: &str = "POST /accounts/delete/";

/// Deletes an account on a server that loses the answer to the first post; `then` is what the form shows afterwards.
async fn delete_where(then: &'static str) -> (Result<(), Failure>, Vec<String>) {
    let posts = Arc::new(AtomicUsize::new(0));
    let server = ScriptedServer::start(move |request: Request, mut stream: TcpStream| {
        let posts = Arc::clone(&posts);
        async move {
            if request.line() == DELETE {
                // The answer is lost: the connection ends without one.
                posts.fetch_add(1, Ordering::SeqCst);
                stream.shutdown().await.unwrap();
            } else if posts.load(Ordering::SeqCst) == 0 {
                answer(stream, "200 OK", &[], FORM).await;
            } else if then == "gone" {
                answer(stream, "302 Found", &["Location: /accounts/login/?next=/accounts/delete/"], "").await;
            } else {
                answer(stream, "200 OK", &[], FORM).await;
            }
        }
    })
    .await;
    let mut session = Session::with(Jar::from([("sessionid", "s1")]));
    let deleted = driver(&server.url()).delete(&mut session).await;
    (deleted, server.request_lines())
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_verified() {
    let (deleted, lines) = delete_where("gone").await;
    deleted.unwrap();
    assert_eq!(lines, ["GET /accounts/delete/", DELETE, "GET /accounts/delete/"]);
    let (deleted, lines) = delete_where("still there").await;
    assert_eq!(deleted.unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!(lines.iter().filter(|line| *line == DELETE).count(), 1, "a form is never posted twice");
}
