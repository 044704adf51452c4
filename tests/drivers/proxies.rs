//! Proxies for the tests: one that makes tunnels (CONNECT), and one in front of a server.
//!
//! They share no code with the crate under test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a forward proxy does with CONNECT.
#[derive(Debug, Clone, Copy)]
pub enum Conduct {
    /// Makes a tunnel to known hosts, and answers 502 for all others.
    Tunnel,
    /// Makes a tunnel for these credentials (the whole header) only.
    TunnelFor(&'static str),
    /// Sends this and ends the connection.
    Says(&'static str),
    /// Sends this again and again.
    Repeats(&'static str),
    /// Sends nothing and keeps the connection open.
    Silent,
}

/// A forward proxy; it ends with the test's runtime.
pub struct ForwardProxy {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// What a forward proxy received.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The heads of requests to the proxy itself.
    pub heads: Vec<String>,
    /// What clients sent in tunnels.
    pub inside: String,
    /// Where connections came from.
    pub peers: Vec<IpAddr>,
    /// Connections that did not begin with CONNECT.
    pub strange: Vec<String>,
}

impl ForwardProxy {
    /// `knows` are the ports of this machine that names with ports stand for.
    pub async fn start(knows: &[(&str, u16)], conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let knows = known(knows);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                log.lock().unwrap().peers.push(peer.ip());
                tokio::spawn(serve(stream, Arc::clone(&knows), conduct, Arc::clone(&log)));
            }
        });
        Self { port, seen }
    }

    /// The same under TLS, with a certificate that no authority has signed.
    pub async fn start_over_tls(knows: &[(&str, u16)], conduct: Conduct) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (knows, seen) = (known(knows), Arc::new(Mutex::new(Seen::default())));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, knows, log) = (acceptor.clone(), Arc::clone(&knows), Arc::clone(&log));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, knows, conduct, log).await;
                    }
                });
            }
        });
        Self { port, seen }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// The hosts it was asked for.
    pub fn targets(&self) -> Vec<String> {
        self.seen().heads.iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

fn known(ports: &[(&str, u16)]) -> Arc<BTreeMap<String, u16>> {
    Arc::new(ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect())
}

/// Serves one connection, under TLS or not.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    knows: Arc<BTreeMap<String, u16>>,
    conduct: Conduct,
    seen: Arc<Mutex<Seen>>,
) {
    let Some((head, _)) = read_head(&mut stream).await else { return };
    if !head.starts_with("CONNECT ") {
        seen.lock().unwrap().strange.push(head);
        return;
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().heads.push(head.clone());
    let welcome = match conduct {
        Conduct::TunnelFor(credentials) => head.lines().any(|line| line.eq_ignore_ascii_case(credentials)),
        _ => true,
    };
    let said = match conduct {
        Conduct::Says(said) => said,
        Conduct::Repeats(said) => {
            while stream.write_all(said.as_bytes()).await.is_ok() {}
            return;
        }
        Conduct::Silent => {
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
        _ if !welcome => {
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
        }
        _ => match knows.get(&target) {
            Some(port) => {
                let back = TcpStream::connect(("127.0.0.1", *port)).await.unwrap();
                stream.write_all(b"HTTP/1.0 200 Connection established\r\nVia: 1.1 test\r\n\r\n").await.unwrap();
                return tunnel(stream, back, &seen).await;
            }
            None => "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        },
    };
    let _ = stream.write_all(said.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Forwards everything, and records what the client sends.
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(front: S, mut back: TcpStream, seen: &Mutex<Seen>) {
    let (mut from_client, mut to_client) = tokio::io::split(front);
    let (mut from_server, mut to_server) = back.split();
    let up = async {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = from_client.read(&mut chunk).await {
            seen.lock().unwrap().inside.push_str(&String::from_utf8_lossy(&chunk[..n]));
            if to_server.write_all(&chunk[..n]).await.is_err() {
                return;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

/// The head of a request or an answer, and the bytes read after it.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
    }
}

/// A load balancer in front of a server. Each answer, a 101 too, sets a cookie that must come back: a
/// client without one gets one and a new node, a client with one stays with its node. Request heads
/// are limited.
pub struct ReverseProxy {
    pub port: u16,
    nodes: Arc<Mutex<BTreeMap<String, u32>>>,
}

/// The longest head of a request, in bytes; nginx's default for one line of it.
const HEAD_LIMIT: usize = 8 << 10;

impl ReverseProxy {
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let nodes = Arc::new(Mutex::new(BTreeMap::new()));
        let log = Arc::clone(&nodes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(balance(stream, server, Arc::clone(&log)));
            }
        });
        Self { port, nodes }
    }

    /// Requests by node.
    pub fn nodes(&self) -> BTreeMap<String, u32> {
        self.nodes.lock().unwrap().clone()
    }
}

async fn balance(mut front: TcpStream, server: u16, nodes: Arc<Mutex<BTreeMap<String, u32>>>) {
    let Some((head, mut body)) = read_head(&mut front).await else { return };
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    while body.len() < length.map_or(0, |text| text.parse().unwrap()) {
        let mut chunk = [0; 4096];
        let Ok(n @ 1..) = front.read(&mut chunk).await else { return };
        body.extend_from_slice(&chunk[..n]);
    }
    if head.len() > HEAD_LIMIT {
        let _ = front.write_all(b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    let node = {
        let mut nodes = nodes.lock().unwrap();
        let stuck = head.split("node=").nth(1).map(|rest| rest.split([';', '\r']).next().unwrap().to_owned());
        let node = stuck.unwrap_or_else(|| format!("n{}", nodes.len()));
        *nodes.entry(node.clone()).or_default() += 1;
        node
    };
    let is_upgrade = head.to_ascii_lowercase().contains("\r\nupgrade: websocket");
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    if !is_upgrade {
        // One request per connection: what follows is not parsed.
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        lines.push("Connection: close");
    }
    let mut back = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    back.write_all(format!("{}\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n", lines.join("\r\n")).as_bytes()).await.unwrap();
    back.write_all(&body).await.unwrap();
    let answer = read_head(&mut back).await;
    let Some((answer, rest)) = answer else { return };
    let answer = answer.trim_end();
    let head = format!("{answer}\r\nSet-Cookie: node={node}; Path=/; HttpOnly; SameSite=Lax\r\n\r\n");
    if front.write_all(head.as_bytes()).await.is_ok() && front.write_all(&rest).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
    }
}
