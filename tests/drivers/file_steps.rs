//! Steps of protocol files against scripted servers: where values come from, what a look back finds,
//! and what is refused.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use soakrig::drivers::file::{FileConnection, FileDriver, FileProtocol, ParseOptions, parse};
use soakrig::marker::{Decoded, GeneratorTag, Marker, RoomTag, RunTag};
use soakrig::model::{Account, Failure, FailureClass, Secret, SenderId};
use soakrig::protocol::{Connection as _, Driver as _, Event, Progress, Protocol as _, Session};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::scripted_server::{
    Request, ScriptedServer, answer, close, read_request, settings, switching_protocols, text,
};

/// How long any step may take here.
const PATIENCE: Duration = Duration::from_secs(60);

const MESSAGE: &str = r#"[message]
send = "{{text}}"
[[message.received]]
match = { prefix = "say " }
text = "regex:say (.*)"
"#;

fn driver(server: &ScriptedServer, steps: &str) -> FileDriver {
    let message = if steps.contains("[message]") { "" } else { MESSAGE };
    let text = format!("schema = 1\n{steps}{message}");
    let description =
        parse::parse("my.toml", &text, &ParseOptions::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    FileProtocol::new("my", "run", description).driver(settings(&server.url())).unwrap()
}

fn ann() -> Account {
    Account { username: "ann".to_owned(), password: Secret::new("s3cret") }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}

/// A server that answers log-in by `page`, and writes `frames` on each websocket at once; what the
/// client then sends is in the requests of the next one.
async fn server(page: (&'static str, &'static [&'static str], String), frames: Vec<Vec<u8>>) -> ScriptedServer {
    let (page, frames) = (Arc::new(page), Arc::new(frames));
    ScriptedServer::start(move |request: Request, stream: TcpStream| {
        let (page, frames) = (Arc::clone(&page), Arc::clone(&frames));
        async move {
            if request.header("upgrade").is_none() {
                return answer(stream, page.0, page.1, &page.2).await;
            }
            let mut stream = stream;
            let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
            for frame in frames.iter() {
                let _ = stream.write_all(frame).await;
            }
            // Until the client disconnects.
            while read_request(&mut stream).await.is_some() {}
        }
    })
    .await
}

fn page(body: &str) -> (&'static str, &'static [&'static str], String) {
    ("200 OK", &["X-Ticket: t-1", "Set-Cookie: sid=c-1; Path=/"], body.to_owned())
}

async fn log_in(driver: &FileDriver) -> (Result<(), Failure>, Session) {
    let mut session = Session::default();
    (within(driver.log_in(&ann(), &mut session)).await, session)
}

/// Drives a connection until the user has joined, or has failed to.
async fn join(driver: &FileDriver, session: &mut Session) -> Result<FileConnection, Failure> {
    let mut connection = within(driver.connect(session)).await?;
    let mut joined = false;
    while !joined {
        let progress = within(connection.drive(|frame| joined |= frame.event == Event::Joined)).await;
        if let Progress::Ended(_) | Progress::Closing(_) = progress
            && !joined
        {
            return Err(connection.failure().expect("a reason"));
        }
    }
    Ok(connection)
}

#[tokio::test]
async fn a_log_in_takes_values_from_headers_cookies_pages_and_json_in_json() {
    let html = "<form><input name=csrf value=\"&quot;f-1&quot;\"><b id=who>Ann</b></form>{\"data\":\"x\"}";
    let server = server(page(html), Vec::new()).await;
    let steps = r##"[[log_in]]
get = "/form"
capture = { ticket = "header:X-Ticket", sid = "cookie:sid", csrf = "css:input[name=csrf]@value", who = "css:#who" }
[[log_in]]
post = "/in"
form = { ticket = "{{ticket}}", sid = "{{sid}}", csrf = "{{csrf}}", who = "{{who}}" }
[socket]
url = "{{ws}}/socket"
"##;
    let driver = driver(&server, steps);
    log_in(&driver).await.0.unwrap();
    let posted = server.requests()[1].clone();
    let fields = ["ticket", "sid", "csrf", "who"].map(|name| posted.field(name).unwrap());
    assert_eq!(fields, ["t-1", "c-1", "\"f-1\"", "Ann"]);
    assert_eq!(posted.header("cookie"), Some("sid=c-1"));
}

#[tokio::test]
async fn a_session_without_what_the_file_captures_signs_in_again() {
    let server = server(page("{}"), Vec::new()).await;
    let steps = r#"[[log_in]]
get = "/"
capture = { ticket = "header:X-Ticket" }
[socket]
url = "{{ws}}/socket?{{ticket}}"
"#;
    let driver = driver(&server, steps);
    let failure = within(driver.open(&mut Session::default())).await.unwrap_err();
    assert_eq!((failure.class, &*failure.detail), (FailureClass::SignedOut, "the saved session has no ticket"));
    let (outcome, mut session) = log_in(&driver).await;
    outcome.unwrap();
    within(driver.open(&mut session)).await.unwrap();
}

#[tokio::test]
async fn a_chain_reads_json_inside_json() {
    let server = server(page(r#"{"data":"{\"token\":{\"id\":7.0}}"}"#), Vec::new()).await;
    let steps = r#"[[log_in]]
get = "/"
capture = { token = ["json:/data", "json:/token"], id = ["json:/data", "json:/token/id"] }
[[log_in]]
post = "/in"
form = { token = "{{token}}", id = "{{id}}" }
[socket]
url = "{{ws}}/socket"
"#;
    let driver = driver(&server, steps);
    log_in(&driver).await.0.unwrap();
    let posted = server.requests()[1].clone();
    // Objects and numbers keep the server's spelling.
    assert_eq!((posted.field("token").as_deref(), posted.field("id").as_deref()), (Some("{\"id\":7.0}"), Some("7.0")));
}

#[tokio::test]
async fn a_value_that_is_missing_null_or_too_long_fails_the_step_by_its_name() {
    let steps = r#"[[log_in]]
get = "/"
capture = { token = "json:/token" }
[socket]
url = "{{ws}}/socket?{{token|url}}"
"#;
    let just = format!("{{\"token\":\"{}\"}}", "x".repeat(16 * 1024));
    let long = format!("{{\"token\":\"{}\"}}", "x".repeat(16 * 1024 + 1));
    for (body, told) in [
        ("{}", "log_in step 1: the value of token is missing or null"),
        ("{\"token\":null}", "is missing or null"),
        ("no json", "is missing or null"),
        (just.as_str(), ""),
        (long.as_str(), "log_in step 1: the value of token is longer than 16 KiB"),
    ] {
        let server = server(page(body), Vec::new()).await;
        let said = log_in(&driver(&server, steps)).await.0.err().map_or(String::new(), |failure| failure.to_string());
        assert!(said.contains(told) && said.is_empty() == told.is_empty(), "{told}: {said}");
    }
}

#[test]
fn a_file_has_at_most_32_captures() {
    let file = |captures: usize| {
        let all: Vec<String> = (0..captures).map(|n| format!("c{n} = \"json:/{n}\"")).collect();
        let used: String = (0..captures).map(|n| format!("{{{{c{n}}}}}")).collect();
        let text = format!(
            "schema = 1\n[[log_in]]\nget = \"/\"\ncapture = {{ {} }}\n[socket]\nurl = \"{{{{ws}}}}/{used}\"\n{MESSAGE}",
            all.join(", ")
        );
        parse::parse("my.toml", &text, &ParseOptions::default()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(file(32), Ok(()));
    let said = file(33).unwrap_err();
    assert!(said.contains("my.toml:4: log_in step 1, capture: more than 32 captures"), "{said}");
}

/// The steps of a join that waits for `b`, then for `a`.
const LOOK_BACK: &str = r#"[socket]
url = "{{ws}}/socket"
[[join]]
expect = { prefix = "b" }
[[join]]
expect = { prefix = "a" }
timeout = "1s"
"#;

#[tokio::test]
async fn a_step_looks_back_at_64_frames_and_no_further() {
    for (between, joins) in [(63, true), (64, false)] {
        let mut frames = vec![text("a")];
        frames.extend((0..between).map(|n| text(&format!("x{n}"))));
        frames.push(text("b"));
        let server = server(page(""), frames).await;
        let driver = driver(&server, LOOK_BACK);
        let joined = join(&driver, &mut Session::default()).await;
        assert_eq!(joined.is_ok(), joins, "{between} frames between: {:?}", joined.err());
    }
}

#[tokio::test]
async fn a_step_looks_back_at_256_kib_and_says_what_came_instead() {
    let frames = |size: usize| vec![text("a"), text(&"x".repeat(size)), text("b")];
    let server_of = |size: usize| server(page(""), frames(size));
    let near = server_of(256 * 1024 - 1).await;
    assert!(join(&driver(&near, LOOK_BACK), &mut Session::default()).await.is_ok());
    let far = server_of(256 * 1024).await;
    let failure = join(&driver(&far, LOOK_BACK), &mut Session::default()).await.err().unwrap().to_string();
    assert!(failure.contains("join step 2: expected prefix \"a\", got \"xxx"), "{failure}");
}

#[tokio::test]
async fn a_close_code_may_refuse_a_user_who_has_not_joined() {
    let server = server(page(""), vec![text("hello"), close(4401)]).await;
    let steps = "[[refusal]]\nclose = [4401, 4403]\nas = \"signed_out\"\n[socket]\nurl = \"{{ws}}/socket\"\n[[join]]\nexpect = { equals = \"in\" }\n";
    let failure = join(&driver(&server, steps), &mut Session::default()).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::SignedOut);
    assert!(failure.to_string().contains("join step 1: the server closed the connection, code 4401"), "{failure}");
}

#[tokio::test]
async fn texts_of_xml_are_decoded_before_the_marker_is_read() {
    let marker = Marker {
        run: RunTag::of("run"),
        room: RoomTag::of("test"),
        generator: GeneratorTag(1),
        seq: 5,
        intended_micros: 1_700_000_000_000_000,
    };
    let said = marker.encode(SenderId::text("a&b"), "1 < 2 & more");
    let escaped = said.replace('&', "&amp;").replace('<', "&#x3C;");
    let frames = vec![text("in"), text(&format!("<m from='a&amp;b'>{escaped}</m>"))];
    let server = server(page(""), frames).await;
    let file = "[socket]\nurl = \"{{ws}}/socket\"\n[[join]]\nexpect = { equals = \"in\" }\n[message]\nsend = \"{{text}}\"\n\
                [[message.received]]\nmatch = { regex = \"<m from='(?P<who>[^']*)'>(?P<body>.*)</m>\" }\n\
                text = \"group:body\"\nsender = \"group:who\"\ndecode = \"xml\"\n";
    let mut connection = within(driver(&server, file).connect(&mut Session::default())).await.unwrap();
    let mut heard = None;
    while heard.is_none() {
        within(connection.drive(|frame| {
            if let Event::Message { sender, decoded, .. } = frame.event {
                heard = Some((sender, decoded));
            }
        }))
        .await;
    }
    assert_eq!(heard, Some((SenderId::text("a&b"), Decoded::Intact(marker))));
}
