//! A client of the plenary protocol for the server's tests: crates only, no code of the driver, so
//! that it is an independent check of the server.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Response, StatusCode, redirect};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long a test waits for anything before it fails.
pub const TIMEOUT: Duration = Duration::from_secs(180);
pub const PASSWORD: &str = "correct-horse-battery";

thread_local! {
    // Making one is slow (it reads the machine's certificates). Each test has a thread and a
    // runtime of its own, so a client is not shared between runtimes.
    static HTTP: reqwest::Client = {
        // Only the first one installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap()
    };
}

/// A user's HTTP client, with its cookies.
pub struct Client {
    pub addr: SocketAddr,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(&'static str, String)>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(addr: SocketAddr) -> Self {
        let http = HTTP.with(Clone::clone);
        Self { addr, cookies: BTreeMap::new(), headers: Vec::new(), http }
    }

    /// A client that has signed up.
    pub async fn signed_up(addr: SocketAddr, name: &str) -> Self {
        let mut client = Self::new(addr);
        let answer = client.sign_up(name).await;
        assert_eq!(answer.status(), StatusCode::FOUND);
        client
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let mut request = request.header("Cookie", self.cookie_header());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value == "\"\"" {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Response {
        let request = self.http.get(format!("http://{}{path}", self.addr));
        self.send(request).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self
            .http
            .post(format!("http://{}{path}", self.addr))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.finish());
        self.send(request).await
    }

    /// Opens a form and posts it with its CSRF field.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let token = csrf_field(&self.get(path).await.text().await.unwrap()).expect("a form with its CSRF field");
        let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
        all.extend(fields);
        self.post(path, &all).await
    }

    pub async fn sign_up(&mut self, name: &str) -> Response {
        let fields = [("username", name), ("email", ""), ("password1", PASSWORD), ("password2", PASSWORD)];
        self.submit("/accounts/signup/", &fields).await
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> Response {
        self.submit("/accounts/login/", &[("login", name), ("password", password)]).await
    }

    /// Opens a websocket.
    pub async fn connect(&self, path: &str) -> Result<WebSocket, Error> {
        let mut request = format!("ws://{}{path}", self.addr).into_client_request().unwrap();
        request.headers_mut().insert("Cookie", self.cookie_header().parse().unwrap());
        let stream = TcpStream::connect(self.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(WebSocket { socket })
    }

    /// Opens a websocket, and waits for its first frame.
    pub async fn join(&self, path: &str) -> (WebSocket, Value) {
        let mut socket = self.connect(path).await.unwrap();
        let first = socket.json().await;
        (socket, first)
    }

    /// The HTTP status that refuses a websocket.
    pub async fn refused_status(&self, path: &str) -> u16 {
        match self.connect(path).await {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("no HTTP answer: {other}"),
            Ok(_) => 101,
        }
    }
}

/// An open websocket.
pub struct WebSocket {
    pub socket: WebSocketStream<TcpStream>,
}

impl WebSocket {
    /// The next message; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(TIMEOUT, self.socket.next()).await.expect("something should have come")
    }

    /// The next text frame.
    pub async fn text(&mut self) -> String {
        loop {
            match self.next().await.expect("the stream goes on").expect("a frame") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not text: {other:?}"),
            }
        }
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The next frame of a type; those before it are skipped.
    pub async fn json_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.json().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn chat(&mut self, text: &str) {
        self.send_text(&serde_json::json!({"type": "chat", "payload": {"message": text}}).to_string()).await;
    }

    /// Reads to the end: the close code, or `None` if there was no close frame.
    pub async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = self.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code.into());
            }
        }
        code
    }

    /// Closes and waits for the server's close frame.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
        while let Some(Ok(_)) = self.next().await {}
    }
}

pub fn csrf_field(page: &str) -> Option<String> {
    let page = scraper::Html::parse_document(page);
    let field = scraper::Selector::parse("input[name=csrfmiddlewaretoken]").unwrap();
    page.select(&field).next()?.value().attr("value").map(str::to_owned)
}

pub fn initial_state(page: &str) -> Option<Value> {
    let (_, rest) = page.split_once("window.__INITIAL_STATE__ = ")?;
    serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
}

/// The names in a member list.
pub fn members(frame: &Value) -> Vec<String> {
    let members = frame["payload"]["members"].as_array().expect("a member list");
    members.iter().map(|member| member["username"].as_str().unwrap().to_owned()).collect()
}

/// Polls a condition until it holds, or fails after [`TIMEOUT`].
pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not within the timeout: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
