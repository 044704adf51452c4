//! The pages: routing, and what each address answers.
//!
//! Pure HTTP over the server's accounts and plenaries; sockets start in [`upgrade`].

mod event;
mod faults;
mod forms;
mod initial_state;
mod reply;
mod request;
pub(super) mod upgrade;

use std::net::SocketAddr;

use http::{Method, Request};
use hyper::body::Incoming;

use reply::Reply;
pub(super) use reply::{Answer, Body};
use request::PageRequest;

use super::state::ServerState;

/// Answers one request of `client`.
pub(super) async fn answer(server: &ServerState, request: Request<Incoming>, client: SocketAddr) -> Answer {
    server.counters.http.requests.increment();
    server.wait_while_stalled().await;
    let Some(request) = PageRequest::read(server, request).await else {
        server.counters.http.bad_requests.increment();
        return Reply::error(400, "Bad Request").into();
    };
    count_route(server, &request);
    if upgrade::is_wanted(&request.headers) {
        return match faults::upgrade(server).await {
            Some(reply) => reply.into(),
            None => upgrade::answer(server, &request),
        };
    }
    if request.segments().first() == Some(&"_target") {
        return own_routes(server, &request, client).into();
    }
    let reply = match faults::page(server).await {
        Some(reply) => reply,
        None => route(server, &request).await,
    };
    Answer { response: faults::body(server, reply.into()).await, upgrade: None }
}

fn count_route(server: &ServerState, request: &PageRequest) {
    let http = &server.counters.http;
    let post = request.method == Method::POST;
    match request.segments().first().copied().zip(request.segments().get(1).copied()) {
        Some(("accounts", "signup")) if post => http.signup_posts.increment(),
        Some(("accounts", "signup")) => http.signup_forms.increment(),
        Some(("accounts", "login")) if post => http.login_posts.increment(),
        Some(("accounts", "login")) => http.login_forms.increment(),
        Some(("accounts", "delete")) => http.deletes.increment(),
        Some(("event", _)) => http.events.increment(),
        Some(("breakout", _)) => http.breakouts.increment(),
        _ => {}
    }
}

async fn route(server: &ServerState, request: &PageRequest) -> Reply {
    let segments = request.segments();
    if !is_known_path(&segments) {
        return Reply::not_found(server);
    }
    if !request.path.ends_with('/') {
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        return Reply::redirect(301, format!("{}{}/{query}", server.options.prefix, request.path));
    }
    if request.method == Method::POST
        && let Err(reason) = request.check_csrf()
    {
        server.counters.http.csrf_refused.increment();
        return Reply::error(403, &format!("CSRF verification failed. Request aborted. {reason}."));
    }
    match segments[..] {
        ["accounts", "signup"] => forms::sign_up(server, request),
        ["accounts", "login"] => forms::log_in(server, request),
        ["accounts", "delete"] => forms::delete(server, request),
        ["event", slug] => event::event(server, request, slug).await,
        ["breakout", id] => event::breakout(server, request, id),
        [] | ["events"] => Reply::page("Events", "<h1>Events</h1>").clear_messages(request),
        _ => Reply::not_found(server),
    }
}

fn is_known_path(segments: &[&str]) -> bool {
    matches!(segments, [] | ["events"] | ["accounts", "signup" | "login" | "delete"] | ["event" | "breakout", _])
}

/// The server's own addresses, for this machine only, and exempt from faults.
fn own_routes(server: &ServerState, request: &PageRequest, client: SocketAddr) -> Reply {
    match request.segments()[..] {
        _ if !client.ip().to_canonical().is_loopback() => Reply::not_found(server),
        ["_target", "counts"] => Reply::json(serde_json::to_string(&server.counts()).unwrap_or_default()),
        // For `soakrig health http://127.0.0.1:8000/_target`.
        ["_target", "live"] => Reply::json("true".to_owned()),
        _ => Reply::not_found(server),
    }
}
