//! The raw reader: the least that can be done with bytes from many sockets on tokio. It reads
//! them into one buffer per thread and counts them; it knows no frames.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// Opens `count` sockets to `server` from the `sources` in turn and reads until its standard input ends.
pub async fn read(
    server: SocketAddr,
    path: String,
    cookie: String,
    count: usize,
    sources: Vec<IpAddr>,
) -> io::Result<()> {
    let bytes = Arc::new(AtomicU64::new(0));
    let reads = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(Semaphore::new(64));
    let mut opening = tokio::task::JoinSet::new();
    for nth in 0..count {
        let permit = Arc::clone(&gate).acquire_owned().await.map_err(io::Error::other)?;
        let source = sources.get(nth % sources.len().max(1)).copied();
        let (bytes, reads, path, cookie) = (Arc::clone(&bytes), Arc::clone(&reads), path.clone(), cookie.clone());
        opening.spawn(async move {
            let stream = open(server, &path, &cookie, source).await?;
            drop(permit);
            tokio::spawn(count_bytes(stream, bytes, reads));
            io::Result::Ok(())
        });
    }
    while let Some(opened) = opening.join_next().await {
        opened.map_err(io::Error::other)??;
    }
    println!("open {count}");
    let mut lines = super::orders();
    while lines.recv().await.is_some() {
        println!("count {} {}", bytes.load(Ordering::Relaxed), reads.load(Ordering::Relaxed));
    }
    Ok(())
}

async fn open(server: SocketAddr, path: &str, cookie: &str, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = source {
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let mut stream = socket.connect(server).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nOrigin: http://{server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Cookie: {cookie}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::Error::other("the server hung up"));
        }
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    Ok(stream)
}

async fn count_bytes(mut stream: TcpStream, bytes: Arc<AtomicU64>, reads: Arc<AtomicU64>) {
    loop {
        let read = poll_fn(|cx| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut stream).poll_read(cx, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| buffer.filled().len())),
                }
            })
        });
        match read.await {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                bytes.fetch_add(n as u64, Ordering::Relaxed);
                reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
