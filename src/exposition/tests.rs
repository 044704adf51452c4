//! The server over real sockets.

use std::sync::atomic::AtomicBool;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Served {
    exposition: Exposition,
    ready: Arc<AtomicBool>,
    stop: CancellationToken,
}

async fn served() -> Served {
    let metrics = Arc::new(Metrics::new(Default::default()).unwrap());
    let ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ready);
    let readiness = move || {
        if asked.load(Ordering::Relaxed) { Readiness::Ready } else { Readiness::NotReady("ramping") }
    };
    let stop = CancellationToken::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let page = LivePage {
        html: "<p>here</p>".into(),
        policy: "default-src 'none'; frame-ancestors 'none'".into(),
        data: Box::new(|since| format!("{{\"from\":{since}}}")),
    };
    let exposition = serve(any, metrics, readiness, Some(page), stop.clone()).await.unwrap();
    Served { exposition, ready, stop }
}

/// Sends one request and reads until the server ends the connection.
async fn exchange(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses a request early may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(addr: SocketAddr, path: &str) -> String {
    exchange(addr, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn metrics_come_in_the_text_format() {
    let served = served().await;
    let answer = get(served.exposition.addr(), "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nsoakrig_build_info{version="), "{answer}");
}

#[tokio::test]
async fn readiness_is_asked_each_time() {
    let served = served().await;
    let before = get(served.exposition.addr(), "/ready").await;
    assert!(before.starts_with("HTTP/1.1 503") && before.ends_with("\r\n\r\nramping\n"), "{before}");
    served.ready.store(true, Ordering::Relaxed);
    assert!(get(served.exposition.addr(), "/ready").await.starts_with("HTTP/1.1 200"));
    assert!(get(served.exposition.addr(), "/live").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let served = served().await;
    let addr = served.exposition.addr();
    assert!(get(addr, "/etc/passwd").await.starts_with("HTTP/1.1 404"));
    let post = exchange(addr, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"), "{post}");
    let head = exchange(addr, "HEAD /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    let served = served().await;
    let request = format!("GET /live HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024));
    let answer = exchange(served.exposition.addr(), &request).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(get(served.exposition.addr(), "/live").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_remedy() {
    let served = served().await;
    let addr = served.exposition.addr();
    let metrics = Arc::new(Metrics::new(Default::default()).unwrap());
    let again = serve(addr, metrics, || Readiness::Ready, None, CancellationToken::new()).await;
    let error = again.unwrap_err().to_string();
    assert!(error.contains(&addr.to_string()) && error.contains("--metrics-listen"), "{error}");
}

#[tokio::test]
async fn it_stops_though_a_client_holds_its_connection() {
    let served = served().await;
    let addr = served.exposition.addr();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0_u8; 8];
    idle.read_exact(&mut first).await.unwrap();
    served.stop.cancel();
    served.exposition.stopped().await;
    // Closed gracefully, not cut off with the rest after `STOP_TIMEOUT`: nothing of the answer is missing.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"alive\n"));
    assert!(TcpStream::connect(addr).await.is_err());
}

/// A connection that has sent `sent` and, as far as the server knows, sends nothing more.
async fn half_open(addr: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // A connection that has already been closed may refuse the write.
    let _ = stream.write_all(sent.as_bytes()).await;
    stream
}

#[tokio::test]
async fn clients_that_say_nothing_keep_no_other_out() {
    let served = served().await;
    let addr = served.exposition.addr();
    let mut silent = Vec::new();
    for sent in ["", "GET /metr", "GET /live HTTP/1.1\r\nHost: x\r\nX: "] {
        for _ in 0..3 * MOST_CONNECTIONS {
            silent.push(half_open(addr, sent).await);
        }
        for path in ["/live", "/metrics"] {
            assert!(get(addr, path).await.starts_with("HTTP/1.1 200"), "{path} behind {sent:?}");
        }
        assert!(get(addr, "/ready").await.starts_with("HTTP/1.1 503"));
    }
}

#[tokio::test]
async fn clients_that_take_no_answer_keep_no_other_out() {
    let served = served().await;
    let addr = served.exposition.addr();
    let many = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    let mut deaf = Vec::new();
    for _ in 0..2 * MOST_CONNECTIONS {
        deaf.push(half_open(addr, &many).await);
    }
    for path in ["/live", "/metrics"] {
        assert!(get(addr, path).await.starts_with("HTTP/1.1 200"), "{path}");
    }
}

/// Reads the metrics on a kept connection, as Prometheus does.
async fn scrape(stream: &mut TcpStream) {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus\r\n\r\n").await.unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0_u8; 65_536]);
    let whole = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        (body.len() >= length.parse().ok()?).then_some(())
    };
    while whole(&answer).is_none() {
        let n = stream.read(&mut chunk).await.unwrap();
        assert!(n > 0, "closed within an answer");
        answer.extend_from_slice(&chunk[..n]);
    }
}

#[tokio::test]
async fn a_head_or_the_look_of_another_client_is_not_the_last_scrape() {
    let served = served().await;
    let addr = served.exposition.addr();
    let mut prometheus = TcpStream::connect(addr).await.unwrap();
    scrape(&mut prometheus).await;
    scrape(&mut prometheus).await;
    let kept = |served: &Served| {
        let seen = served.exposition.looks.seen();
        seen.into_iter().find(|(scraper, _)| scraper.connection.is_some()).unwrap()
    };
    let before = kept(&served);
    assert_eq!(before.0.name, b"Prometheus");
    exchange(addr, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus\r\nConnection: close\r\n\r\n").await;
    prometheus.write_all(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus\r\n\r\n").await.unwrap();
    prometheus.read_exact(&mut [0; 15]).await.unwrap();
    exchange(addr, "GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus\r\nConnection: close\r\n\r\n").await;
    assert_eq!(kept(&served), before);

    let mut again = TcpStream::connect(addr).await.unwrap();
    scrape(&mut again).await;
    scrape(&mut again).await;
    let several = served.exposition.looks.seen().into_iter().filter(|(scraper, _)| scraper.connection.is_some());
    assert_eq!(several.count(), 2, "two of one name and address");
}

/// Sends a request as a browser does with this host in its address bar.
async fn get_of(addr: SocketAddr, path: &str, host: &str) -> String {
    exchange(addr, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn the_live_page_is_served_to_its_own_host_only() {
    let served = served().await;
    let addr = served.exposition.addr();
    let page = get_of(addr, "/", &addr.to_string()).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("<p>here</p>"), "{page}");
    for head in ["frame-ancestors 'none'", "nosniff", "no-referrer", "same-origin", "no-store", "text/html"] {
        assert!(page.contains(head), "{head}: {page}");
    }
    assert!(!page.to_lowercase().contains("access-control"), "{page}");
    let data = get_of(addr, "/live.json?since=60", "localhost:9464").await;
    assert!(data.ends_with("{\"from\":60}") && data.contains("application/json"), "{data}");
    for path in ["/", "/live.json"] {
        let refused = get_of(addr, path, "evil.example").await;
        assert!(refused.starts_with("HTTP/1.1 421") && !refused.contains("from"), "{refused}");
    }
    let scrape = get_of(addr, "/metrics", "generator.example:9464").await;
    assert!(scrape.starts_with("HTTP/1.1 200"), "Prometheus names the target as it likes");
    let post = exchange(addr, "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
}

#[tokio::test]
async fn connections_of_the_live_page_make_room_for_scrapes() {
    let served = served().await;
    let addr = served.exposition.addr();
    let mut scraper = TcpStream::connect(addr).await.unwrap();
    let mut first = [0_u8; 12];
    let mut ask = async || {
        scraper.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"alive\n") {
            let n = scraper.read(&mut first).await.unwrap();
            assert!(n > 0, "the scraper's connection was closed");
            answer.extend_from_slice(&first[..n]);
        }
    };
    ask().await;
    let mut watching = Vec::new();
    for _ in 0..2 * MOST_CONNECTIONS {
        let mut stream = half_open(addr, "GET /live.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        let mut head = [0_u8; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        watching.push(stream);
    }
    ask().await;
}
