//! `soakrig check` against servers that speak something else than the file says.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::check::{FILE, checked};
use crate::scripted_server::{Request, ScriptedServer, answer, frame, switching_protocols};

/// A server that speaks something else, and what `check` takes it for.
async fn resembles<F, A>(script: F, texts: &[&str])
where
    F: Fn(Request, TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    resembles_with(FILE, script, texts).await;
}

/// The same with another protocol file.
async fn resembles_with<F, A>(file: &str, script: F, texts: &[&str])
where
    F: Fn(Request, TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let (server, folder) = (ScriptedServer::start(script).await, tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("my.toml"), file).unwrap();
    let (code, said) = checked(&server, folder.path(), "my.toml", &["--http-timeout", "2s"]);
    assert_eq!(code, Some(107), "{said}");
    for text in texts {
        assert!(said.contains(text), "no {text:?} in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_io_server_is_recognised() {
    let script = |request: Request, stream| async move {
        match request.path.starts_with("/socket.io/?EIO=4&transport=polling") {
            true => answer(stream, "200 OK", &[], r#"0{"sid":"x","upgrades":["websocket"]}"#).await,
            false => answer(stream, "404 Not Found", &[], "").await,
        }
    };
    resembles(script, &["a Socket.IO handshake at /socket.io/: try --protocol socketio"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_answer_names_its_step() {
    let script = |_: Request, stream: TcpStream| async move { drop(stream) };
    resembles(script, &["FAILED: my.toml:2: connection_closed: log_in step 1: "]).await;
}

/// A file without steps joins anything; the server ends the connection at the first message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_on_the_first_message_is_recognised() {
    let file = r#"schema = 1
[socket]
url = "{{ws}}/socket.io/?EIO=4&transport=websocket"
[message]
send = "{{text}}"
echo = true
[[message.received]]
match = { any = true }
text = "frame"
"#;
    let script = |request: Request, mut stream: TcpStream| async move {
        if request.path.contains("transport=polling") {
            return answer(stream, "200 OK", &[], r#"0{"sid":"x","upgrades":["websocket"]}"#).await;
        }
        let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        let _ = stream.write_all(&frame(0x88, &1002_u16.to_be_bytes())).await;
        let _ = stream.shutdown().await;
    };
    let told = ["the connection of loadtest0 ended", "a Socket.IO handshake at /socket.io/: try --protocol socketio"];
    resembles_with(file, script, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn action_cable_is_recognised_by_its_frames() {
    let script = |request: Request, mut stream: TcpStream| async move {
        if request.path != "/cable" || request.header("upgrade").is_none() {
            return answer(stream, "404 Not Found", &[], "").await;
        }
        let _ = stream.write_all(switching_protocols(&request).as_bytes()).await;
        let _ = stream.write_all(&frame(0x81, br#"{"type":"welcome"}"#)).await;
        let _ = stream.shutdown().await;
    };
    resembles(script, &["Action Cable's frames at /cable: try --protocol actioncable"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subprotocol_is_recognised_where_it_is_chosen_and_where_a_refusal_names_it() {
    let refuses = |request: Request, stream| async move {
        match request.path == "/graphql" {
            true => answer(stream, "400 Bad Request", &[], "speak graphql-transport-ws here").await,
            false => answer(stream, "404 Not Found", &[], "").await,
        }
    };
    resembles(
        refuses,
        &["refusal at /graphql (HTTP 400) names the subprotocol graphql-transport-ws: try --protocol graphql-ws"],
    )
    .await;
    let chooses = |request: Request, mut stream: TcpStream| async move {
        let Some(offered) = request.header("sec-websocket-protocol") else {
            return answer(stream, "404 Not Found", &[], "").await;
        };
        let wanted = if offered.contains("text.ircv3.net") { "Sec-WebSocket-Protocol: text.ircv3.net\r\n" } else { "" };
        let head = switching_protocols(&request).replace("\r\n\r\n", &format!("\r\n{wanted}\r\n"));
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.shutdown().await;
    };
    resembles(chooses, &["the server chooses the subprotocol text.ircv3.net at", "try --protocol irc"]).await;
}
