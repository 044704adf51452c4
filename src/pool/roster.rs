//! The roster: the state of every user, the connected users, and each user's slot.
//!
//! States change under one lock, so that their counts always sum to the target.

mod steering;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use strum::EnumCount;
use tokio::sync::Notify;

use super::slot::IntentSlot;
use crate::model::{Action, DropReason, UserIndex, UserState};
use crate::schedule::Intent;

/// The users of this generator.
#[derive(Debug)]
pub struct Roster {
    table: Mutex<UserTable>,
    slots: Box<[IntentSlot]>,
    /// A bit per user whose slot has an unseen notification. The bits are contiguous, so that they stay in a
    /// CPU cache: every user checks its own after every read.
    notified: Box<[AtomicU64]>,
    /// A bit per user who must reset its connection.
    resets: Box<[AtomicU64]>,
    /// A bit per user whose task is running.
    under_way: Box<[AtomicU64]>,
    /// Users from this one on must leave for good.
    recalled_from: AtomicU32,
    recalls: Notify,
    retargeted: Notify,
}

#[derive(Debug)]
struct UserTable {
    /// Number of users to hold; the first ones are held.
    target: usize,
    states: Box<[UserState]>,
    /// Number of state changes of each user.
    changes: Box<[u32]>,
    /// Numbers of held users by state.
    counts: [u64; UserState::COUNT],
    connected: Present,
    /// Users who send messages; `None`: all.
    speakers: Option<Speakers>,
    rng: SmallRng,
}

/// The present users in arbitrary order, and the position of each in it.
#[derive(Debug)]
struct Present {
    users: Vec<u32>,
    position: Box<[u32]>,
}

/// Users who send messages.
#[derive(Debug)]
struct Speakers {
    speaks: Box<[bool]>,
    total: usize,
    connected: Present,
}

const NOT_CONNECTED: u32 = u32::MAX;

impl Roster {
    /// A roster of `users` waiting users; the choice of users follows from `seed`.
    #[must_use]
    pub fn new(users: usize, seed: u64) -> Self {
        let mut counts = [0; UserState::COUNT];
        counts[UserState::Waiting as usize] = users as u64;
        Self {
            table: Mutex::new(UserTable {
                target: users,
                states: vec![UserState::Waiting; users].into_boxed_slice(),
                changes: vec![0; users].into_boxed_slice(),
                counts,
                connected: Present::none(users),
                speakers: None,
                rng: SmallRng::seed_from_u64(seed),
            }),
            slots: (0..users).map(|_| IntentSlot::default()).collect(),
            notified: bits(users),
            resets: bits(users),
            under_way: bits(users),
            recalled_from: AtomicU32::new(u32::MAX),
            recalls: Notify::new(),
            retargeted: Notify::new(),
        }
    }

    /// Sets which users send messages; `None`: all.
    #[must_use]
    pub fn with_speakers(self, speaks: Option<Box<[bool]>>) -> Self {
        let speakers = speaks.map(|speaks| Speakers {
            total: speaks.iter().filter(|speaks| **speaks).count(),
            connected: Present::none(speaks.len()),
            speaks,
        });
        self.table.lock().speakers = speakers;
        self
    }

    /// The number of users, in any state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A user's slot.
    #[must_use]
    pub fn slot(&self, user: UserIndex) -> Option<&IntentSlot> {
        self.slots.get(user.get())
    }

    /// Notifies a user: it has an intent, or the run ends.
    pub fn notify(&self, user: UserIndex) {
        if let Some(word) = self.notified.get(user.get() / BITS) {
            word.fetch_or(bit(user), Ordering::Release);
        }
        if let Some(slot) = self.slot(user) {
            slot.wake();
        }
    }

    /// Notifies every user, in any state.
    pub fn notify_all(&self) {
        self.notified.iter().for_each(|word| word.store(u64::MAX, Ordering::Release));
        self.slots.iter().for_each(IntentSlot::wake);
    }

    /// Wakes `listener` at the next notification. Afterwards the caller must check whether the user
    /// [was notified](Self::was_notified) before.
    pub fn listen(&self, user: UserIndex, listener: &Waker) {
        if let Some(slot) = self.slot(user) {
            slot.listen(listener);
        }
    }

    /// Whether a user was notified since this last returned true.
    pub fn was_notified(&self, user: UserIndex) -> bool {
        let Some(word) = self.notified.get(user.get() / BITS) else { return false };
        let was_notified = word.load(Ordering::Acquire) & bit(user) != 0;
        if was_notified {
            // The caller also sees what later notifications announced.
            word.fetch_and(!bit(user), Ordering::Acquire);
        }
        was_notified
    }

    /// Moves a user to a state; returns the one it was in.
    pub fn set(&self, user: UserIndex, state: UserState) -> Option<UserState> {
        let mut table = self.table.lock();
        let table = &mut *table;
        let was = std::mem::replace(table.states.get_mut(user.get())?, state);
        if was != state
            && let Some(changes) = table.changes.get_mut(user.get())
        {
            *changes = changes.wrapping_add(1);
        }
        if user.get() < table.target {
            table.counts[was as usize] -= 1;
            table.counts[state as usize] += 1;
        }
        match (was == UserState::Connected, state == UserState::Connected) {
            (false, true) => table.enter(user),
            (true, false) => table.leave(user),
            _ => {}
        }
        Some(was)
    }

    /// The number of users to hold; initially all.
    #[must_use]
    pub fn target(&self) -> usize {
        self.table.lock().target
    }

    /// The number of held users in each state; they sum to [`target`](Self::target).
    #[must_use]
    pub fn counts(&self) -> [u64; UserState::COUNT] {
        self.table.lock().counts
    }

    /// Every user's state and its number of changes, which shows a caller whether a user was in another state
    /// in between.
    #[must_use]
    pub fn states(&self) -> Vec<(UserState, u32)> {
        let table = self.table.lock();
        table.states.iter().copied().zip(table.changes.iter().copied()).collect()
    }

    /// The number of connected users.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.table.lock().connected.users.len()
    }

    /// Of the users who may carry out an action, the number connected, and the number in all.
    #[must_use]
    pub fn able(&self, action: Action) -> (usize, usize) {
        let table = self.table.lock();
        match &table.speakers {
            Some(speakers) if action == Action::Chat => (speakers.connected.users.len(), speakers.total),
            _ => (table.connected.users.len(), table.target),
        }
    }

    /// The number of users who may carry out each action, connected or not; by [`Action`].
    #[must_use]
    pub fn all_able(&self) -> [usize; Action::COUNT] {
        let mut able = [0; Action::COUNT];
        Action::ALL.iter().for_each(|action| able[*action as usize] = self.able(*action).1);
        able
    }

    /// Gives an intent to a randomly chosen connected user who may carry it out, or to the next one whose slot
    /// is free. It is never queued behind another.
    ///
    /// # Errors
    /// `NotConnected` if no such user is connected, `Backpressure` if no slot is free.
    pub fn offer(&self, intent: Intent) -> Result<UserIndex, DropReason> {
        let mut table = self.table.lock();
        let UserTable { connected, speakers, rng, .. } = &mut *table;
        let connected = match speakers {
            Some(speakers) if intent.action == Action::Chat => &speakers.connected.users,
            _ => &connected.users,
        };
        if connected.is_empty() {
            return Err(DropReason::NotConnected);
        }
        let (before, from) = connected.split_at(rng.random_range(0..connected.len()));
        let taker = from
            .iter()
            .chain(before)
            .map(|u| UserIndex(*u))
            .find(|u| self.slot(*u).is_some_and(|slot| slot.put(intent)))
            .ok_or(DropReason::Backpressure)?;
        self.notify(taker);
        Ok(taker)
    }

    /// Takes back every intent that has not been taken up.
    pub fn withdraw_intents(&self) -> impl Iterator<Item = Intent> {
        self.slots.iter().filter_map(IntentSlot::withdraw)
    }

    /// Whether any user has taken up an intent that is not carried out yet.
    #[must_use]
    pub fn is_any_busy(&self) -> bool {
        self.slots.iter().any(IntentSlot::is_busy)
    }
}

/// A bit per user, all clear.
fn bits(users: usize) -> Box<[AtomicU64]> {
    (0..users.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect()
}

/// Users per word of [`Roster::notified`].
const BITS: usize = u64::BITS as usize;

/// A user's bit in its word.
fn bit(user: UserIndex) -> u64 {
    1 << (user.get() % BITS)
}

impl UserTable {
    fn enter(&mut self, user: UserIndex) {
        self.connected.enter(user);
        if let Some(speakers) = self.speakers_with(user) {
            speakers.enter(user);
        }
    }

    fn leave(&mut self, user: UserIndex) {
        self.connected.leave(user);
        if let Some(speakers) = self.speakers_with(user) {
            speakers.leave(user);
        }
    }

    /// The present speakers, if only some users are speakers and this one is.
    fn speakers_with(&mut self, user: UserIndex) -> Option<&mut Present> {
        let speakers = self.speakers.as_mut()?;
        speakers.speaks.get(user.get()).copied().unwrap_or(false).then_some(&mut speakers.connected)
    }
}

impl Present {
    fn none(users: usize) -> Self {
        Self { users: Vec::with_capacity(users), position: vec![NOT_CONNECTED; users].into_boxed_slice() }
    }

    fn enter(&mut self, user: UserIndex) {
        if let Some(position) = self.position.get_mut(user.get()) {
            *position = u32::try_from(self.users.len()).unwrap_or(NOT_CONNECTED);
            self.users.push(user.0);
        }
    }

    fn leave(&mut self, user: UserIndex) {
        let Some(position) = self.position.get_mut(user.get()) else { return };
        let hole = std::mem::replace(position, NOT_CONNECTED);
        self.users.swap_remove(hole as usize);
        if let Some(moved) = self.users.get(hole as usize)
            && let Some(position) = self.position.get_mut(*moved as usize)
        {
            *position = hole;
        }
    }
}

#[cfg(test)]
mod tests;
