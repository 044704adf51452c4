//! The control address: the faults, changed and done while the target runs.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /faults` | the knobs as they are |
//! | `PUT /faults` | sets all knobs: those not named go back to nothing wrong |
//! | `POST /faults` | sets the knobs that are named |
//! | `POST /act` | does something once, see [`Act`] |
//! | `GET /counts` | as `/_target/counts` |
//! | `GET /injections?since=N` | JSON lines, see [`Injection`](super::Injection) |
//! | `GET /written` | JSON lines, see [`Written`](super::Written) |
//!
//! It binds loopback addresses only; whoever is on this machine may use it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::faults::{BadKnob, Fault, Faults};
use super::hall::Note;
use super::peer::End;
use super::wire::Frame;
use super::world::World;
use crate::places::{Place, Places};

/// The largest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Connections at a time; for a further one, that which has been quiet longest is closed.
pub(super) const CONNECTIONS: usize = 32;
/// How long a request's head may take, an idle connection's next one included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(50);
/// The longest stall.
const STALL_LIMIT: u64 = 24 * 3600 * 1000;

/// Something to be done wrong once. As JSON: `{"do": "close", "code": 1012, "share": 0.5}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Close a share (0 to 1) of all plenary sockets with a close frame.
    Close {
        /// The close code, 1000 to 4999.
        code: u16,
        /// How many of them.
        share: f64,
    },
    /// End a share of all plenary sockets without a close frame.
    Cut {
        /// How many of them.
        share: f64,
    },
    /// Reset a share of all plenary sockets.
    Reset {
        /// How many of them.
        share: f64,
    },
    /// Make the whole target stand still: nothing is accepted, read, written or answered.
    Stall {
        /// How long, in milliseconds; a day at most.
        ms: u64,
    },
    /// Forget every session, not the accounts.
    ForgetSessions,
    /// Send every plenary socket the full member list again and again.
    Flood {
        /// How often, 10,000 at most.
        times: u32,
    },
    /// Send every plenary socket one text frame of JSON of this size.
    Frame {
        /// Its payload in bytes, from 64 to 256 MiB.
        bytes: usize,
    },
}

/// Serves the control address until the world stops.
pub(super) async fn serve(world: Arc<World>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    let places = Places::new(CONNECTIONS);
    loop {
        tokio::select! {
            () = world.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // None is kept, so there is a place always.
                    if let Some(place) = places.admit() {
                        clients.spawn(meet(Arc::clone(&world), stream, Arc::new(place)));
                    }
                }
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
    clients.shutdown().await;
}

async fn meet(world: Arc<World>, stream: TcpStream, place: Arc<Place>) {
    let service = service_fn(|request| {
        let (world, place) = (Arc::clone(&world), Arc::clone(&place));
        async move { Ok::<_, Infallible>(place.answering(answer(&world, request)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that breaks off is no concern of the target's.
        _ = connection => {}
        () = place.closed() => {}
    }
}

async fn answer(world: &World, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let since = request.uri().query().and_then(|query| query.strip_prefix("since=")).and_then(|n| n.parse().ok());
    let body = match timeout(BODY_TIMEOUT, Limited::new(request.into_body(), BODY_LIMIT).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return said(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large".to_owned()),
        Err(_) => return said(StatusCode::REQUEST_TIMEOUT, "the body did not come".to_owned()),
    };
    let result = match (method, path.as_str()) {
        (Method::GET, "/faults") => json(&*world.desk.faults()),
        (Method::GET, "/counts") => json(&world.counts()),
        (Method::GET, "/injections") => lines(&world.desk.record.read(since.unwrap_or(0))),
        (Method::GET, "/written") => lines(&world.habits.recorder.as_ref().map(|r| r.read()).unwrap_or_default()),
        (Method::PUT, "/faults") => set(world, &Value::Object(serde_json::Map::new()), &body),
        (Method::POST, "/faults") => json(&*world.desk.faults()).and_then(|now| {
            let now = serde_json::from_str(&now).map_err(|error| error.to_string())?;
            set(world, &now, &body)
        }),
        (Method::POST, "/act") => match serde_json::from_slice(&body) {
            Ok(it) => act(world, it).await.map(|()| String::new()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        _ => return said(StatusCode::NOT_FOUND, "no such address".to_owned()),
    };
    match result {
        Ok(text) => said(StatusCode::OK, text),
        Err(error) => said(StatusCode::BAD_REQUEST, error),
    }
}

/// Sets the knobs that `body` names on top of `base`; gives them back as they are then.
fn set(world: &World, base: &Value, body: &[u8]) -> Result<String, String> {
    let mut merged = base.clone();
    merge(&mut merged, serde_json::from_slice(body).map_err(|error| error.to_string())?);
    let faults: Faults = serde_json::from_value(merged).map_err(|error| error.to_string())?;
    world.desk.set(faults).map_err(|error| error.to_string())?;
    json(&*world.desk.faults())
}

fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// Does something wrong once.
pub(super) async fn act(world: &World, act: Act) -> Result<(), BadKnob> {
    let shared =
        |share: f64| (0.0..=1.0).contains(&share).then_some(share).ok_or(BadKnob::new("share", "is from 0 to 1"));
    let note = |end, share| move || Note::Disconnect(end, share);
    match act {
        Act::Close { code, share } if (1000..5000).contains(&code) => {
            tell(world, note(End::Closed(code), shared(share)?)).await;
        }
        Act::Close { .. } => return Err(BadKnob::new("code", "is a close code from 1000 to 4999")),
        Act::Cut { share } => tell(world, note(End::Fault(Fault::Cut), shared(share)?)).await,
        Act::Reset { share } => tell(world, note(End::Fault(Fault::Reset), shared(share)?)).await,
        Act::Stall { ms } if ms <= STALL_LIMIT => world.desk.stall(Duration::from_millis(ms)),
        Act::Stall { .. } => return Err(BadKnob::new("ms", "is a day at most")),
        Act::ForgetSessions => {
            world.forget_sessions();
        }
        Act::Flood { times } if times <= 10_000 => tell(world, || Note::Flood(times)).await,
        Act::Flood { .. } => return Err(BadKnob::new("times", "is 10000 at most")),
        Act::Frame { bytes } if (64..=256 << 20).contains(&bytes) => {
            let frame = Frame::padding(bytes);
            tell(world, || Note::Shout(frame.clone())).await;
        }
        Act::Frame { .. } => return Err(BadKnob::new("bytes", "is from 64 to 256 MiB")),
    }
    Ok(())
}

async fn tell(world: &World, note: impl Fn() -> Note) {
    for hall in &world.halls {
        hall.note(note()).await;
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn lines<T: Serialize>(values: &[T]) -> Result<String, String> {
    let mut out = String::new();
    for value in values {
        out.push_str(&json(value)?);
        out.push('\n');
    }
    Ok(out)
}

fn said(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
