//! `__INITIAL_STATE__`: what the event page tells its script about the plenary.
//!
//! Pure: facts in, JSON out.

use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::server::accounts::User;
use crate::server::json::dumps;
use crate::server::plenary::{EventStatus, Plenary};
use crate::server::plenary_handle::PlenarySnapshot;
use crate::server::wire::Member;

#[derive(Serialize)]
struct InitialState<'a> {
    plenary: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakouts: Option<Vec<Value>>,
    chat_messages: Vec<&'a RawValue>,
    users: MembersById<'a>,
    breakout_presence: PresenceByBreakout<'a>,
    auth: Value,
}

/// Members by their users' ids.
struct MembersById<'a>(Vec<Member<'a>>);

impl Serialize for MembersById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for member in &self.0 {
            map.serialize_entry(&member.user.id.to_string(), member)?;
        }
        map.end()
    }
}

/// Member lists by their breakouts' ids.
struct PresenceByBreakout<'a>(Vec<(u64, Vec<Member<'a>>)>);

impl Serialize for PresenceByBreakout<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct List<'a> {
            members: &'a [Member<'a>],
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, members) in &self.0 {
            map.serialize_entry(&id.to_string(), &List { members })?;
        }
        map.end()
    }
}

/// The state for `user`; without one, the reduced state for a visitor.
pub(super) fn render(plenary: &Plenary, snapshot: &PlenarySnapshot, user: Option<&User>, image: &str) -> String {
    let member = |user| Member { user, image };
    let mut users: Vec<Member<'_>> = snapshot.users.iter().map(|user| member(user)).collect();
    if let Some(user) = user
        && !snapshot.users.iter().any(|other| other.id == user.id)
    {
        users.push(member(user));
    }
    let breakout_lists =
        snapshot.breakouts.iter().map(|(id, users)| (*id, users.iter().map(|user| member(user)).collect()));
    dumps(&InitialState {
        plenary: plenary_facts(plenary),
        breakouts: user.map(|_| breakouts(plenary)),
        chat_messages: snapshot.chats.iter().map(AsRef::as_ref).collect(),
        users: MembersById(users),
        breakout_presence: PresenceByBreakout(breakout_lists.collect()),
        auth: auth(user, image),
    })
}

fn plenary_facts(plenary: &Plenary) -> Value {
    let (opens, closes) = (time(plenary.doors_open), time(plenary.doors_close));
    json!({
        "id": plenary.id, "slug": plenary.slug, "name": format!("Plenary {}", plenary.slug),
        "organizer": "Load rig", "open": plenary.is_open(), "public": true,
        "canceled": plenary.status == EventStatus::Cancelled, "max_participants": plenary.max_participants,
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
