//! The event page and the breakout page.

use super::forms::to_login;
use super::not_found;
use super::page::Reply;
use super::state;
use super::visit::Visit;
use crate::server::faults::Fault;
use crate::server::world::World;

/// `/event/<slug>/`; `/event/<id>/` leads there.
pub(super) async fn event(world: &World, visit: &Visit, slug: &str) -> Reply {
    if let Some(hall) = slug.parse().ok().and_then(|id: u64| world.halls.iter().find(|hall| hall.plenary.id == id)) {
        return Reply::redirect(302, format!("{}/event/{}/", world.options.prefix, hall.plenary.slug));
    }
    let Some(hall) = world.hall(slug) else { return not_found(world) };
    if visit.user.is_none() && hall.plenary.is_open() {
        return to_login(world, visit);
    }
    if hall.plenary.is_full(hall.present()) {
        world.tally.http.over_capacity_pages.one();
        let text =
            "<div class=\"over-capacity\"><h1>Over Capacity</h1><p>This event is full. Try again later.</p></div>";
        return Reply::page("Over Capacity", text).forget_messages(visit);
    }
    if world.desk.strikes(Fault::NoState, world.desk.faults().http.no_state) {
        return Reply::page(hall.plenary.slug, "<div id=\"app\"></div>");
    }
    let Some(view) = hall.look().await else { return Reply::error(503, "Service Unavailable") };
    let state = state::initial(&hall.plenary, &view, visit.user.as_deref(), &world.image);
    let main = format!(
        "<div id=\"app\"></div>\n<script>\nwindow.__INITIAL_STATE__ = {};\n</script>\n<script src=\"/static/app.js\"></script>",
        state.replace('/', "\\/")
    );
    Reply::page(hall.plenary.slug, &main).forget_messages(visit)
}

/// `/breakout/<id>/`
pub(super) fn breakout(world: &World, visit: &Visit, id: &str) -> Reply {
    let Ok(id) = id.parse() else { return not_found(world) };
    if world.hall_of_breakout(id).is_none() {
        return not_found(world);
    }
    if visit.user.is_none() {
        return to_login(world, visit);
    }
    Reply::page("Breakout", &format!("<div id=\"breakout\" data-id=\"{id}\"></div>")).forget_messages(visit)
}
