//! The event page and the breakout page.

use super::forms::redirect_to_login;
use super::initial_state;
use super::reply::Reply;
use super::request::PageRequest;
use crate::server::faults::Fault;
use crate::server::state::ServerState;

/// `/event/<slug>/`; `/event/<id>/` redirects there.
pub(super) async fn event(server: &ServerState, request: &PageRequest, slug: &str) -> Reply {
    if let Some(handle) =
        slug.parse().ok().and_then(|id: u64| server.plenaries.iter().find(|handle| handle.plenary.id == id))
    {
        return Reply::redirect(302, format!("{}/event/{}/", server.options.prefix, handle.plenary.slug));
    }
    let Some(handle) = server.plenary(slug) else { return Reply::not_found(server) };
    if request.user.is_none() && handle.plenary.is_open() {
        return redirect_to_login(server, request);
    }
    if handle.plenary.is_full(handle.present()) {
        server.counters.http.over_capacity_pages.increment();
        let text =
            "<div class=\"over-capacity\"><h1>Over Capacity</h1><p>This event is full. Try again later.</p></div>";
        return Reply::page("Over Capacity", text).clear_messages(request);
    }
    if server.injector.fires(Fault::NoState, server.injector.faults().http.no_state) {
        return Reply::page(&handle.plenary.slug, "<div id=\"app\"></div>");
    }
    let Some(snapshot) = handle.snapshot().await else { return Reply::error(503, "Service Unavailable") };
    let state = initial_state::render(&handle.plenary, &snapshot, request.user.as_deref(), &server.image);
    let main = format!(
        "<div id=\"app\"></div>\n<script>\nwindow.__INITIAL_STATE__ = {};\n</script>\n<script src=\"/static/app.js\"></script>",
        state.replace('/', "\\/")
    );
    Reply::page(&handle.plenary.slug, &main).clear_messages(request)
}

/// `/breakout/<id>/`
pub(super) fn breakout(server: &ServerState, request: &PageRequest, id: &str) -> Reply {
    let Ok(id) = id.parse() else { return Reply::not_found(server) };
    if server.plenary_of_breakout(id).is_none() {
        return Reply::not_found(server);
    }
    if request.user.is_none() {
        return redirect_to_login(server, request);
    }
    Reply::page("Breakout", &format!("<div id=\"breakout\" data-id=\"{id}\"></div>")).clear_messages(request)
}
