//! `soakrig health` as a container runs it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

/// A server that answers each request with 200, and the lines that it was asked with.
fn server() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 1_024]);
            let long = stream.read(&mut request).unwrap();
            let line = String::from_utf8_lossy(&request[..long]).lines().next().unwrap_or_default().to_owned();
            let _ = tell.send(line);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, asked)
}

fn health(url: &str, proxy: &str) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.args(["health", url]).env_clear();
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"] {
        command.env(name, proxy);
    }
    command.output().unwrap().status.code()
}

#[test]
fn health_asks_the_generator_and_no_proxy() {
    let (proxy, asked) = server();
    // Nothing listens on this port: it was free a moment ago, and nothing else is to take it.
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(health(&format!("http://{nothing}"), &proxy), Some(99));
    let (generator, live) = server();
    assert_eq!(health(&generator, &proxy), Some(0));
    assert_eq!(live.recv().unwrap(), "GET /live HTTP/1.1");
    assert!(asked.try_recv().is_err(), "the proxy was asked");
}
