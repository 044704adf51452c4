//! Requests that want to become a websocket: who gets a 101, who what else.

use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, Method};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Answer;
use super::page::Reply;
use super::visit::Visit;
use crate::server::socket::{Admission, Role};
use crate::server::world::World;

/// Whether the request asks for a websocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE, "websocket")
}

/// Answers a request for a websocket.
pub(super) fn answer(world: &World, visit: &Visit) -> Answer {
    let admission = handshake(visit).and_then(|accept| admit(world, visit).map(|admission| (accept, admission)));
    match admission {
        Ok((accept, admission)) => {
            let reply = Reply::bare(101)
                .header(UPGRADE, "websocket")
                .header(CONNECTION, "Upgrade")
                .header(SEC_WEBSOCKET_ACCEPT, accept);
            Answer { response: reply.into(), admission: Some(admission) }
        }
        Err(status) => {
            world.tally.sockets.refused.one();
            Reply::bare(status).into()
        }
    }
}

/// The accept key, or 400 for a handshake that RFC 6455 forbids.
fn handshake(visit: &Visit) -> Result<String, u16> {
    let headers = &visit.headers;
    let version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    match headers.get(SEC_WEBSOCKET_KEY) {
        Some(key) if version && visit.method == Method::GET && names(headers, &CONNECTION, "upgrade") => {
            Ok(derive_accept_key(key.as_bytes()))
        }
        _ => Err(400),
    }
}

/// Who comes in, or the status that says no.
fn admit(world: &World, visit: &Visit) -> Result<Admission, u16> {
    let user = visit.user.clone();
    if !visit.path.ends_with('/') {
        return Err(500);
    }
    match visit.segments()[..] {
        ["event", slug] => {
            let hall = world.hall(slug).ok_or(500_u16)?;
            if user.is_none() && hall.plenary.is_open() {
                return Err(500);
            }
            // Counted after the limit is passed, so one more than the limit gets in.
            if hall.present().checked_sub(1).is_some_and(|before| hall.plenary.is_full(before)) {
                return Err(403);
            }
            Ok(Admission { role: Role::Plenary(hall.clone()), user })
        }
        ["breakout", id] => {
            let role = match (id.parse(), &user) {
                (Err(_), _) => Role::Crash,
                (Ok(_), None) => Role::Nowhere("Authentication required"),
                (Ok(id), Some(_)) => match world.hall_of_breakout(id) {
                    Some(hall) => Role::Breakout(hall.clone(), id),
                    None => Role::Nowhere("Breakout not found"),
                },
            };
            Ok(Admission { role, user })
        }
        _ => Err(500),
    }
}

/// Whether a header that is a list names `word`.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
}
