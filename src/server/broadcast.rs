//! Broadcasts chats to a plenary's sockets, and injects faults into single deliveries.
//!
//! Without a fault set it is a plain broadcast. With one, each delivery is decided by itself, in
//! the plenary's order, so that the same seed hits the same ones.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use strum::EnumCount;
use tokio::sync::watch;
use tokio::time::Instant;

use super::channel::Channel;
use super::chat::Chat;
use super::delay_queue::{DelayQueue, DelayedDelivery};
use super::faults::corruption;
use super::faults::frequency::{Frequency, Trigger};
use super::faults::injection_log::{InjectionEntry, excerpt};
use super::faults::injector::FaultInjector;
use super::faults::{Fault, Faults, Scope};
use super::plenary_handle::{Command, PlenaryContext, PlenaryHandle};
use super::socket::{DisconnectReason, ServerSocket};
use super::wire::{self, Frame};

/// Deliveries decided before other tasks get a turn.
const CHUNK: usize = 64;

/// Broadcasts the chats of one plenary.
#[derive(Debug)]
pub(super) struct Broadcaster {
    injector: Arc<FaultInjector>,
    plenaries: Arc<OnceLock<Vec<PlenaryHandle>>>,
    changes: watch::Receiver<Arc<Faults>>,
    faults: Arc<Faults>,
    /// Faults that may fire, in the order in which they are tried.
    frequencies: Vec<(Fault, Frequency)>,
    triggers: [Trigger; Fault::COUNT],
    random: StdRng,
    delayed: DelayQueue,
    /// The last chat decided, and its fault, for [`Scope::Message`].
    chosen: Option<(u64, Option<Fault>)>,
    /// When the drift in force was set.
    slowing_since: Instant,
    /// The plenary's id; part of the seed, so that plenaries do not draw the same numbers.
    plenary: u64,
}

impl Broadcaster {
    pub(super) fn new(context: PlenaryContext, plenary: u64) -> Self {
        let PlenaryContext { injector, plenaries, .. } = context;
        let mut changes = injector.subscribe();
        changes.mark_changed();
        Self {
            faults: injector.faults(),
            changes,
            injector,
            plenaries,
            frequencies: Vec::new(),
            triggers: [Trigger::default(); Fault::COUNT],
            random: StdRng::seed_from_u64(plenary),
            delayed: DelayQueue::default(),
            chosen: None,
            slowing_since: Instant::now(),
            plenary,
        }
    }

    /// Takes over the settings in force; after a change all counting starts again.
    fn refresh_settings(&mut self) {
        if !self.changes.has_changed().unwrap_or(false) {
            return;
        }
        let faults = Arc::clone(&self.changes.borrow_and_update());
        if faults.chat.drift != self.faults.chat.drift {
            self.slowing_since = Instant::now();
        }
        self.faults = faults;
        self.frequencies = frequencies(&self.faults);
        self.triggers = [Trigger::default(); Fault::COUNT];
        self.random = StdRng::seed_from_u64(self.faults.seed ^ self.plenary);
        self.chosen = None;
    }

    /// Sends chats to every socket of a channel.
    pub(super) async fn broadcast(&mut self, channel: &Channel, chats: &[Chat]) {
        self.refresh_settings();
        self.leak(chats);
        let is_intact = self.frequencies.is_empty() && self.faults.chat.drift.is_zero();
        if is_intact && self.delayed.is_empty() && self.faults.socket.mute == 0.0 {
            let frames: Vec<Frame> = chats.iter().map(|chat| chat.frame.clone()).collect();
            return channel.broadcast(&frames).await;
        }
        for chat in chats {
            for chunk in channel.sockets().chunks(CHUNK) {
                for socket in chunk {
                    self.deliver(socket, chat);
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Sends chats to the other plenaries, where the leak fault fires.
    fn leak(&mut self, chats: &[Chat]) {
        let Some(trigger) = self.triggers.get_mut(Fault::Leak as usize) else { return };
        for chat in chats {
            if trigger.fires(self.faults.chat.leak, &mut self.random) {
                let plenaries = self.plenaries.get().into_iter().flatten();
                plenaries
                    .filter(|handle| handle.plenary.id != self.plenary)
                    .for_each(|handle| handle.try_send(Command::Leak(chat.clone())));
            }
        }
    }

    /// Sends a chat of another plenary to every socket of a channel.
    pub(super) async fn broadcast_leaked(&mut self, channel: &Channel, chat: &Chat) {
        self.refresh_settings();
        for chunk in channel.sockets().chunks(CHUNK) {
            for socket in chunk.iter().filter(|socket| !self.is_exempt(socket)) {
                self.send_extra(Fault::Leak, socket, chat);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends a new socket the plenary's last chats, newest last, if the replay fault is set.
    pub(super) fn replay<'a>(&mut self, socket: &ServerSocket, chats: impl ExactSizeIterator<Item = &'a Chat>) {
        self.refresh_settings();
        let skipped = chats.len().saturating_sub(self.faults.chat.replay);
        for chat in chats.skip(skipped) {
            self.send_extra(Fault::Replay, socket, chat);
        }
    }

    /// Sends a delivery that must not exist.
    fn send_extra(&self, fault: Fault, socket: &ServerSocket, chat: &Chat) {
        if socket.disconnected().is_none() && !socket.is_mute() {
            socket.send(std::slice::from_ref(&chat.frame));
            self.injector.injected.increment(fault);
            self.log(fault, socket, chat, Duration::ZERO);
        }
    }

    /// When the next delayed delivery is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.next_due()
    }

    /// Sends the delayed deliveries that are due.
    pub(super) fn release(&mut self) {
        while let Some(delayed) = self.delayed.take_due(Instant::now()) {
            self.write(&delayed);
            if delayed.log_entry.fault == Fault::Reorder {
                self.injector.injected.increment(Fault::ReorderMissed);
            } else if delayed.log_entry.overtaken.load(Ordering::Acquire) && delayed.socket.disconnected().is_none() {
                self.injector.injected.increment(Fault::Overtaken);
            }
            // It overtakes what its sender sent earlier and still waits.
            self.release_overtaken(&delayed.socket, delayed.sender, delayed.chat);
        }
    }

    fn deliver(&mut self, socket: &Arc<ServerSocket>, chat: &Chat) {
        if socket.is_mute() && socket.disconnected().is_none() {
            // The socket counts it and drops it.
            self.log(Fault::Mute, socket, chat, Duration::ZERO);
            return socket.send(std::slice::from_ref(&chat.frame));
        }
        match self.choose(socket, chat) {
            Some(fault) if self.inject(fault, socket, chat) => {}
            _ if self.slow(socket, chat) => {}
            _ => self.send_intact(socket, chat, std::slice::from_ref(&chat.frame)),
        }
    }

    /// The fault of a delivery, if any.
    fn choose(&mut self, socket: &ServerSocket, chat: &Chat) -> Option<Fault> {
        if self.frequencies.is_empty() || self.is_exempt(socket) {
            return None;
        }
        if self.faults.chat.scope == Scope::Delivery {
            return self.sample();
        }
        match self.chosen {
            Some((id, fault)) if id == chat.id => fault,
            _ => {
                let fault = self.sample();
                self.chosen = Some((chat.id, fault));
                fault
            }
        }
    }

    fn is_exempt(&self, socket: &ServerSocket) -> bool {
        let joined = socket.times.joined.load(Ordering::Acquire);
        let age = Duration::from_micros(self.injector.clock.micros().saturating_sub(joined));
        socket.disconnected().is_some() || age < self.faults.chat.min_age
    }

    fn sample(&mut self) -> Option<Fault> {
        let Self { frequencies, triggers, random, .. } = self;
        let fires = |(fault, frequency): &&(Fault, Frequency)| {
            triggers.get_mut(*fault as usize).is_some_and(|trigger| trigger.fires(*frequency, random))
        };
        frequencies.iter().find(fires).map(|(fault, _)| *fault)
    }

    /// Injects a fault; false if this delivery cannot have it, which is then sent intact.
    fn inject(&mut self, fault: Fault, socket: &Arc<ServerSocket>, chat: &Chat) -> bool {
        match fault {
            Fault::Drop => {}
            Fault::Delay | Fault::Reorder => return self.delay(fault, socket, chat),
            Fault::CorruptBytes | Fault::CorruptJson | Fault::CorruptMarker => {
                let Some(corrupted) = self.corrupted(fault, chat) else { return false };
                socket.send(&[corrupted]);
            }
            Fault::Truncate => {
                socket.send(&[chat.frame.half()]);
                socket.disconnect(DisconnectReason::InjectedFault(Fault::Cut));
            }
            Fault::Close => socket.disconnect(DisconnectReason::InjectedClose(self.faults.socket.close_code)),
            Fault::Cut | Fault::Reset => socket.disconnect(DisconnectReason::InjectedFault(fault)),
            _ => {
                let frames = self.with_injected_frames(fault, chat);
                self.send_intact(socket, chat, &frames);
            }
        }
        self.injector.injected.increment(fault);
        self.log(fault, socket, chat, Duration::ZERO);
        true
    }

    fn corrupted(&mut self, fault: Fault, chat: &Chat) -> Option<Frame> {
        let (text, random) = (chat.frame.as_text()?, &mut self.random);
        let corrupted = match fault {
            Fault::CorruptBytes => corruption::corrupt_text(text, random),
            Fault::CorruptJson => corruption::corrupt_json(text, random),
            _ => corruption::corrupt_marker(text, random),
        };
        corrupted.map(|text| wire::chat_text(chat.id, &text))
    }

    /// The frames of a chat that arrives, and what the fault adds.
    fn with_injected_frames(&self, fault: Fault, chat: &Chat) -> Vec<Frame> {
        let whole = chat.frame.clone();
        match fault {
            Fault::Duplicate => vec![whole.clone(), whole],
            Fault::Fragment => vec![whole.in_fragments()],
            Fault::InvalidUtf8 => vec![whole, Frame::not_utf8()],
            Fault::Compressed => vec![whole, Frame::compressed()],
            Fault::Oversize => vec![whole, Frame::padding(self.faults.chat.oversize_bytes)],
            _ => vec![whole],
        }
    }

    fn delay(&mut self, fault: Fault, socket: &Arc<ServerSocket>, chat: &Chat) -> bool {
        let reorder = fault == Fault::Reorder;
        if self.delayed.is_full() || (reorder && self.delayed.reorders(socket.id, chat.sender.id)) {
            return false;
        }
        let time = if reorder {
            self.faults.chat.reorder_wait
        } else {
            self.injector.injected.increment(fault);
            self.random.random_range(self.faults.chat.delay_min..=self.faults.chat.delay_max)
        };
        let log_entry = self.log(fault, socket, chat, time);
        self.wait(socket, chat, time, log_entry);
        true
    }

    fn wait(&mut self, socket: &Arc<ServerSocket>, chat: &Chat, time: Duration, log_entry: Arc<InjectionEntry>) {
        self.delayed.insert(DelayedDelivery {
            socket: Arc::clone(socket),
            frame: chat.frame.clone(),
            sender: chat.sender.id,
            chat: chat.id,
            due: Instant::now() + time,
            log_entry,
        });
    }

    /// Delays a delivery by the present drift; false if there is none.
    fn slow(&mut self, socket: &Arc<ServerSocket>, chat: &Chat) -> bool {
        let drift = self.faults.chat.drift;
        if drift.is_zero() || self.delayed.is_full() || self.is_exempt(socket) {
            return false;
        }
        let time = drift.delay(self.slowing_since.elapsed());
        self.injector.injected.increment(Fault::Drift);
        // Not logged: every delivery drifts, and the log would hold nothing else.
        let log_entry = Arc::new(self.entry(Fault::Drift, socket, chat, time));
        self.wait(socket, chat, time, log_entry);
        true
    }

    fn send_intact(&mut self, socket: &ServerSocket, chat: &Chat, frames: &[Frame]) {
        socket.send(frames);
        self.release_overtaken(socket, chat.sender.id, chat.id);
    }

    /// A chat was sent intact: releases the reordered deliveries that waited for it.
    fn release_overtaken(&mut self, socket: &ServerSocket, sender: u64, chat: u64) {
        if self.delayed.is_empty() || socket.disconnected().is_some() {
            return;
        }
        for delayed in self.delayed.overtaken_by(socket.id, sender, chat) {
            self.write(&delayed);
            self.injector.injected.increment(Fault::Reorder);
        }
    }

    fn write(&self, delayed: &DelayedDelivery) {
        if delayed.socket.disconnected().is_none() && !delayed.socket.is_mute() {
            delayed.log_entry.written.store(self.injector.clock.micros(), Ordering::Release);
        }
        delayed.socket.send(std::slice::from_ref(&delayed.frame));
    }

    fn log(&self, fault: Fault, socket: &ServerSocket, chat: &Chat, delay: Duration) -> Arc<InjectionEntry> {
        let log_entry = Arc::new(self.entry(fault, socket, chat, delay));
        self.injector.log.push(Arc::clone(&log_entry));
        log_entry
    }

    fn entry(&self, fault: Fault, socket: &ServerSocket, chat: &Chat, delay: Duration) -> InjectionEntry {
        InjectionEntry {
            fault,
            at: self.injector.clock.micros(),
            connection: socket.id,
            username: socket.user.as_ref().map(|user| user.username.clone()).unwrap_or_default(),
            times: Arc::clone(&socket.times),
            chat: chat.id,
            sender: chat.sender.username.clone(),
            text: excerpt(&chat.message),
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            written: AtomicU64::new(0),
            overtaken: AtomicBool::new(false),
        }
    }
}

/// The frequencies that are set, in the order in which they are tried.
fn frequencies(faults: &Faults) -> Vec<(Fault, Frequency)> {
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
    all.into_iter().filter(|(_, frequency)| *frequency != Frequency::Never).collect()
}
