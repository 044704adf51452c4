//! What a user hears on its plenary socket, frame by frame, on its way to the books.
//!
//! Called synchronously from the read: no waiting, no allocation for an ordinary chat.

use std::sync::atomic::Ordering;

use super::spans;
use super::steps;
use super::world::World;
use crate::chat::{FailureKind, FrameKind, SenderId, SentKind, Socket, Stage, UserIndex, UserState};
use crate::clock::Stamp;
use crate::drivers::{Event, Members, Received};
use crate::marker::Sighting;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A 101, but no presence yet.
    Joining,
    /// In the room.
    Connected,
    /// A close has begun.
    Closing,
}

pub(super) struct Ear<'a, D> {
    pub(super) world: &'a World<D>,
    pub(super) me: UserIndex,
    /// When the connection was begun.
    pub(super) began: Stamp,
    pub(super) phase: &'a mut Phase,
}

impl<D> Ear<'_, D> {
    pub(super) fn hear(&mut self, frame: &Received<'_>) {
        let world = self.world;
        world.metrics.received(frame.kind, 1);
        match frame.event {
            Event::Chat { user, sighting } => self.chat(user, sighting, frame.at),
            Event::Presence(members) => self.presence(members, frame.at),
            Event::Breakouts(breakouts) => world.note_breakouts(breakouts),
            Event::Refused(kind) => world.metrics.error(Stage::Receive, kind),
            Event::Malformed { sighting } => self.malformed(sighting, frame.at),
            Event::Other => {}
        }
        if frame.kind == FrameKind::Ping {
            // The socket has answered it by itself.
            world.metrics.sent(SentKind::Pong);
        }
    }

    fn chat(&self, user: SenderId, sighting: Sighting, at: Stamp) {
        let world = self.world;
        let mut ledger = world.ledger.lock();
        ledger.receive(self.me, user, sighting, at);
        if let Sighting::Intact(marker) = sighting
            && world.chats.samples(marker.seq)
            && ledger.is_own(&marker)
        {
            world.chats.arrived(marker.seq, world.clock.wall(at), || spans::progress(&ledger, marker.seq));
        }
    }

    fn presence(&mut self, members: Members<'_>, at: Stamp) {
        if *self.phase == Phase::Joining {
            self.come_in(at);
        }
        if *self.phase == Phase::Connected {
            self.world.witnesses.hear(self.me, members.text, at);
        }
    }

    fn come_in(&mut self, at: Stamp) {
        *self.phase = Phase::Connected;
        self.world.ledger.lock().connected(self.me, at);
        self.world.roster.set(self.me, UserState::Connected);
        self.world.metrics.connected(Socket::Plenary, at.since(self.began));
        steps::done(self.world.username(self.me), "joined", "ok", at.since(self.began));
        self.world.anybody_came.store(true, Ordering::Relaxed);
    }

    fn malformed(&self, sighting: Sighting, at: Stamp) {
        self.world.metrics.error(Stage::Receive, FailureKind::Malformed);
        if sighting != Sighting::None {
            self.world.ledger.lock().receive(self.me, SenderId::NONE, sighting, at);
        }
    }
}
