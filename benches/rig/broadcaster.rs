//! The bare broadcaster: the least that a server can do and still pass for a plenary.
//!
//! It signs every user up, upgrades every socket, lets it in with a short member list, and
//! writes each chat to all sockets, one after the other, from one task. It keeps no history,
//! checks nothing and must not be taken for a server. Orders come on its standard input:
//! `drive RATE BATCH` (chats of its own), `gather N` (write the users' chats N at once),
//! `lists BYTES RATE` (member lists), `rest`, `count`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::wire;

/// What the writing task is told.
enum Order {
    Enter(Arc<TcpStream>),
    Leave(Arc<TcpStream>),
    To(Arc<TcpStream>, Vec<u8>),
    /// To all sockets: the bytes, and the number of frames in them.
    All(Vec<u8>, u64),
    /// A user's chat; waits until as many as `gather` says are there.
    Chat(Vec<u8>),
}

#[derive(Default)]
struct BroadcastCounts {
    users: AtomicU64,
    sockets: AtomicUsize,
    frames: AtomicU64,
    chats: AtomicU64,
    gather: AtomicUsize,
}

/// Serves until its standard input ends.
pub async fn serve() -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse().map_err(io::Error::other)?)?;
    let listener = socket.listen(8_192)?;
    println!("listening on {}", listener.local_addr()?);
    let (orders, inbox) = unbounded_channel();
    let counts = Arc::new(BroadcastCounts { gather: AtomicUsize::new(1), ..BroadcastCounts::default() });
    tokio::spawn(write_all(inbox, Arc::clone(&counts)));
    let (accepted, told) = (orders.clone(), Arc::clone(&counts));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (orders, counts) = (accepted.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                // A client that disconnects without a close frame has left, too.
                let _ = attend(stream, orders, counts).await;
            });
        }
    });
    obey(orders, counts).await
}

async fn obey(orders: UnboundedSender<Order>, counts: Arc<BroadcastCounts>) -> io::Result<()> {
    let mut lines = super::orders();
    let mut driving: Vec<tokio::task::JoinHandle<()>> = Vec::new();
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|w| w.parse::<f64>().ok()).unwrap_or(0.0);
        match words.first().copied() {
            Some("drive") if number(1) > 0.0 => {
                let chat = wire::text(wire::chat(0, 0, "\"a chat of the server's own\"").as_bytes());
                let batch = number(2).max(1.0);
                let bytes = chat.repeat(batch as usize);
                driving.push(tokio::spawn(repeat(orders.clone(), bytes, batch as u64, number(1) / batch)));
            }
            Some("lists") if number(2) > 0.0 => {
                let list = wire::text(wire::members(number(1) as usize).as_bytes());
                driving.push(tokio::spawn(repeat(orders.clone(), list, 1, number(2))));
            }
            Some("rest") => driving.drain(..).for_each(|task| task.abort()),
            Some("gather") => counts.gather.store(number(1) as usize, Ordering::Relaxed),
            Some("count") => println!(
                "count {} {} {}",
                counts.sockets.load(Ordering::Relaxed),
                counts.frames.load(Ordering::Relaxed),
                counts.chats.load(Ordering::Relaxed)
            ),
            _ => println!("unknown order: {line}"),
        }
    }
    Ok(())
}

/// Writes the same bytes `rate` times per second.
async fn repeat(orders: UnboundedSender<Order>, bytes: Vec<u8>, frames: u64, rate: f64) {
    let begin = Instant::now();
    for turn in 1.. {
        sleep_until(begin + Duration::from_secs_f64(f64::from(turn) / rate)).await;
        if orders.send(Order::All(bytes.clone(), frames)).is_err() {
            return;
        }
    }
}

async fn write_all(mut inbox: UnboundedReceiver<Order>, counts: Arc<BroadcastCounts>) {
    let mut room: Vec<Arc<TcpStream>> = Vec::new();
    let mut gathered = (Vec::new(), 0);
    while let Some(order) = inbox.recv().await {
        match order {
            Order::Enter(stream) => {
                room.push(stream);
                counts.sockets.store(room.len(), Ordering::Relaxed);
            }
            Order::Leave(stream) => {
                room.retain(|other| !Arc::ptr_eq(other, &stream));
                counts.sockets.store(room.len(), Ordering::Relaxed);
            }
            Order::To(stream, bytes) => write(&stream, &bytes).await,
            Order::All(bytes, frames) => {
                for stream in &room {
                    write(stream, &bytes).await;
                }
                counts.frames.fetch_add(frames * room.len() as u64, Ordering::Relaxed);
            }
            Order::Chat(bytes) => {
                counts.chats.fetch_add(1, Ordering::Relaxed);
                gathered.0.extend_from_slice(&bytes);
                gathered.1 += 1;
                if gathered.1 < counts.gather.load(Ordering::Relaxed) {
                    continue;
                }
                let (bytes, frames) = std::mem::take(&mut gathered);
                for stream in &room {
                    write(stream, &bytes).await;
                }
                counts.frames.fetch_add(frames as u64 * room.len() as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Writes everything; a write to a broken stream is not an error.
async fn write(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if stream.writable().await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Answers requests until one asks for the upgrade, then reads frames.
async fn attend(mut stream: TcpStream, orders: UnboundedSender<Order>, counts: Arc<BroadcastCounts>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let Some(head) = request(&mut stream).await? else { return Ok(()) };
        let who = wire::between(&head, "sessionid=", |c| c.is_ascii_digit());
        if let Some(key) = wire::header(&head, "sec-websocket-key") {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.as_bytes())
            );
            stream.write_all(answer.as_bytes()).await?;
            let user = who.and_then(|id| id.parse().ok()).unwrap_or(0);
            return listen(stream, user, &orders).await;
        }
        let answer = if head.starts_with("POST") {
            let id = counts.users.fetch_add(1, Ordering::Relaxed) + 1;
            format!(
                "HTTP/1.1 302 Found\r\nLocation: /events/\r\nSet-Cookie: sessionid={id}\r\nContent-Length: 0\r\n\r\n"
            )
        } else if head.starts_with("GET /event/") {
            match who {
                Some(id) => wire::page("", &wire::state(id)),
                None => {
                    "HTTP/1.1 302 Found\r\nLocation: /accounts/login/?next=/event/test/\r\nContent-Length: 0\r\n\r\n"
                        .into()
                }
            }
        } else {
            wire::page("Set-Cookie: csrftoken=t\r\n", wire::FORM)
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The head of a request, its body read and dropped; `None` at the end of the stream.
async fn request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length: usize = wire::header(&head, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// Lets a socket in and reads what it says.
async fn listen(stream: TcpStream, user: u64, orders: &UnboundedSender<Order>) -> io::Result<()> {
    let stream = Arc::new(stream);
    let told = |order| orders.send(order).map_err(io::Error::other);
    told(Order::Enter(Arc::clone(&stream)))?;
    told(Order::To(Arc::clone(&stream), wire::text(wire::members(300).as_bytes())))?;
    let mut bytes = Vec::new();
    let outcome = loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut bytes) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => break Err(e),
        }
        while let Some((opcode, payload)) = wire::take_frame(&mut bytes) {
            match opcode {
                1 => {
                    if let Some(message) = wire::said(&payload) {
                        told(Order::Chat(wire::text(wire::chat(1, user, message).as_bytes())))?;
                    }
                }
                8 => {
                    told(Order::To(Arc::clone(&stream), wire::frame(8, &payload)))?;
                    told(Order::Leave(Arc::clone(&stream)))?;
                }
                9 => told(Order::To(Arc::clone(&stream), wire::frame(10, &payload)))?,
                _ => {}
            }
        }
        if bytes.is_empty() {
            bytes = Vec::new();
        }
    };
    told(Order::Leave(stream))?;
    outcome
}
