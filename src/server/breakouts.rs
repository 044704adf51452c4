//! The breakout rooms of a plenary: seats, one room a user, taking over.
//!
//! Owned by the plenary's hall, which passes its own crowd in to be told who is where.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::accounts::User;
use super::crowd::Crowd;
use super::hall::Setting;
use super::options::PresenceMode;
use super::peer::Peer;
use super::plenary::Breakout;
use super::wire::{self, Turned};

#[derive(Debug)]
struct Room {
    id: u64,
    seats: usize,
    crowd: Crowd,
}

/// All breakouts of one plenary.
#[derive(Debug)]
pub(super) struct Breakouts {
    rooms: Vec<Room>,
    setting: Setting,
    /// Rooms whose list the plenary has not got yet (batched presence).
    stale: BTreeSet<u64>,
}

impl Breakouts {
    pub(super) fn new(breakouts: &[Breakout], setting: Setting) -> Self {
        let room = |breakout: &Breakout| Room {
            id: breakout.id,
            seats: breakout.max_attendees,
            crowd: Crowd::new(format!("breakout-{}", breakout.id)),
        };
        Self { rooms: breakouts.iter().map(room).collect(), setting, stale: BTreeSet::new() }
    }

    /// Seats a socket in room `id`, or tells it why not. With `take_over`, the user's sockets in
    /// other rooms lose their seats. A socket that is in already stays.
    pub(super) async fn enter(&mut self, id: u64, peer: &Arc<Peer>, take_over: bool, plenary: &Crowd) {
        let Some(user) = peer.user.clone() else { return };
        if take_over {
            self.put_out(id, &user, plenary).await;
        } else if self.rooms.iter().any(|room| room.id != id && room.crowd.roster.lists(user.id)) {
            return peer.send(&[wire::turned_away(&own_channel(peer), Turned::Elsewhere)]);
        }
        let Some(room) = self.rooms.iter_mut().find(|room| room.id == id) else { return };
        let roster = &room.crowd.roster;
        if roster.len() >= room.seats && !roster.lists(user.id) {
            return peer.send(&[wire::turned_away(&own_channel(peer), Turned::Full)]);
        }
        if !room.crowd.holds(peer.id) {
            room.crowd.enter(peer, Instant::now());
            self.setting.tally.sockets.breakout_now.one();
        }
        self.announce(id, plenary).await;
    }

    /// Takes the user's sockets out of every room but `id`, and tells them.
    async fn put_out(&mut self, id: u64, user: &User, plenary: &Crowd) {
        for at in 0..self.rooms.len() {
            let Some(room) = self.rooms.get_mut(at).filter(|room| room.id != id) else { continue };
            let sockets = room.crowd.sockets_of(user.id);
            for peer in &sockets {
                room.crowd.leave(peer.id);
                self.setting.tally.sockets.breakout_now.less(1);
                peer.send(&[wire::turned_away(&own_channel(peer), Turned::Elsewhere)]);
            }
            let room = room.id;
            if !sockets.is_empty() {
                self.announce(room, plenary).await;
            }
        }
    }

    /// A breakout's socket is over, whichever room it was in, if any.
    pub(super) async fn leave(&mut self, socket: u64, plenary: &Crowd) {
        let Some(room) = self.rooms.iter_mut().find(|room| room.crowd.holds(socket)) else { return };
        let (id, left) = (room.id, room.crowd.leave(socket));
        self.setting.tally.sockets.breakout_now.less(1);
        if left.is_some_and(|left| left.changed) {
            self.announce(id, plenary).await;
        }
    }

    /// A user gave a sign of life.
    pub(super) fn touch(&mut self, user: u64) {
        for room in &mut self.rooms {
            room.crowd.roster.touch(user, Instant::now());
        }
    }

    /// Takes the silent off the lists.
    pub(super) async fn prune(&mut self, plenary: &Crowd) {
        for at in 0..self.rooms.len() {
            let Some(room) = self.rooms.get_mut(at) else { continue };
            let pruned = room.crowd.roster.prune(Instant::now(), self.setting.timing.silence);
            let id = room.id;
            if pruned > 0 {
                self.setting.tally.sent.pruned.add(pruned as u64);
                self.announce(id, plenary).await;
            }
        }
    }

    /// Sends the plenary the lists it has not got yet.
    pub(super) async fn refresh(&mut self, plenary: &Crowd) {
        for id in std::mem::take(&mut self.stale) {
            self.tell_plenary(id, plenary).await;
        }
    }

    /// Who is listed where; rooms with nobody are left out.
    pub(super) fn listed(&self) -> Vec<(u64, Vec<Arc<User>>)> {
        let listed = |room: &Room| (room.id, room.crowd.roster.users().cloned().collect::<Vec<_>>());
        self.rooms.iter().map(listed).filter(|(_, users)| !users.is_empty()).collect()
    }

    /// Sends a room's list to those in it, and to the plenary as the presence mode has it.
    async fn announce(&mut self, id: u64, plenary: &Crowd) {
        if let Some(room) = self.rooms.iter().find(|room| room.id == id) {
            let frame = wire::presence(&room.crowd.list(&self.setting.image, None));
            room.crowd.broadcast(&[frame]).await;
        }
        match self.setting.presence {
            PresenceMode::Full => self.tell_plenary(id, plenary).await,
            PresenceMode::Batched(_) => {
                self.stale.insert(id);
            }
            PresenceMode::Off => {}
        }
    }

    async fn tell_plenary(&self, id: u64, plenary: &Crowd) {
        if let Some(room) = self.rooms.iter().find(|room| room.id == id) {
            let list = room.crowd.list(&self.setting.image, Some(id));
            plenary.broadcast(&[wire::breakout_presence(&list)]).await;
        }
    }
}

/// A socket's own channel name, as refusals show it.
fn own_channel(peer: &Peer) -> String {
    format!("specific.{:032x}!{:032x}", 0x4faf_d98d_39f0_4099_u64, peer.id)
}
