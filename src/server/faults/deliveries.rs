//! How chats reach the sockets of a plenary, and what is done to single deliveries on the way.
//!
//! Without a fault set it is a plain broadcast. With one, each delivery is judged for itself, in
//! the order of the hall, so that a seed strikes the same ones.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use strum::EnumCount;
use tokio::sync::watch;
use tokio::time::Instant;

use super::damage;
use super::desk::Desk;
use super::dose::{Dose, Meter};
use super::held::{Held, Shelf};
use super::kinds::Fault;
use super::knobs::{Faults, Scope};
use super::record::{Strike, beginning};
use crate::server::accounts::User;
use crate::server::crowd::Crowd;
use crate::server::hall::{Hall, Note, Setting};
use crate::server::peer::{End, Peer};
use crate::server::wire::{self, Frame};

/// Deliveries judged before other tasks get a turn.
const STRETCH: usize = 64;

/// A chat on its way.
#[derive(Debug, Clone)]
pub(in crate::server) struct Chat {
    pub id: u64,
    pub sender: Arc<User>,
    /// As it goes out.
    pub message: Arc<str>,
    pub frame: Frame,
}

/// The way of chats to sockets.
#[derive(Debug)]
pub(in crate::server) struct Deliveries {
    desk: Arc<Desk>,
    halls: Arc<OnceLock<Vec<Hall>>>,
    news: watch::Receiver<Arc<Faults>>,
    knobs: Arc<Faults>,
    /// Faults that may strike, in the order in which they are tried.
    doses: Vec<(Fault, Dose)>,
    meters: [Meter; Fault::COUNT],
    random: StdRng,
    shelf: Shelf,
    /// The chat that was judged last, and the judgement, for [`Scope::Message`].
    judged: Option<(u64, Option<Fault>)>,
    /// The plenary's id; tells halls apart, so that they do not draw the same chances.
    plenary: u64,
}

impl Deliveries {
    pub(in crate::server) fn new(setting: Setting, plenary: u64) -> Self {
        let Setting { desk, halls, .. } = setting;
        let mut news = desk.watch();
        news.mark_changed();
        Self {
            knobs: desk.faults(),
            news,
            desk,
            halls,
            doses: Vec::new(),
            meters: [Meter::default(); Fault::COUNT],
            random: StdRng::seed_from_u64(plenary),
            shelf: Shelf::default(),
            judged: None,
            plenary,
        }
    }

    /// Takes the knobs as they are now; a change begins all counting anew.
    fn follow(&mut self) {
        if !self.news.has_changed().unwrap_or(false) {
            return;
        }
        self.knobs = Arc::clone(&self.news.borrow_and_update());
        self.doses = doses(&self.knobs);
        self.meters = [Meter::default(); Fault::COUNT];
        self.random = StdRng::seed_from_u64(self.knobs.seed ^ self.plenary);
        self.judged = None;
    }

    /// Sends chats to everybody in a crowd.
    pub(in crate::server) async fn broadcast(&mut self, crowd: &Crowd, chats: &[Chat]) {
        self.follow();
        self.leak(chats);
        if self.doses.is_empty() && self.shelf.is_empty() && self.knobs.socket.mute == 0.0 {
            let frames: Vec<Frame> = chats.iter().map(|chat| chat.frame.clone()).collect();
            return crowd.broadcast(&frames).await;
        }
        for chat in chats {
            for stretch in crowd.sockets().chunks(STRETCH) {
                for peer in stretch {
                    self.deliver(peer, chat);
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Sends chats on to the other plenaries, as that fault has it.
    fn leak(&mut self, chats: &[Chat]) {
        let Some(meter) = self.meters.get_mut(Fault::Leak as usize) else { return };
        for chat in chats {
            if meter.strikes(self.knobs.chat.leak, &mut self.random) {
                let halls = self.halls.get().into_iter().flatten();
                halls
                    .filter(|hall| hall.plenary.id != self.plenary)
                    .for_each(|hall| hall.offer(Note::Leak(chat.clone())));
            }
        }
    }

    /// Sends a chat of another plenary to everybody in a crowd.
    pub(in crate::server) async fn leaked(&mut self, crowd: &Crowd, chat: &Chat) {
        self.follow();
        for stretch in crowd.sockets().chunks(STRETCH) {
            for peer in stretch.iter().filter(|peer| !self.is_spared(peer)) {
                self.add(Fault::Leak, peer, chat);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends a newcomer the last of a plenary's chats, as that fault has it; the newest comes last.
    pub(in crate::server) fn replay<'a>(&mut self, peer: &Peer, chats: impl ExactSizeIterator<Item = &'a Chat>) {
        self.follow();
        let skipped = chats.len().saturating_sub(self.knobs.chat.replay);
        for chat in chats.skip(skipped) {
            self.add(Fault::Replay, peer, chat);
        }
    }

    /// Writes a delivery that nobody should get.
    fn add(&self, fault: Fault, peer: &Peer, chat: &Chat) {
        if peer.ended().is_none() && !peer.is_mute() {
            peer.send(std::slice::from_ref(&chat.frame));
            self.desk.injected.one(fault);
            self.note(fault, peer, chat, Duration::ZERO);
        }
    }

    /// When a delivery that is held back is due.
    pub(in crate::server) fn next_due(&self) -> Option<Instant> {
        self.shelf.next_due()
    }

    /// Writes what is due.
    pub(in crate::server) fn release(&mut self) {
        while let Some(held) = self.shelf.take_due(Instant::now()) {
            self.write(&held);
            if held.strike.fault == Fault::Reorder {
                self.desk.injected.one(Fault::ReorderMissed);
            } else if held.strike.overtaken.load(Ordering::Acquire) && held.peer.ended().is_none() {
                self.desk.injected.one(Fault::Overtaken);
            }
            // It goes before whatever of its sender waits longer.
            self.went(&held.peer, held.sender, held.chat);
        }
    }

    fn deliver(&mut self, peer: &Arc<Peer>, chat: &Chat) {
        if peer.is_mute() && peer.ended().is_none() {
            // The peer counts it; what it is sent goes nowhere.
            self.note(Fault::Mute, peer, chat, Duration::ZERO);
            return peer.send(std::slice::from_ref(&chat.frame));
        }
        match self.judge(peer, chat) {
            Some(fault) if self.strike(fault, peer, chat) => {}
            _ => self.intact(peer, chat, std::slice::from_ref(&chat.frame)),
        }
    }

    /// Which fault strikes a delivery, if any.
    fn judge(&mut self, peer: &Peer, chat: &Chat) -> Option<Fault> {
        if self.doses.is_empty() || self.is_spared(peer) {
            return None;
        }
        if self.knobs.chat.scope == Scope::Delivery {
            return self.draw();
        }
        match self.judged {
            Some((id, fault)) if id == chat.id => fault,
            _ => {
                let fault = self.draw();
                self.judged = Some((chat.id, fault));
                fault
            }
        }
    }

    fn is_spared(&self, peer: &Peer) -> bool {
        let joined = peer.stay.joined.load(Ordering::Acquire);
        let age = Duration::from_micros(self.desk.epoch.micros().saturating_sub(joined));
        peer.ended().is_some() || age < self.knobs.chat.min_age
    }

    fn draw(&mut self) -> Option<Fault> {
        let Self { doses, meters, random, .. } = self;
        let struck = |(fault, dose): &&(Fault, Dose)| {
            meters.get_mut(*fault as usize).is_some_and(|meter| meter.strikes(*dose, random))
        };
        doses.iter().find(struck).map(|(fault, _)| *fault)
    }

    /// Does it; false where it cannot be done to this delivery, which then goes out intact.
    fn strike(&mut self, fault: Fault, peer: &Arc<Peer>, chat: &Chat) -> bool {
        match fault {
            Fault::Drop => {}
            Fault::Delay | Fault::Reorder => return self.hold(fault, peer, chat),
            Fault::CorruptBytes | Fault::CorruptJson | Fault::CorruptMarker => {
                let Some(damaged) = self.damaged(fault, chat) else { return false };
                peer.send(&[damaged]);
            }
            Fault::Truncate => {
                peer.send(&[chat.frame.half()]);
                peer.end(End::Fault(Fault::Cut));
            }
            Fault::Close => peer.end(End::Closed(self.knobs.socket.close_code)),
            Fault::Cut | Fault::Reset => peer.end(End::Fault(fault)),
            _ => {
                let frames = self.with_strangers(fault, chat);
                self.intact(peer, chat, &frames);
            }
        }
        self.desk.injected.one(fault);
        self.note(fault, peer, chat, Duration::ZERO);
        true
    }

    fn damaged(&mut self, fault: Fault, chat: &Chat) -> Option<Frame> {
        let (text, random) = (chat.frame.as_text()?, &mut self.random);
        let damaged = match fault {
            Fault::CorruptBytes => damage::text(text, random),
            Fault::CorruptJson => damage::json(text, random),
            _ => damage::marker_text(text, random),
        };
        damaged.map(|text| wire::chat_text(chat.id, &text))
    }

    /// What goes out for a chat that arrives, and what comes with it.
    fn with_strangers(&self, fault: Fault, chat: &Chat) -> Vec<Frame> {
        let whole = chat.frame.clone();
        match fault {
            Fault::Duplicate => vec![whole.clone(), whole],
            Fault::Fragment => vec![whole.in_fragments()],
            Fault::InvalidUtf8 => vec![whole, Frame::not_utf8()],
            Fault::Compressed => vec![whole, Frame::compressed()],
            Fault::Oversize => vec![whole, Frame::padding(self.knobs.chat.oversize_bytes)],
            _ => vec![whole],
        }
    }

    fn hold(&mut self, fault: Fault, peer: &Arc<Peer>, chat: &Chat) -> bool {
        let reorder = fault == Fault::Reorder;
        if self.shelf.is_full() || (reorder && self.shelf.reorders(peer.id, chat.sender.id)) {
            return false;
        }
        let time = if reorder {
            self.knobs.chat.reorder_wait
        } else {
            self.desk.injected.one(fault);
            self.random.random_range(self.knobs.chat.delay_min..=self.knobs.chat.delay_max)
        };
        let strike = self.note(fault, peer, chat, time);
        self.shelf.put(Held {
            peer: Arc::clone(peer),
            frame: chat.frame.clone(),
            sender: chat.sender.id,
            chat: chat.id,
            due: Instant::now() + time,
            strike,
        });
        true
    }

    fn intact(&mut self, peer: &Peer, chat: &Chat, frames: &[Frame]) {
        peer.send(frames);
        self.went(peer, chat.sender.id, chat.id);
    }

    /// A chat went out intact: what waited for that follows.
    fn went(&mut self, peer: &Peer, sender: u64, chat: u64) {
        if self.shelf.is_empty() || peer.ended().is_some() {
            return;
        }
        for held in self.shelf.overtaken_by(peer.id, sender, chat) {
            self.write(&held);
            self.desk.injected.one(Fault::Reorder);
        }
    }

    fn write(&self, held: &Held) {
        if held.peer.ended().is_none() && !held.peer.is_mute() {
            held.strike.written.store(self.desk.epoch.micros(), Ordering::Release);
        }
        held.peer.send(std::slice::from_ref(&held.frame));
    }

    fn note(&self, fault: Fault, peer: &Peer, chat: &Chat, delay: Duration) -> Arc<Strike> {
        let strike = Arc::new(Strike {
            fault,
            at: self.desk.epoch.micros(),
            connection: peer.id,
            username: peer.user.as_ref().map(|user| user.username.clone()).unwrap_or_default(),
            stay: Arc::clone(&peer.stay),
            chat: chat.id,
            sender: chat.sender.username.clone(),
            text: beginning(&chat.message),
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            written: AtomicU64::new(0),
            overtaken: AtomicBool::new(false),
        });
        self.desk.record.push(Arc::clone(&strike));
        strike
    }
}

/// The doses that are set, in the order in which they are tried.
fn doses(faults: &Faults) -> Vec<(Fault, Dose)> {
    let (chat, socket) = (&faults.chat, &faults.socket);
    let all = [
        (Fault::Drop, chat.drop),
        (Fault::CorruptBytes, chat.corrupt_bytes),
        (Fault::CorruptJson, chat.corrupt_json),
        (Fault::CorruptMarker, chat.corrupt_marker),
        (Fault::Reorder, chat.reorder),
        (Fault::Delay, chat.delay),
        (Fault::Duplicate, chat.duplicate),
        (Fault::Fragment, chat.fragment),
        (Fault::InvalidUtf8, chat.invalid_utf8),
        (Fault::Compressed, chat.compressed),
        (Fault::Oversize, chat.oversize),
        (Fault::Truncate, chat.truncate),
        (Fault::Close, socket.close),
        (Fault::Cut, socket.cut),
        (Fault::Reset, socket.reset),
    ];
    all.into_iter().filter(|(_, dose)| *dose != Dose::Never).collect()
}
