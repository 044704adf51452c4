//! Requests for a websocket: which get a 101, and what the others get.

use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, Method};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::reply::{Answer, Reply};
use super::request::PageRequest;
use crate::server::socket_task::{SocketRole, Upgrade};
use crate::server::state::ServerState;

/// Whether the request asks for a websocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    list_contains(headers, &UPGRADE, "websocket")
}

/// Answers a request for a websocket.
pub(super) fn answer(server: &ServerState, request: &PageRequest) -> Answer {
    let upgrade = handshake(request).and_then(|accept| authorize(server, request).map(|upgrade| (accept, upgrade)));
    match upgrade {
        Ok((accept, upgrade)) => {
            let reply = Reply::empty(101)
                .header(UPGRADE, "websocket")
                .header(CONNECTION, "Upgrade")
                .header(SEC_WEBSOCKET_ACCEPT, accept);
            Answer { response: reply.into(), upgrade: Some(upgrade) }
        }
        Err(status) => {
            server.counters.sockets.refused.increment();
            Reply::empty(status).into()
        }
    }
}

/// The accept key, or 400 for a handshake that RFC 6455 forbids.
fn handshake(request: &PageRequest) -> Result<String, u16> {
    let headers = &request.headers;
    let version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    match headers.get(SEC_WEBSOCKET_KEY) {
        Some(key) if version && request.method == Method::GET && list_contains(headers, &CONNECTION, "upgrade") => {
            Ok(derive_accept_key(key.as_bytes()))
        }
        _ => Err(400),
    }
}

/// The upgrade, or the status of the refusal.
fn authorize(server: &ServerState, request: &PageRequest) -> Result<Upgrade, u16> {
    let user = request.user.clone();
    if !request.path.ends_with('/') {
        return Err(500);
    }
    match request.segments()[..] {
        ["event", slug] => {
            let handle = server.plenary(slug).ok_or(500_u16)?;
            if user.is_none() && handle.plenary.is_open() {
                return Err(500);
            }
            // Counted after the limit is passed, so one more than the limit gets in.
            if handle.present().checked_sub(1).is_some_and(|before| handle.plenary.is_full(before)) {
                return Err(403);
            }
            Ok(Upgrade { role: SocketRole::Plenary(handle.clone()), user })
        }
        ["breakout", id] => {
            let role = match (id.parse(), &user) {
                (Err(_), _) => SocketRole::Crash,
                (Ok(_), None) => SocketRole::Rejected("Authentication required"),
                (Ok(id), Some(_)) => match server.plenary_of_breakout(id) {
                    Some(handle) => SocketRole::Breakout(handle.clone(), id),
                    None => SocketRole::Rejected("Breakout not found"),
                },
            };
            Ok(Upgrade { role, user })
        }
        _ => Err(500),
    }
}

/// Whether a header that is a list names `word`.
fn list_contains(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}
