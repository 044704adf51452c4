//! Carries out the intent in a user's slot: send, leave, join a side room.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{RoomConnection, SideRoomTask, Turn};
use crate::clock::Stamp;
use crate::ledger::RecordedSend;
use crate::model::{Action, EndReason, Failure, Stage};
use crate::pool::slot::IntentSlot;
use crate::protocol::{Connection as _, Driver, Outgoing, Readiness};
use crate::schedule::Intent;
use crate::telemetry::traces::chats::{Chat, ChatId};
use crate::user::frame_handler::Phase;
use crate::user::side_room;

impl<D: Driver> RoomConnection<D> {
    /// Carries out the intent in the slot, if there is one and the socket is free for it. The slot becomes free
    /// once the previous frame is wholly written.
    pub(super) fn take_up(&mut self, slot: &IntentSlot) -> Option<Turn> {
        if self.phase != Phase::Connected || self.connection.is_writing() || self.connection.awaits_answer() {
            return None;
        }
        if slot.waits_for(Action::Chat) {
            match self.connection.prepare() {
                Readiness::Ready => {}
                Readiness::Pending => return None,
                Readiness::Failed(failure) => {
                    self.unsendable(slot, &failure);
                    return None;
                }
            }
        }
        let Some(intent) = slot.take() else {
            slot.done();
            return None;
        };
        self.context.carried_out(intent.action);
        match intent.action {
            Action::Chat => self.chat(intent),
            Action::Leave => return Some(Turn::Leave(EndReason::Left)),
            Action::SideRoom => self.join_side_room(),
        }
        if !self.connection.is_writing() && !self.connection.awaits_answer() {
            slot.done();
        }
        None
    }

    /// Counts a chat that could not have reached the server: an error, without expected deliveries.
    fn unsendable(&self, slot: &IntentSlot, failure: &Failure) {
        if let Some(intent) = slot.take() {
            self.context.carried_out(intent.action);
            self.context.metrics.error(Stage::Send, failure.kind);
        }
        slot.done();
    }

    fn chat(&mut self, intent: Intent) {
        let context = &self.context;
        let now = context.clock.now();
        let recorded = context.ledger.lock().record_send(self.me, intent.intended, now);
        if context.chats.samples(recorded.marker.seq) {
            self.trace(&recorded, intent.intended, now);
        }
        let text = recorded.marker.encode(self.cold.user_id, &context.texts.next());
        self.send(Outgoing::Chat(&text), now);
    }

    fn trace(&self, recorded: &RecordedSend, intended: Stamp, now: Stamp) {
        let context = &self.context;
        context.chats.begin(Chat {
            id: ChatId { room: recorded.marker.room.0, seq: recorded.marker.seq },
            sender: context.username(self.me),
            expected: recorded.expected,
            intended: context.clock.wall(intended),
            handed: context.clock.wall(now),
        });
    }

    pub(super) fn send(&mut self, frame: Outgoing<'_>, now: Stamp) {
        self.context.metrics.sent(frame.kind());
        if self.connection.begin(frame) && self.connection.is_writing() {
            self.cold.writing_since = Some(now);
        }
    }

    fn join_side_room(&mut self) {
        if self.cold.side_room.as_ref().is_some_and(|SideRoomTask(visit)| !visit.is_cancelled()) {
            return;
        }
        let Some(id) = self.context.some_side_room(self.me, &mut self.cold.rng) else { return };
        let over = CancellationToken::new();
        self.cold.side_room = Some(SideRoomTask(over.clone()));
        let stay = side_room::length_of_stay(self.context.behaviour.side_room_stay, &mut self.cold.rng);
        self.context.side_room_visits.spawn(side_room::visit(Arc::clone(&self.context), self.me, id, stay, over));
    }
}
