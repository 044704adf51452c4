//! Connections that the server ends early: what is repeated, what is not, and who shares what.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::stage::{Heard, Reports, Stage, answer, driver, listen, settings};
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{Account, Failure, FailureKind, Secret, Step};
use soakrig::protocol::{Driver, Room, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const FORM: &str = "<input name='csrfmiddlewaretoken' value='t0123456789' type='hidden'>";
const PAGE: &str =
    r#"window.__INITIAL_STATE__ = {"plenary": {"open": true}, "auth": {"is_authenticated": true, "id": 6}};"#;

/// How a server treats one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers, and ends the connection without having announced it.
    AnswerAndEnd,
    /// Ends the connection without a byte.
    End,
    /// Resets the connection without a byte.
    Reset,
    /// Ends the connection in the middle of the answer.
    EndHalfway,
}

/// A server that keeps connections, and remembers which request came on which.
struct Keeper {
    port: u16,
    /// Number of the connection, method and path.
    heard: Arc<Mutex<Vec<(usize, String)>>>,
    /// Connections whose end the server has seen.
    ended: Arc<AtomicUsize>,
}

impl Keeper {
    /// `deeds` tells by the request and its number on its connection.
    async fn open(deeds: fn(&str, usize) -> Deed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, ended) = (Arc::default(), Arc::default());
        let (log, over) = (Arc::clone(&heard), Arc::clone(&ended));
        tokio::spawn(async move {
            for connection in 1.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(connection, stream, deeds, Arc::clone(&log), Arc::clone(&over)));
            }
        });
        Self { port, heard, ended }
    }

    fn heard(&self) -> Vec<(usize, String)> {
        self.heard.lock().unwrap().clone()
    }

    fn times(&self, line: &str) -> usize {
        self.heard().iter().filter(|(_, heard)| heard == line).count()
    }
}

async fn serve(
    connection: usize,
    mut stream: TcpStream,
    deeds: fn(&str, usize) -> Deed,
    log: Arc<Mutex<Vec<(usize, String)>>>,
    over: Arc<AtomicUsize>,
) {
    for number in 1.. {
        let Some(request) = listen(&mut stream).await else { break };
        let line = request.line();
        log.lock().unwrap().push((connection, line.clone()));
        let answer = answer_to(&request);
        let closing = request.header("connection") == Some("close");
        match deeds(&line, number) {
            Deed::Answer => stream.write_all(answer.as_bytes()).await.unwrap(),
            Deed::AnswerAndEnd => {
                stream.write_all(answer.as_bytes()).await.unwrap();
                break;
            }
            Deed::End => break,
            Deed::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Deed::EndHalfway => {
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

fn answer_to(request: &Heard) -> String {
    let (status, headers, body) = match request.line().as_str() {
        "GET /event/test/" => ("200 OK", "", PAGE),
        line if line.starts_with("GET") => ("200 OK", "Set-Cookie: csrftoken=c1\r\n", FORM),
        _ => ("302 Found", "Location: /events/\r\nSet-Cookie: sessionid=s1\r\n", ""),
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

struct Outcome {
    signed_up: Result<(), Failure>,
    opened: Option<Result<Room, Failure>>,
    retries: Vec<Step>,
}

/// Signs up and opens the event page, as a user on its way into the room does.
async fn come_in(server: &Keeper, name: &str) -> Outcome {
    let reports = Arc::new(Reports::default());
    let mut with_reports = settings(&format!("http://127.0.0.1:{}/", server.port));
    with_reports.probe = Arc::clone(&reports) as _;
    let driver = Plenary::new(with_reports).unwrap();
    let who = Account { username: name.to_owned(), password: Secret::new("Sup3rS3cretPw") };
    let mut session = Session::default();
    let signed_up = driver.sign_up(&who, &mut session).await;
    let opened = if signed_up.is_ok() { Some(driver.open(&mut session).await) } else { None };
    Outcome { signed_up, opened, retries: reports.retries() }
}

const POST: &str = "POST /accounts/signup/";
const EVENT: &str = "GET /event/test/";

#[tokio::test]
async fn a_form_goes_on_a_fresh_connection_and_the_page_after_it_on_the_same() {
    let server = Keeper::open(|_, _| Deed::Answer).await;
    let outcome = come_in(&server, "a").await;
    outcome.opened.unwrap().unwrap();
    let wanted = [(1, "GET /accounts/signup/"), (2, POST), (2, EVENT)];
    assert_eq!(server.heard(), wanted.map(|(connection, line)| (connection, line.to_owned())));
    assert_eq!(outcome.retries, []);
}

#[tokio::test]
async fn a_page_is_repeated_once_when_the_kept_connection_ends_without_an_answer() {
    for second in [Deed::End, Deed::Reset] {
        let deeds: fn(&str, usize) -> Deed = match second {
            Deed::End => |_, number| if number == 1 { Deed::Answer } else { Deed::End },
            _ => |_, number| if number == 1 { Deed::Answer } else { Deed::Reset },
        };
        let server = Keeper::open(deeds).await;
        let outcome = come_in(&server, "a").await;
        outcome.opened.unwrap().unwrap();
        assert_eq!(server.times(EVENT), 2, "{second:?}");
        assert_eq!(outcome.retries, [Step::Event], "{second:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ended_between_two_requests_hurts_no_step() {
    // It says "keep-alive" and ends the connection behind each answer.
    let server = Keeper::open(|_, _| Deed::AnswerAndEnd).await;
    for name in ["a", "b", "c"] {
        let outcome = come_in(&server, name).await;
        outcome.signed_up.unwrap();
        outcome.opened.unwrap().unwrap();
    }
    assert_eq!(server.times(POST), 3);
}

#[tokio::test]
async fn a_page_that_fails_on_a_fresh_connection_is_not_repeated() {
    let server = Keeper::open(|line, _| if line.starts_with("GET") { Deed::End } else { Deed::Answer }).await;
    let outcome = come_in(&server, "a").await;
    assert_eq!(outcome.signed_up.unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!(server.heard(), [(1, "GET /accounts/signup/".to_owned())]);
    // Nor is the repetition of a page.
    let server = Keeper::open(|line, _| if line == EVENT { Deed::End } else { Deed::Answer }).await;
    let outcome = come_in(&server, "a").await;
    assert_eq!(outcome.opened.unwrap().unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!((server.times(EVENT), outcome.retries), (2, vec![Step::Event]));
}

#[tokio::test]
async fn a_page_whose_answer_had_begun_is_not_repeated() {
    let server = Keeper::open(|line, _| if line == EVENT { Deed::EndHalfway } else { Deed::Answer }).await;
    let outcome = come_in(&server, "a").await;
    assert_eq!(outcome.opened.unwrap().unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!((server.times(EVENT), outcome.retries), (1, vec![]));
}

#[tokio::test]
async fn a_form_is_never_posted_twice() {
    for deed in [Deed::End, Deed::Reset, Deed::EndHalfway] {
        let deeds: fn(&str, usize) -> Deed = match deed {
            Deed::End => |line, _| if line == POST { Deed::End } else { Deed::Answer },
            Deed::Reset => |line, _| if line == POST { Deed::Reset } else { Deed::Answer },
            _ => |line, _| if line == POST { Deed::EndHalfway } else { Deed::Answer },
        };
        let server = Keeper::open(deeds).await;
        let outcome = come_in(&server, "a").await;
        outcome.signed_up.unwrap_err();
        assert_eq!((server.times(POST), outcome.retries), (1, vec![]), "{deed:?}");
    }
}

#[tokio::test]
async fn users_share_no_connection_and_leave_none_behind() {
    let server = Keeper::open(|_, _| Deed::Answer).await;
    let (a, b) = tokio::join!(come_in(&server, "a"), come_in(&server, "b"));
    a.opened.unwrap().unwrap();
    b.opened.unwrap().unwrap();
    let heard = server.heard();
    let pages: Vec<_> = heard.iter().filter(|(_, line)| line == EVENT).map(|(connection, _)| connection).collect();
    assert!(pages.len() == 2 && pages[0] != pages[1], "{heard:?}");
    // All four are closed as soon as nobody can use them any more.
    let closed = async {
        while server.ended.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), closed).await.expect("a connection is left behind");
}

const DELETE: &str = "POST /accounts/delete/";

/// What a server says to whoever asks for the deletion form after the first post of it.
async fn delete_where(then: &'static str) -> (Result<(), Failure>, Vec<String>) {
    let posts = Arc::new(AtomicUsize::new(0));
    let stage = Stage::open(move |heard: Heard, mut stream: TcpStream| {
        let posts = Arc::clone(&posts);
        async move {
            if heard.line() == DELETE {
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
    let mut session = Session { cookies: vec![("sessionid".into(), "s1".into())], ..Session::default() };
    let deleted = driver(&stage.url()).delete(&mut session).await;
    (deleted, stage.lines())
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_looked_up() {
    let (deleted, lines) = delete_where("gone").await;
    deleted.unwrap();
    assert_eq!(lines, ["GET /accounts/delete/", DELETE, "GET /accounts/delete/"]);
    let (deleted, lines) = delete_where("still there").await;
    assert_eq!(deleted.unwrap_err().kind, FailureKind::ConnectionClosed);
    assert_eq!(lines.iter().filter(|line| *line == DELETE).count(), 1, "a form is never posted twice");
}
