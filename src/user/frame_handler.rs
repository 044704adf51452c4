//! Handles the frames of a user's room connection: counts them and tells the ledger.
//!
//! Reads call it synchronously: it does not wait, and does not allocate for an ordinary chat.

use std::sync::atomic::Ordering;

use super::context::RunContext;
use super::steps;
use crate::clock::Stamp;
use crate::marker::Decoded;
use crate::model::{
    Failure, FailureClass, FailureKind, FrameKind, SenderId, SentKind, SocketKind, Stage, UserIndex, UserState,
};
use crate::protocol::{Event, Members, Received};
use crate::telemetry::traces::chats::ChatId;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The socket is open, but the user is not in the room yet.
    Joining,
    /// The user is in the room.
    Connected,
    /// The close has begun.
    Closing,
}

pub(super) struct FrameHandler<'a, D> {
    pub(super) context: &'a RunContext<D>,
    pub(super) me: UserIndex,
    /// When the connect started.
    pub(super) began: Stamp,
    pub(super) phase: &'a mut Phase,
}

impl<D> FrameHandler<'_, D> {
    pub(super) fn handle(&mut self, frame: &Received<'_>) {
        let context = self.context;
        if let Some(kind) = frame.kind {
            context.metrics.received(kind, 1);
        }
        match &frame.event {
            Event::Message { sender, decoded, replay: false } => self.message(*sender, *decoded, frame.at),
            Event::Message { replay: true, .. } => context.ledger.lock().replayed(frame.at),
            Event::Joined => self.joined(frame.at),
            Event::Members(members) => self.members(*members, frame.at),
            Event::SideRooms(rooms) => context.note_side_rooms(self.me, rooms),
            Event::Refused(failure) => self.refused(frame.kind, failure),
            Event::MessageRefused(failure) => {
                context.ledger.lock().refused(self.me, frame.at);
                self.refused(None, failure);
            }
            Event::Malformed { decoded } => self.malformed(*decoded, frame.at),
            Event::Other => {}
        }
        if frame.kind == Some(FrameKind::Ping) {
            // The socket has already answered it.
            context.metrics.sent(SentKind::Pong);
        }
    }

    /// Counts a refusal; without a frame it answers something that was sent.
    fn refused(&self, kind: Option<FrameKind>, failure: &Failure) {
        let stage = if kind.is_some() { Stage::Receive } else { Stage::Send };
        self.context.metrics.error(stage, failure.kind);
        if failure.class == FailureClass::SignedOut {
            self.context.sessions.forget(self.me);
        }
    }

    fn message(&self, sender: SenderId, decoded: Decoded, at: Stamp) {
        let context = self.context;
        let mut ledger = context.ledger.lock();
        ledger.receive(self.me, sender, decoded, at);
        if let Decoded::Intact(marker) = decoded
            && context.chats.samples(marker.seq)
            && ledger.is_own(self.me, &marker)
        {
            let id = ChatId { room: marker.room.0, seq: marker.seq };
            context.chats.arrived(id, context.clock.wall(at), || steps::progress(&ledger, id));
        }
    }

    fn members(&self, members: Members<'_>, at: Stamp) {
        // A list may arrive before the frame that says that the user has joined.
        if *self.phase != Phase::Closing
            && let Some(room) = self.context.room(self.me)
        {
            room.observers.note(self.me, members.change, members.text, at);
        }
    }

    fn joined(&mut self, at: Stamp) {
        if *self.phase != Phase::Joining {
            return;
        }
        *self.phase = Phase::Connected;
        self.context.ledger.lock().connected(self.me, at);
        self.context.roster.set(self.me, UserState::Connected);
        self.context.recoveries.joined(self.me, at);
        self.context.metrics.connected(SocketKind::Room, at.since(self.began));
        steps::done(self.context.username(self.me), "joined", "ok", at.since(self.began));
        self.context.any_connected.store(true, Ordering::Relaxed);
    }

    fn malformed(&self, decoded: Decoded, at: Stamp) {
        self.context.metrics.error(Stage::Receive, FailureKind::Malformed);
        if decoded != Decoded::None {
            self.context.ledger.lock().receive(self.me, SenderId::NONE, decoded, at);
        }
    }
}
