//! The roster: which state every user is in, who is connected, and each user's slot.
//!
//! States change under one lock, so that at any moment their counts sum up to the target.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use strum::EnumCount;

use super::slot::IntentSlot;
use crate::model::{DropReason, UserIndex, UserState};
use crate::schedule::Intent;

/// The users of this generator.
#[derive(Debug)]
pub struct Roster {
    table: Mutex<UserTable>,
    slots: Box<[IntentSlot]>,
    /// A bit for each user at whose slot something happened that it has not looked at. Together,
    /// so that all of them stay in a cache: every user looks at its own after every read.
    notified: Box<[AtomicU64]>,
}

#[derive(Debug)]
struct UserTable {
    states: Box<[UserState]>,
    /// How often each user has changed its state.
    changes: Box<[u32]>,
    counts: [u64; UserState::COUNT],
    /// Connected users in arbitrary order, and where each is in that list.
    connected: Vec<u32>,
    position: Box<[u32]>,
    rng: SmallRng,
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
                states: vec![UserState::Waiting; users].into_boxed_slice(),
                changes: vec![0; users].into_boxed_slice(),
                counts,
                connected: Vec::with_capacity(users),
                position: vec![NOT_CONNECTED; users].into_boxed_slice(),
                rng: SmallRng::seed_from_u64(seed),
            }),
            slots: (0..users).map(|_| IntentSlot::default()).collect(),
            notified: (0..users.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// How many users there are, in whatever state.
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

    /// Makes a user look: an intent was put down, or the run ends.
    pub fn notify(&self, user: UserIndex) {
        if let Some(word) = self.notified.get(user.get() / BITS) {
            word.fetch_or(bit(user), Ordering::Release);
        }
        if let Some(slot) = self.slot(user) {
            slot.wake();
        }
    }

    /// Makes every user look, wherever it is.
    pub fn notify_all(&self) {
        self.notified.iter().for_each(|word| word.store(u64::MAX, Ordering::Release));
        self.slots.iter().for_each(IntentSlot::wake);
    }

    /// Has `listener` woken by the next notify. The listener checks afterwards whether it
    /// [was notified](Self::was_notified) before.
    pub fn listen(&self, user: UserIndex, listener: &Waker) {
        if let Some(slot) = self.slot(user) {
            slot.listen(listener);
        }
    }

    /// Whether a user was notified since the last time that this said so.
    pub fn was_notified(&self, user: UserIndex) -> bool {
        let Some(word) = self.notified.get(user.get() / BITS) else { return false };
        let was_notified = word.load(Ordering::Acquire) & bit(user) != 0;
        if was_notified {
            // Whatever a notify announced that came since that look is seen as well.
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
        table.counts[was as usize] -= 1;
        table.counts[state as usize] += 1;
        match (was == UserState::Connected, state == UserState::Connected) {
            (false, true) => table.enter(user),
            (true, false) => table.leave(user),
            _ => {}
        }
        Some(was)
    }

    /// How many users are in each state; they sum up to [`len`](Self::len).
    #[must_use]
    pub fn counts(&self) -> [u64; UserState::COUNT] {
        self.table.lock().counts
    }

    /// Every user's state, and how often it has changed so far: who looks now and then sees by
    /// that whether a user has been elsewhere in between.
    #[must_use]
    pub fn states(&self) -> Vec<(UserState, u32)> {
        let table = self.table.lock();
        table.states.iter().copied().zip(table.changes.iter().copied()).collect()
    }

    /// How many users are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.table.lock().connected.len()
    }

    /// Gives an intent to a connected user chosen at random whose slot is free, else to the
    /// next one that is; it is never queued behind another.
    ///
    /// # Errors
    /// `NotConnected` where no user is connected, `Backpressure` where no slot is free.
    pub fn offer(&self, intent: Intent) -> Result<UserIndex, DropReason> {
        let mut table = self.table.lock();
        let connected = table.connected.len();
        if connected == 0 {
            return Err(DropReason::NotConnected);
        }
        let start = table.rng.random_range(0..connected);
        let (before, from) = table.connected.split_at(start);
        let taker = from
            .iter()
            .chain(before)
            .map(|u| UserIndex(*u))
            .find(|u| self.slot(*u).is_some_and(|slot| slot.put(intent)))
            .ok_or(DropReason::Backpressure)?;
        self.notify(taker);
        Ok(taker)
    }

    /// Takes back every intent that no user has taken up.
    pub fn withdraw_intents(&self) -> impl Iterator<Item = Intent> {
        self.slots.iter().filter_map(IntentSlot::withdraw)
    }

    /// Whether a user has taken up an intent that is not carried out.
    #[must_use]
    pub fn is_any_busy(&self) -> bool {
        self.slots.iter().any(IntentSlot::is_busy)
    }
}

/// Users in a word of [`Roster::notified`].
const BITS: usize = u64::BITS as usize;

/// A user's bit in its word.
fn bit(user: UserIndex) -> u64 {
    1 << (user.get() % BITS)
}

impl UserTable {
    fn enter(&mut self, user: UserIndex) {
        if let Some(position) = self.position.get_mut(user.get()) {
            *position = u32::try_from(self.connected.len()).unwrap_or(NOT_CONNECTED);
            self.connected.push(user.0);
        }
    }

    fn leave(&mut self, user: UserIndex) {
        let Some(position) = self.position.get_mut(user.get()) else { return };
        let hole = std::mem::replace(position, NOT_CONNECTED);
        self.connected.swap_remove(hole as usize);
        if let Some(moved) = self.connected.get(hole as usize)
            && let Some(position) = self.position.get_mut(*moved as usize)
        {
            *position = hole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;
    use crate::model::Action;
    use proptest::prelude::*;

    const CHAT: Intent = Intent { action: Action::Chat, intended: Stamp(0) };

    #[test]
    fn an_offer_tells_not_connected_from_backpressure() {
        let roster = Roster::new(1, 1);
        assert_eq!(roster.offer(CHAT), Err(DropReason::NotConnected));
        roster.set(UserIndex(0), UserState::Connected);
        assert_eq!(roster.offer(CHAT), Ok(UserIndex(0)));
        assert_eq!(roster.offer(CHAT), Err(DropReason::Backpressure));
        let slot = roster.slot(UserIndex(0)).unwrap();
        assert_eq!(slot.take(), Some(CHAT));
        assert_eq!(roster.offer(CHAT), Err(DropReason::Backpressure), "the frame is still in writing");
        slot.done();
        assert_eq!(roster.offer(CHAT), Ok(UserIndex(0)));
    }

    #[test]
    fn a_withdrawn_intent_is_never_taken_up_and_one_that_was_taken_up_is_waited_for() {
        let roster = Roster::new(2, 1);
        for i in 0..2 {
            roster.set(UserIndex(i), UserState::Connected);
        }
        let busy = roster.offer(CHAT).unwrap();
        let waiting = roster.offer(CHAT).unwrap();
        assert_eq!(roster.slot(busy).unwrap().take(), Some(CHAT));
        assert_eq!(roster.withdraw_intents().collect::<Vec<_>>(), [CHAT]);
        assert_eq!(roster.slot(waiting).unwrap().take(), None);
        assert!(roster.is_any_busy());
        roster.slot(busy).unwrap().done();
        assert!(!roster.is_any_busy());
    }

    #[test]
    fn connected_users_are_chosen_about_equally() {
        let roster = Roster::new(10, 1);
        for i in 0..10 {
            roster.set(UserIndex(i), UserState::Connected);
        }
        let mut chosen = [0; 10];
        for _ in 0..10_000 {
            let user = roster.offer(CHAT).unwrap();
            roster.slot(user).unwrap().take();
            roster.slot(user).unwrap().done();
            chosen[user.get()] += 1;
        }
        assert!(chosen.iter().all(|n| (800..1200).contains(n)), "{chosen:?}");
    }

    #[test]
    fn a_short_absence_shows_in_the_moves() {
        let (roster, me) = (Roster::new(1, 1), UserIndex(0));
        roster.set(me, UserState::Connected);
        assert_eq!(roster.states(), [(UserState::Connected, 1)]);
        roster.set(me, UserState::Connected);
        assert_eq!(roster.states(), [(UserState::Connected, 1)]);
        roster.set(me, UserState::Away);
        roster.set(me, UserState::Connected);
        assert_eq!(roster.states(), [(UserState::Connected, 3)]);
    }

    proptest! {
        #[test]
        fn counts_of_states_sum_to_the_users(changes in prop::collection::vec((0..8_u32, 0..UserState::COUNT), 0..200)) {
            let roster = Roster::new(8, 1);
            let mut model = [UserState::Waiting; 8];
            for (user, state) in changes {
                let state = UserState::ALL[state];
                roster.set(UserIndex(user), state);
                model[user as usize] = state;
                let counts = roster.counts();
                prop_assert_eq!(counts.iter().sum::<u64>(), 8);
                let connected = model.iter().filter(|s| **s == UserState::Connected).count();
                prop_assert_eq!(roster.connected(), connected);
                if connected > 0 {
                    let chosen = roster.offer(CHAT).unwrap();
                    prop_assert_eq!(model[chosen.get()], UserState::Connected);
                    roster.slot(chosen).unwrap().take();
                    roster.slot(chosen).unwrap().done();
                }
            }
        }
    }
}
