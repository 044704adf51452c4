//! The state that all users of a generator share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use strum::EnumCount;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::rooms::{RoomState, Rooms};
use super::sessions::Sessions;
use super::steps;
use super::texts::{TextShape, Texts};
use crate::clock::{Clock, Stamp};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::model::{
    Account, Accounts, Action, DropReason, Failure, FailureKind, PresenceFindings, Reconnect, Secret, SenderId,
    UserIndex, UserState,
};
use crate::pool::Roster;
use crate::pool::recovery::Recoveries;
use crate::presence::MembershipCheck;
use crate::protocol::{Capabilities, Session, SessionUser, SideRoomId};
use crate::schedule::Intent;
use crate::schedule::limit::Limit;
use crate::telemetry::traces::chats::ChatTraces;

/// How users behave.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// How long a user who left stays away, shortest and longest.
    pub away: (Duration, Duration),
    /// How long a visit to a side room lasts, shortest and longest.
    pub side_room_stay: (Duration, Duration),
    /// How a user reconnects after its connection ends.
    pub reconnect: Reconnect,
    /// The shape of messages.
    pub texts: TextShape,
    /// Seed of everything that users decide.
    pub seed: u64,
}

/// Limits on the rate of requests to the server.
#[derive(Debug)]
pub struct Limits {
    /// Rate of sign-ups and log-ins.
    pub sign_in: Limit,
    /// Rate of connects to rooms and side rooms.
    pub connect: Limit,
}

/// The identities of the users.
#[derive(Debug)]
pub struct Credentials {
    /// The username of each user.
    pub usernames: Box<[Box<str>]>,
    /// The password of users without their own.
    pub password: Secret,
    /// Their accounts, if they were given.
    pub accounts: Option<Accounts>,
    /// The first user's number in the whole range.
    pub first: u64,
}

impl Credentials {
    /// A user's account.
    #[must_use]
    pub fn account(&self, user: UserIndex) -> Account {
        let username = self.usernames.get(user.get()).map(ToString::to_string).unwrap_or_default();
        let own = self.accounts.as_ref().and_then(|accounts| accounts.password(user.get()));
        Account { username, password: own.unwrap_or_else(|| self.password.clone()) }
    }
}

/// The parts of a new context; everything else starts empty.
pub struct Parts {
    /// What the protocol can do.
    pub capabilities: Capabilities,
    /// The rooms that the users are divided among.
    pub rooms: Rooms,
    /// Which users send messages, in their order; `None`: all.
    pub speakers: Option<Box<[bool]>>,
    /// The ledger of all rooms.
    pub ledger: Ledger,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// Limits on the rate of requests to the server.
    pub limits: Limits,
    /// How users behave.
    pub behaviour: Behaviour,
    /// The identities of the users.
    pub credentials: Credentials,
    /// Their saved sessions by username.
    pub saved: HashMap<String, Session>,
    /// Chats that are traced.
    pub chats: ChatTraces,
}

/// What all users of a generator share.
pub struct RunContext<D> {
    /// The protocol.
    pub driver: D,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The time.
    pub clock: Clock,
    /// The rooms that the users are divided among.
    pub rooms: Rooms,
    /// The ledger of all rooms.
    pub ledger: Mutex<Ledger>,
    /// The users' states and slots.
    pub roster: Roster,
    /// Users expected back after a disconnect or a disruption.
    pub recoveries: Recoveries,
    /// The shared state of each room, in the order of the rooms.
    pub room_states: Box<[RoomState]>,
    /// Findings of the last comparison of all rooms' member lists.
    pub presence: Mutex<PresenceFindings>,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// Limits on the rate of requests to the server.
    pub limits: Limits,
    /// How users behave.
    pub behaviour: Behaviour,
    /// The identities of the users.
    pub credentials: Credentials,
    /// Their sessions.
    pub sessions: Sessions,
    /// The texts they send.
    pub texts: Texts,
    /// Cancelled when sending stops; no user starts or reconnects after that.
    pub stopping: CancellationToken,
    /// Cancelled when the sockets must close.
    pub closing: CancellationToken,
    /// Visits to side rooms under way.
    pub side_room_visits: TaskTracker,
    /// Intents carried out, by [`Action`].
    pub done: [AtomicU64; Action::COUNT],
    /// Chats that are traced.
    pub chats: ChatTraces,
    /// Number of users whose first attempt to connect has succeeded or failed.
    pub first_attempts_over: AtomicUsize,
    /// Set once any user has been connected.
    pub any_connected: AtomicBool,
    /// The room's capacity in users, as the server last said; 0 means no limit.
    pub capacity: AtomicU64,
}

impl<D> RunContext<D> {
    /// A user's session, if it has one, for use.
    pub(super) fn session(&self, user: UserIndex) -> Option<Session> {
        let session = self.sessions.get(user)?;
        Some(Session { user: Some(self.session_user(user)), ..session })
    }

    /// A new session for a user.
    pub(super) fn new_session(&self, user: UserIndex) -> Session {
        Session { user: Some(self.session_user(user)), ..Session::default() }
    }

    /// The identity of a user in its session.
    fn session_user(&self, user: UserIndex) -> SessionUser {
        let Credentials { accounts, first, .. } = &self.credentials;
        SessionUser {
            account: self.credentials.account(user),
            index: first + u64::from(user.0),
            row: accounts.as_ref().map(|accounts| accounts.row(user.get())).unwrap_or_default(),
            room: self.rooms.name_of(user).cloned(),
        }
    }

    /// The shared state of a user's room.
    #[must_use]
    pub fn room(&self, user: UserIndex) -> Option<&RoomState> {
        self.room_states.get(self.rooms.of(user))
    }

    /// Registers how the server names a user, for the comparison of member lists.
    pub(super) fn introduce(&self, user: UserIndex, id: SenderId) {
        let nth = self.rooms.of(user);
        if let Some(room) = self.room_states.get(nth) {
            let place = UserIndex(user.0.saturating_sub(self.rooms.users(nth).start));
            room.membership.lock().introduce(place, id);
        }
    }

    /// A context in which no user has started yet.
    #[must_use]
    pub fn new(driver: D, clock: Clock, parts: Parts) -> Self {
        let Parts { capabilities, rooms, speakers, ledger, metrics, limits, behaviour, credentials, saved, chats } =
            parts;
        let usernames = || credentials.usernames.iter();
        let settling = ledger.terms().deadline;
        let room_state = |nth| {
            let users = rooms.users(nth);
            let (first, many) = (users.start as usize, users.len());
            let names = usernames().skip(first).take(many).map(|name| &**name);
            RoomState::new(MembershipCheck::new(settling, names))
        };
        Self {
            driver,
            capabilities,
            clock,
            room_states: (0..rooms.len()).map(room_state).collect(),
            presence: Mutex::default(),
            rooms,
            ledger: Mutex::new(ledger),
            roster: Roster::new(credentials.usernames.len(), behaviour.seed).with_speakers(speakers),
            recoveries: Recoveries::default(),
            metrics,
            limits,
            behaviour,
            sessions: Sessions::new(usernames().map(ToString::to_string), saved),
            texts: Texts::new(behaviour.seed, behaviour.texts),
            credentials,
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
            side_room_visits: TaskTracker::new(),
            done: std::array::from_fn(|_| 0.into()),
            chats,
            first_attempts_over: AtomicUsize::new(0),
            any_connected: AtomicBool::new(false),
            capacity: 0.into(),
        }
    }

    /// Gives an intent to a connected user, or counts why none could take it; the reason is `busy` if every
    /// one of them already has an intent.
    pub fn dispatch(&self, intent: Intent, busy: DropReason) {
        let offered = if self.stopping.is_cancelled() { Err(DropReason::Stopping) } else { self.roster.offer(intent) };
        match offered {
            Ok(_) => {}
            Err(DropReason::NotConnected) if self.recoveries.all_are_gone() => {
                self.metrics.dropped(intent.action, DropReason::Disconnected);
            }
            Err(DropReason::Backpressure) => self.metrics.dropped(intent.action, busy),
            Err(reason) => self.metrics.dropped(intent.action, reason),
        }
    }

    /// Has every user close its sockets. Deliveries that are outstanding now stay so.
    pub fn close(&self) {
        self.ledger.lock().close(self.clock.now());
        self.closing.cancel();
        self.roster.notify_all();
    }

    /// Moves a user to a state in which it takes no intents, and returns its previous state. An intent that it has
    /// not taken up goes to another user.
    pub(super) fn make_unavailable(&self, user: UserIndex, to: UserState) -> Option<UserState> {
        let was = self.roster.set(user, to);
        if let Some(room) = self.room(user) {
            room.observers.dismiss(user);
        }
        if let Some(slot) = self.roster.slot(user) {
            let left = slot.take();
            slot.done();
            if let Some(intent) = left {
                self.dispatch(intent, DropReason::Backpressure);
            }
        }
        was
    }

    /// Counts an intent as carried out.
    pub(super) fn carried_out(&self, action: Action) {
        self.done[action as usize].fetch_add(1, Ordering::Relaxed);
        self.metrics.carried_out(action);
    }

    /// The outcome of a step, begun at `began`, that the stop cut short: `Stopping`, which does not count
    /// against the server, unless the server had as long to answer as a delivery may take.
    pub(super) fn unanswered(&self, began: Stamp) -> Failure {
        let deadline = self.ledger.lock().terms().deadline;
        let late = self.clock.now().since(began) > deadline;
        Failure::new(if late { FailureKind::Timeout } else { FailureKind::Stopping })
    }

    /// Passes the verdicts that are due.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let mut ledger = self.ledger.lock();
        ledger.sweep(now);
        self.chats.sweep(self.clock.wall(now), |id| steps::progress(&ledger, id));
    }

    /// Counts a user's first attempt as over.
    pub(super) fn first_attempt_over(&self) {
        self.first_attempts_over.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs a step that began at `began` and ended in one of several ways.
    pub(super) fn step(&self, user: UserIndex, step: &'static str, outcome: &'static str, began: Stamp) {
        steps::done(self.username(user), step, outcome, self.clock.now().since(began));
    }

    /// A user's name.
    pub(super) fn username(&self, user: UserIndex) -> &str {
        self.credentials.usernames.get(user.get()).map_or("", |name| name)
    }

    /// A user's own randomness.
    pub(super) fn rng(&self, user: UserIndex) -> SmallRng {
        SmallRng::seed_from_u64(self.behaviour.seed ^ (u64::from(user.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A side room to join, or nothing if there is none.
    pub(super) fn some_side_room(&self, user: UserIndex, rng: &mut SmallRng) -> Option<SideRoomId> {
        let rooms = Arc::clone(&self.room(user)?.side_rooms.lock());
        (!rooms.is_empty()).then(|| rooms[rng.random_range(0..rooms.len())])
    }

    /// Notes the side rooms of a user's room, as the server told the user.
    pub(super) fn note_side_rooms(&self, user: UserIndex, heard: &[SideRoomId]) {
        let Some(room) = self.room(user) else { return };
        let mut rooms = room.side_rooms.lock();
        if **rooms != *heard {
            *rooms = heard.into();
        }
    }
}
