//! `soakrig health` as a container runs it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A server that answers each request with this, and the request lines it received.
fn server(answer: &'static [u8]) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 1_024]);
            let long = stream.read(&mut request).unwrap();
            let line = String::from_utf8_lossy(&request[..long]).lines().next().unwrap_or_default().to_owned();
            let _ = tell.send(line);
            let _ = stream.write_all(answer);
        }
    });
    (url, asked)
}

/// The exit code and the output.
fn health(url: &str, proxy: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(["health", url]).env_clear();
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"] {
        command.env(name, proxy);
    }
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn health_ignores_proxy_variables() {
    let (proxy, asked) = server(FINE);
    // Nothing listens on this port: it was free a moment ago, and nothing else should take it.
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, said) = health(&format!("http://{nothing}"), &proxy);
    assert!(code == Some(99) && said.contains("connection refused"), "{said}");
    let (generator, live) = server(FINE);
    assert_eq!(health(&generator, &proxy).0, Some(0));
    assert_eq!(live.recv().unwrap(), "GET /live HTTP/1.1");
    assert!(asked.try_recv().is_err(), "the proxy was asked");
}

#[test]
fn an_incomplete_answer_is_not_healthy() {
    for (answer, says) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"[..], "cut off"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
    ] {
        let (url, _asked) = server(answer);
        let (code, said) = health(&url, "");
        assert!(code == Some(99) && said.contains(says), "{says}: {said}");
    }
}

#[test]
fn health_times_out_without_an_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    let output = command.args(["health", &url, "--timeout", "100ms"]).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(99) && said.contains("timed out"), "{said}");
}
