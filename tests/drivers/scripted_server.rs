//! A scripted server: one request per connection, answered byte for byte by the test's script.
//!
//! It knows just enough HTTP for that, shares no code with the crate under test, and records its
//! requests.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use soakrig::clock::Clock;
use soakrig::drivers::plenary::Plenary;
use soakrig::model::{HttpOutcome, HttpStep};
use soakrig::protocol::{DriverSettings, Probe, Untraced};
use soakrig::transport::ConnectionOptions;
use soakrig::transport::tls::TlsSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// One request as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A field of a posted form.
    pub fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes()).find(|(known, _)| known == name).map(|(_, v)| v.into_owned())
    }
}

type ScriptFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A scripted server; it ends with the test's runtime.
pub struct ScriptedServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl ScriptedServer {
    /// Answers the single request of each connection by `script`, which then owns the stream.
    pub async fn start<F, A>(script: F) -> Self
    where
        F: Fn(Request, TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let script = Arc::new(move |request, stream| Box::pin(script(request, stream)) as ScriptFuture);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        log.lock().unwrap().push(request.clone());
                        script(request, stream).await;
                    }
                });
            }
        });
        Self { port, requests }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Methods and paths of all requests so far.
    pub fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

pub async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()))).collect();
    let mut request = Request { method, path, headers, body: String::new() };
    let length: usize = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head + length {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
    }
    request.body = String::from_utf8(bytes[head..].to_vec()).ok()?;
    Some(request)
}

/// Answers, and ends the connection.
pub async fn answer(mut stream: TcpStream, status: &str, headers: &[&str], body: &str) {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The head of a correct answer to an upgrade.
pub fn switching_protocols(request: &Request) -> String {
    let key = request.header("sec-websocket-key").expect("a websocket request");
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

/// A server's frame, unmasked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=65535 => {
            frame.push(126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// A whole text frame.
pub fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

/// A close frame with a code.
pub fn close(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

/// A probe that records what the driver reports.
#[derive(Default)]
pub struct RecordingProbe(Mutex<Vec<(HttpStep, HttpOutcome)>>, Mutex<Vec<HttpStep>>);

impl Probe for RecordingProbe {
    fn http(&self, step: HttpStep, outcome: HttpOutcome, _took: Duration) {
        self.0.lock().unwrap().push((step, outcome));
    }

    fn http_retry(&self, step: HttpStep) {
        self.1.lock().unwrap().push(step);
    }
}

impl RecordingProbe {
    pub fn retries(&self) -> Vec<HttpStep> {
        self.1.lock().unwrap().clone()
    }

    pub fn all(&self) -> Vec<(HttpStep, HttpOutcome)> {
        self.0.lock().unwrap().clone()
    }
}

/// DriverSettings for the event `test` at `base`.
pub fn settings(base: &str) -> DriverSettings {
    DriverSettings {
        base: base.parse().unwrap(),
        room: "test".to_owned(),
        connection: ConnectionOptions {
            tls: TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() },
            source_ips: Vec::new(),
            resolve: Vec::new(),
            proxy: None,
            headers: http::HeaderMap::new(),
            compression: false,
            max_frame: 1 << 20,
            http_timeout: Duration::from_secs(20),
        },
        clock: Clock::start(),
        secrets: Vec::new(),
        probe: Arc::new(RecordingProbe::default()),
        trace: Arc::new(Untraced),
    }
}

/// A driver for the event `test` at `base`.
pub fn driver(base: &str) -> Plenary {
    Plenary::new(settings(base)).unwrap()
}
