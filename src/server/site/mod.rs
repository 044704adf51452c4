//! The pages: routing, and what each address answers.
//!
//! Pure HTTP over the world's accounts and halls; sockets begin in [`upgrade`].

mod afflict;
mod event;
mod forms;
mod page;
mod state;
pub(super) mod upgrade;
mod visit;

use std::net::SocketAddr;

use http::{Method, Request, Response};
use hyper::body::Incoming;

pub(super) use page::Body;
use page::Reply;
use visit::Visit;

use super::socket::Admission;
use super::world::World;

/// An answer, and who goes on as a socket where it is a 101.
pub(super) struct Answer {
    pub response: Response<Body>,
    pub admission: Option<Admission>,
}

/// Answers one request of `client`.
pub(super) async fn answer(world: &World, request: Request<Incoming>, client: SocketAddr) -> Answer {
    world.tally.http.requests.one();
    world.pass().await;
    let Some(visit) = Visit::of(world, request).await else {
        world.tally.http.bad_requests.one();
        return Reply::error(400, "Bad Request").into();
    };
    count(world, &visit);
    if upgrade::is_wanted(&visit.headers) {
        return match afflict::upgrade(world).await {
            Some(reply) => reply.into(),
            None => upgrade::answer(world, &visit),
        };
    }
    if visit.segments().first() == Some(&"_target") {
        return own(world, &visit, client).into();
    }
    let reply = match afflict::page(world).await {
        Some(reply) => reply,
        None => route(world, &visit).await,
    };
    Answer { response: afflict::body(world, reply.into()).await, admission: None }
}

fn count(world: &World, visit: &Visit) {
    let http = &world.tally.http;
    let post = visit.method == Method::POST;
    match visit.segments().first().copied().zip(visit.segments().get(1).copied()) {
        Some(("accounts", "signup")) if post => http.signup_posts.one(),
        Some(("accounts", "signup")) => http.signup_forms.one(),
        Some(("accounts", "login")) if post => http.login_posts.one(),
        Some(("accounts", "login")) => http.login_forms.one(),
        Some(("accounts", "delete")) => http.deletes.one(),
        Some(("event", _)) => http.events.one(),
        Some(("breakout", _)) => http.breakouts.one(),
        _ => {}
    }
}

async fn route(world: &World, visit: &Visit) -> Reply {
    let segments = visit.segments();
    if !is_address(&segments) {
        return not_found(world);
    }
    if !visit.path.ends_with('/') {
        let query = visit.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        return Reply::redirect(301, format!("{}{}/{query}", world.options.prefix, visit.path));
    }
    if visit.method == Method::POST
        && let Err(reply) = visit.check_csrf()
    {
        world.tally.http.csrf_refused.one();
        return reply;
    }
    match segments[..] {
        ["accounts", "signup"] => forms::sign_up(world, visit),
        ["accounts", "login"] => forms::log_in(world, visit),
        ["accounts", "delete"] => forms::delete(world, visit),
        ["event", slug] => event::event(world, visit, slug).await,
        ["breakout", id] => event::breakout(world, visit, id),
        [] | ["events"] => Reply::page("Events", "<h1>Events</h1>").forget_messages(visit),
        _ => not_found(world),
    }
}

fn is_address(segments: &[&str]) -> bool {
    matches!(segments, [] | ["events"] | ["accounts", "signup" | "login" | "delete"] | ["event" | "breakout", _])
}

fn not_found(world: &World) -> Reply {
    world.tally.http.not_found.one();
    Reply::error(404, "Not Found")
}

/// The target's own addresses, for this machine only, and free of faults.
fn own(world: &World, visit: &Visit, client: SocketAddr) -> Reply {
    match visit.segments()[..] {
        _ if !client.ip().to_canonical().is_loopback() => not_found(world),
        ["_target", "counts"] => Reply::json(serde_json::to_string(&world.counts()).unwrap_or_default()),
        // For `soakrig health http://127.0.0.1:8000/_target`.
        ["_target", "live"] => Reply::json("true".to_owned()),
        _ => not_found(world),
    }
}
