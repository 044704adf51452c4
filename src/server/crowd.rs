//! The sockets of one room and its list of users, and how frames reach them all.
//!
//! Knows no chat and no rules; the [hall](super::hall) decides who comes in and what is said.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::accounts::User;
use super::peer::Peer;
use super::roster::Roster;
use super::wire::{Card, Frame, MemberList};

/// Sockets written to before other tasks get a turn.
const STRETCH: usize = 64;
/// Bytes written in a round before other things get their turn: about a millisecond's worth.
const STRETCH_BYTES: usize = 2 * 1024 * 1024;

/// A socket that is out.
pub(super) struct Left {
    pub user: Option<Arc<User>>,
    /// Whether the list changed.
    pub changed: bool,
}

/// A frame on its way to everybody who was there when it set out, a stretch at a time: what is
/// more urgent can go between.
#[derive(Debug)]
pub(super) struct Round {
    frame: Frame,
    /// Those it has not reached yet.
    left: Vec<Arc<Peer>>,
}

impl Round {
    /// Goes one stretch on; false once everybody has it.
    pub(super) fn step(&mut self) -> bool {
        let stretch = (STRETCH_BYTES / self.frame.bytes.len().max(1)).clamp(1, STRETCH);
        let from = self.left.len().saturating_sub(stretch);
        for peer in self.left.drain(from..) {
            peer.send(std::slice::from_ref(&self.frame));
        }
        !self.left.is_empty()
    }
}

/// One room's people.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The channel's name in member lists.
    channel: String,
    sockets: Vec<Arc<Peer>>,
    /// Where each socket stands in `sockets`.
    places: HashMap<u64, usize>,
    /// Who is listed.
    pub roster: Roster,
}

impl Crowd {
    pub(super) fn new(channel: String) -> Self {
        Self { channel, sockets: Vec::new(), places: HashMap::new(), roster: Roster::default() }
    }

    /// Lets a socket in, and lists its user.
    pub(super) fn enter(&mut self, peer: &Arc<Peer>, now: Instant) {
        if self.places.contains_key(&peer.id) {
            return;
        }
        peer.joined();
        self.places.insert(peer.id, self.sockets.len());
        self.sockets.push(Arc::clone(peer));
        self.roster.enter(peer.id, peer.user.as_ref(), now);
    }

    /// Takes a socket out; none where it was not in.
    pub(super) fn leave(&mut self, socket: u64) -> Option<Left> {
        let place = self.places.remove(&socket)?;
        let peer = self.sockets.swap_remove(place);
        if let Some(moved) = self.sockets.get(place) {
            self.places.insert(moved.id, place);
        }
        let changed = self.roster.leave(socket, peer.user.as_ref());
        Some(Left { user: peer.user.clone(), changed })
    }

    /// The sockets of a user.
    pub(super) fn sockets_of(&self, user: u64) -> Vec<Arc<Peer>> {
        let own = |peer: &&Arc<Peer>| peer.user.as_ref().is_some_and(|other| other.id == user);
        self.sockets.iter().filter(own).cloned().collect()
    }

    /// Whether a socket is in.
    pub(super) fn holds(&self, socket: u64) -> bool {
        self.places.contains_key(&socket)
    }

    /// All sockets, in no order.
    pub(super) fn sockets(&self) -> &[Arc<Peer>] {
        &self.sockets
    }

    /// Sends frames to every socket.
    pub(super) async fn broadcast(&self, frames: &[Frame]) {
        for stretch in self.sockets.chunks(STRETCH) {
            for peer in stretch {
                peer.send(frames);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Lets a frame set out to every socket.
    pub(super) fn round(&self, frame: Frame) -> Round {
        Round { frame, left: self.sockets.clone() }
    }

    /// The full member list; `breakout` is set for the plenary's lists of a breakout.
    pub(super) fn list<'a>(&'a self, image: &'a str, breakout: Option<u64>) -> MemberList<'a> {
        MemberList {
            channel_name: &self.channel,
            members: self.roster.users().map(|user| Card { user, image }).collect(),
            lurkers: self.roster.lurkers(),
            breakout_id: breakout.map(|id| id.to_string()),
        }
    }

    /// The list that shows a newcomer only itself.
    pub(super) fn short_list<'a>(&'a self, peer: &'a Peer, image: &'a str) -> MemberList<'a> {
        let members: Vec<_> = peer.user.iter().map(|user| Card { user, image }).collect();
        let lurkers = usize::from(members.is_empty());
        MemberList { channel_name: &self.channel, members, lurkers, breakout_id: None }
    }
}
