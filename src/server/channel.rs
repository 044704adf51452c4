//! A broadcast channel: the sockets of a plenary or a breakout, and its members.
//!
//! Knows no chat and no rules; the [task](super::plenary_task) decides who joins and what is sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::accounts::User;
use super::members::Members;
use super::socket::ServerSocket;
use super::wire::{Frame, Member, MemberList};

/// Sockets written to before other tasks get a turn.
const CHUNK: usize = 64;
/// Bytes a paced broadcast writes before other tasks get a turn: about a millisecond's worth.
const CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// A socket that left.
pub(super) struct Departure {
    pub user: Option<Arc<User>>,
    /// Whether the member list changed.
    pub changed: bool,
}

/// A frame for every socket that was in the channel when the broadcast began, sent a chunk of
/// sockets at a time: more urgent frames can go between.
#[derive(Debug)]
pub(super) struct PacedBroadcast {
    frame: Frame,
    /// Sockets that have not received it yet.
    remaining: Vec<Arc<ServerSocket>>,
}

impl PacedBroadcast {
    /// Sends to one more chunk; false once every socket has it.
    pub(super) fn step(&mut self) -> bool {
        let chunk = (CHUNK_BYTES / self.frame.bytes.len().max(1)).clamp(1, CHUNK);
        let from = self.remaining.len().saturating_sub(chunk);
        for socket in self.remaining.drain(from..) {
            socket.send(std::slice::from_ref(&self.frame));
        }
        !self.remaining.is_empty()
    }
}

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its name in member lists.
    name: String,
    sockets: Vec<Arc<ServerSocket>>,
    /// Each socket's index in `sockets`, by its number.
    indices: HashMap<u64, usize>,
    /// Who is listed.
    pub members: Members,
}

impl Channel {
    pub(super) fn new(name: String) -> Self {
        Self { name, sockets: Vec::new(), indices: HashMap::new(), members: Members::default() }
    }

    /// Adds a socket, and lists its user.
    pub(super) fn join(&mut self, socket: &Arc<ServerSocket>, now: Instant) {
        if self.indices.contains_key(&socket.id) {
            return;
        }
        socket.mark_joined();
        self.indices.insert(socket.id, self.sockets.len());
        self.sockets.push(Arc::clone(socket));
        self.members.join(socket.id, socket.user.as_ref(), now);
    }

    /// Removes a socket; `None` if it was not in.
    pub(super) fn leave(&mut self, socket_id: u64) -> Option<Departure> {
        let index = self.indices.remove(&socket_id)?;
        let socket = self.sockets.swap_remove(index);
        if let Some(moved) = self.sockets.get(index) {
            self.indices.insert(moved.id, index);
        }
        let changed = self.members.leave(socket_id, socket.user.as_ref());
        Some(Departure { user: socket.user.clone(), changed })
    }

    /// The sockets of a user.
    pub(super) fn sockets_of(&self, user: u64) -> Vec<Arc<ServerSocket>> {
        let own = |socket: &&Arc<ServerSocket>| socket.user.as_ref().is_some_and(|other| other.id == user);
        self.sockets.iter().filter(own).cloned().collect()
    }

    /// Whether a socket is in.
    pub(super) fn contains(&self, socket_id: u64) -> bool {
        self.indices.contains_key(&socket_id)
    }

    /// All sockets, in no order.
    pub(super) fn sockets(&self) -> &[Arc<ServerSocket>] {
        &self.sockets
    }

    /// Sends frames to every socket.
    pub(super) async fn broadcast(&self, frames: &[Frame]) {
        for chunk in self.sockets.chunks(CHUNK) {
            for socket in chunk {
                socket.send(frames);
            }
            tokio::task::yield_now().await;
        }
    }

    /// A broadcast of a frame to every socket, to be sent step by step.
    pub(super) fn paced_broadcast(&self, frame: Frame) -> PacedBroadcast {
        PacedBroadcast { frame, remaining: self.sockets.clone() }
    }

    /// The full member list; `breakout` is set for the plenary's lists of a breakout.
    pub(super) fn member_list<'a>(&'a self, image: &'a str, breakout: Option<u64>) -> MemberList<'a> {
        MemberList {
            channel_name: &self.name,
            members: self.members.users().map(|user| Member { user, image }).collect(),
            lurkers: self.members.lurkers(),
            breakout_id: breakout.map(|id| id.to_string()),
        }
    }

    /// The list that shows a new socket only itself.
    pub(super) fn list_of_one<'a>(&'a self, socket: &'a ServerSocket, image: &'a str) -> MemberList<'a> {
        let members: Vec<_> = socket.user.iter().map(|user| Member { user, image }).collect();
        let lurkers = usize::from(members.is_empty());
        MemberList { channel_name: &self.name, members, lurkers, breakout_id: None }
    }
}
