//! `__INITIAL_STATE__`: what the event page tells its script about the plenary.
//!
//! Pure: facts in, JSON out.

use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::server::accounts::User;
use crate::server::hall::View;
use crate::server::json::dumps;
use crate::server::plenary::{Doors, Plenary};
use crate::server::wire::Card;

#[derive(Serialize)]
struct State<'a> {
    plenary: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakouts: Option<Vec<Value>>,
    chat_messages: Vec<&'a RawValue>,
    users: Cards<'a>,
    breakout_presence: Presence<'a>,
    auth: Value,
}

/// Cards under their users' ids.
struct Cards<'a>(Vec<Card<'a>>);

impl Serialize for Cards<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for card in &self.0 {
            map.serialize_entry(&card.user.id.to_string(), card)?;
        }
        map.end()
    }
}

/// Member lists under their breakouts' ids.
struct Presence<'a>(Vec<(u64, Vec<Card<'a>>)>);

impl Serialize for Presence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct List<'a> {
            members: &'a [Card<'a>],
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, members) in &self.0 {
            map.serialize_entry(&id.to_string(), &List { members })?;
        }
        map.end()
    }
}

/// The state for `user`; without one it is the reduced state of a visitor.
pub(super) fn initial(plenary: &Plenary, view: &View, user: Option<&User>, image: &str) -> String {
    let card = |user| Card { user, image };
    let mut users: Vec<Card<'_>> = view.users.iter().map(|user| card(user)).collect();
    if let Some(user) = user
        && !view.users.iter().any(|other| other.id == user.id)
    {
        users.push(card(user));
    }
    let rooms = view.breakouts.iter().map(|(id, users)| (*id, users.iter().map(|user| card(user)).collect()));
    dumps(&State {
        plenary: plenary_facts(plenary),
        breakouts: user.map(|_| breakouts(plenary)),
        chat_messages: view.chats.iter().map(AsRef::as_ref).collect(),
        users: Cards(users),
        breakout_presence: Presence(rooms.collect()),
        auth: auth(user, image),
    })
}

fn plenary_facts(plenary: &Plenary) -> Value {
    let (opens, closes) = (time(plenary.doors_open), time(plenary.doors_close));
    json!({
        "id": plenary.id, "slug": plenary.slug, "name": format!("Plenary {}", plenary.slug),
        "organizer": "Load rig", "open": plenary.is_open(), "public": true,
        "canceled": plenary.doors == Doors::Cancelled, "max_participants": plenary.max_participants,
        "breakouts_open": !plenary.breakouts.is_empty(), "breakout_mode": "admin",
        "start_date": opens, "end_date": closes, "doors_open": opens, "doors_close": closes,
        "image": null, "admins": [], "embeds": {"embeds": [], "current": null}, "description": "",
    })
}

fn breakouts(plenary: &Plenary) -> Vec<Value> {
    let facts = plenary.breakouts.iter().map(|breakout| {
        json!({
            "id": breakout.id, "plenary": plenary.id, "title": breakout.title,
            "max_attendees": breakout.max_attendees, "is_proposal": false,
            "proposed_by": null, "votes": [], "url": format!("/breakout/{}/", breakout.id),
        })
    });
    facts.collect()
}

fn auth(user: Option<&User>, image: &str) -> Value {
    let Some(user) = user else {
        return json!({"is_authenticated": false, "is_superuser": false, "is_admin": false});
    };
    json!({
        "is_authenticated": true, "id": user.id, "username": user.username,
        "display_name": user.username, "has_display_name": false, "image": image,
        "has_default_image": true, "email": null, "is_superuser": false, "is_admin": false,
        "receive_wrapup_emails": true, "contact_card_email": null, "contact_card_twitter": null,
    })
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}
