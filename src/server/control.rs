//! The control address: changes and injects faults while the server runs.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /faults` | the fault settings in force |
//! | `PUT /faults` | replaces all settings: those not named go back to no fault |
//! | `POST /faults` | changes the settings that are named |
//! | `POST /act` | injects a fault once, see [`FaultAction`] |
//! | `GET /counts` | as `/_target/counts` |
//! | `GET /rooms` | JSON lines, see [`RoomCounts`](super::RoomCounts) |
//! | `GET /injections?since=N` | JSON lines, see [`Injection`](super::Injection) |
//! | `GET /written` | JSON lines, see [`WrittenDelivery`](super::WrittenDelivery) |
//!
//! It binds loopback addresses only; every user of this machine may use it.

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

use super::faults::{Fault, Faults, InvalidFault};
use super::listener::HEAD_TIMEOUT;
use super::plenary_handle::Command;
use super::socket::DisconnectReason;
use super::state::ServerState;
use super::wire::Frame;
use crate::connection_limit::{ConnectionLimit, ConnectionPermit};

/// The largest body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Connections at a time; beyond this, the one that has been idle longest is closed.
pub(super) const CONNECTIONS: usize = 32;
/// How long a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after `accept` failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// The longest stall, in milliseconds.
const STALL_LIMIT: u64 = 24 * 3600 * 1000;

/// A fault to be injected once. As JSON: `{"do": "close", "code": 1012, "share": 0.5}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
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
    /// Stall the whole server: nothing is accepted, read, written or answered.
    Stall {
        /// How long, in milliseconds; a day at most.
        ms: u64,
    },
    /// Delete every session, not the accounts.
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

/// Serves the control address until the server stops.
pub(super) async fn serve(server: Arc<ServerState>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    let places = ConnectionLimit::new(CONNECTIONS);
    loop {
        tokio::select! {
            () = server.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // No connection here is exempt from closing, so one always fits.
                    if let Some(place) = places.admit() {
                        clients.spawn(serve_client(Arc::clone(&server), stream, Arc::new(place)));
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
    clients.shutdown().await;
}

async fn serve_client(server: Arc<ServerState>, stream: TcpStream, place: Arc<ConnectionPermit>) {
    let service = service_fn(|request| {
        let (server, place) = (Arc::clone(&server), Arc::clone(&place));
        async move { Ok::<_, Infallible>(place.answering(answer(&server, request)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A client that breaks off is no error here.
        _ = connection => {}
        () = place.closed() => {}
    }
}

async fn answer(server: &ServerState, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let since = request.uri().query().and_then(|query| query.strip_prefix("since=")).and_then(|n| n.parse().ok());
    let body = match timeout(BODY_TIMEOUT, Limited::new(request.into_body(), BODY_LIMIT).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return respond(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large".to_owned()),
        Err(_) => return respond(StatusCode::REQUEST_TIMEOUT, "the body did not come".to_owned()),
    };
    let result = match (method, path.as_str()) {
        (Method::GET, "/faults") => json(&*server.injector.faults()),
        (Method::GET, "/counts") => json(&server.counts()),
        (Method::GET, "/rooms") => lines(&server.rooms()),
        (Method::GET, "/injections") => lines(&server.injector.log.read(since.unwrap_or(0))),
        (Method::GET, "/written") => {
            lines(&server.socket_context.delivery_log.as_ref().map(|r| r.read()).unwrap_or_default())
        }
        (Method::PUT, "/faults") => set(server, &Value::Object(serde_json::Map::new()), &body),
        (Method::POST, "/faults") => json(&*server.injector.faults()).and_then(|now| {
            let now = serde_json::from_str(&now).map_err(|error| error.to_string())?;
            set(server, &now, &body)
        }),
        (Method::POST, "/act") => match serde_json::from_slice(&body) {
            Ok(action) => inject(server, action).await.map(|()| String::new()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
        _ => return respond(StatusCode::NOT_FOUND, "no such address".to_owned()),
    };
    match result {
        Ok(text) => respond(StatusCode::OK, text),
        Err(error) => respond(StatusCode::BAD_REQUEST, error),
    }
}

/// Applies the settings in `body` to `base`; returns all settings in force afterwards.
fn set(server: &ServerState, base: &Value, body: &[u8]) -> Result<String, String> {
    let mut merged = base.clone();
    merge(&mut merged, serde_json::from_slice(body).map_err(|error| error.to_string())?);
    let faults: Faults = serde_json::from_value(merged).map_err(|error| error.to_string())?;
    server.injector.set(faults).map_err(|error| error.to_string())?;
    json(&*server.injector.faults())
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

/// Injects a fault once.
pub(super) async fn inject(server: &ServerState, action: FaultAction) -> Result<(), InvalidFault> {
    let checked =
        |share: f64| (0.0..=1.0).contains(&share).then_some(share).ok_or(InvalidFault::new("share", "is from 0 to 1"));
    let disconnect = |reason, share| move || Command::Disconnect(reason, share);
    match action {
        FaultAction::Close { code, share } if (1000..5000).contains(&code) => {
            send_to_plenaries(server, disconnect(DisconnectReason::InjectedClose(code), checked(share)?)).await;
        }
        FaultAction::Close { .. } => return Err(InvalidFault::new("code", "is a close code from 1000 to 4999")),
        FaultAction::Cut { share } => {
            send_to_plenaries(server, disconnect(DisconnectReason::InjectedFault(Fault::Cut), checked(share)?)).await;
        }
        FaultAction::Reset { share } => {
            send_to_plenaries(server, disconnect(DisconnectReason::InjectedFault(Fault::Reset), checked(share)?)).await;
        }
        FaultAction::Stall { ms } if ms <= STALL_LIMIT => server.injector.stall(Duration::from_millis(ms)),
        FaultAction::Stall { .. } => return Err(InvalidFault::new("ms", "is a day at most")),
        FaultAction::ForgetSessions => {
            server.forget_sessions();
        }
        FaultAction::Flood { times } if times <= 10_000 => send_to_plenaries(server, || Command::Flood(times)).await,
        FaultAction::Flood { .. } => return Err(InvalidFault::new("times", "is 10000 at most")),
        FaultAction::Frame { bytes } if (64..=256 << 20).contains(&bytes) => {
            let frame = Frame::padding(bytes);
            send_to_plenaries(server, || Command::Broadcast(frame.clone())).await;
        }
        FaultAction::Frame { .. } => return Err(InvalidFault::new("bytes", "is from 64 to 256 MiB")),
    }
    Ok(())
}

async fn send_to_plenaries(server: &ServerState, command: impl Fn() -> Command) {
    for handle in &server.plenaries {
        handle.send(command()).await;
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

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
