//! What the server received, sent and did, counted as it happens.
//!
//! [`Counters`] is written from everywhere without a lock; [`ServerCounts`] is a snapshot of it, and the
//! JSON of `GET /_target/counts`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A number that is only added to, or a gauge that also falls.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares a group of counters and its snapshot.
macro_rules! counter_group {
    ($(#[$meta:meta])* $counts:ident / $counters:ident { $($(#[$doc:meta])* $name:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $counts { $($(#[$doc])* pub $name: u64),+ }

        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $counters { $($(#[$doc])* pub(super) $name: Counter),+ }

        impl $counters {
            pub(super) fn read(&self) -> $counts {
                $counts { $($name: self.$name.get()),+ }
            }
        }
    };
}

counter_group! {
    /// HTTP requests by route; a request that became a socket is under its page's route too.
    HttpCounts / HttpCounters {
        /// All requests, those below included.
        requests,
        /// `GET /accounts/signup/`.
        signup_forms,
        /// `POST /accounts/signup/`.
        signup_posts,
        /// `GET /accounts/login/`.
        login_forms,
        /// `POST /accounts/login/`.
        login_posts,
        /// `/event/<slug>/`, pages and upgrades.
        events,
        /// `/breakout/<id>/`, pages and upgrades.
        breakouts,
        /// `/accounts/delete/`, both methods.
        deletes,
        /// Pages with "Over Capacity".
        over_capacity_pages,
        /// Redirects to the log-in page.
        sent_to_login,
        /// Posts refused with 403 for their CSRF cookie, token or referer.
        csrf_refused,
        /// Answers 400.
        bad_requests,
        /// Answers 404.
        not_found,
        /// TCP connections accepted.
        connections,
        /// Times that accepting failed, for want of file descriptors for instance.
        accept_failures,
    }
}

counter_group! {
    /// Accounts and sessions.
    AccountCounts / AccountCounters {
        /// Accounts that exist now.
        now,
        /// Sign-ups that made an account.
        signed_up,
        /// Sign-ups refused by the form.
        signups_refused,
        /// Log-ins that made a session.
        logged_in,
        /// Log-ins refused, the locked ones included.
        logins_refused,
        /// Log-ins refused because the name was locked.
        logins_locked,
        /// Accounts deleted.
        deleted,
    }
}

counter_group! {
    /// Websockets: how many came, and how each ended. `opened` is `open_now` and `ended` together.
    SocketCounts / SocketCounters {
        /// Upgrades answered with 101.
        opened,
        /// Open now, in a channel or not.
        open_now,
        /// In plenaries now: the sockets a chat would go to, over all plenaries.
        plenary_now,
        /// In breakouts now.
        breakout_now,
        /// Upgrades refused with 400, 403 or 500 by the rules of the protocol.
        refused,
        /// Sockets that are over.
        ended,
        /// Of these: the client sent a close frame first.
        ended_by_client,
        /// The client ended the stream without a close frame, or reset it.
        ended_without_close,
        /// The server ended it without a close frame because the client sent what the application crashes on.
        ended_by_crash,
        /// The server closed with 1002, 1007 or 1009: the client broke RFC 6455 or the size limit.
        ended_by_breach,
        /// The server closed with 1011: no pong in time.
        ended_by_silence,
        /// The server ended it because too much was waiting to be written.
        ended_by_slowness,
        /// The server closed with 1001 because it was stopped.
        ended_by_stop,
        /// A fault ended it.
        ended_by_fault,
    }
}

counter_group! {
    /// What came from clients over websockets.
    ReceivedCounts / ReceivedCounters {
        /// Chats taken in.
        chats,
        /// Heartbeat texts.
        heartbeats,
        /// Breakouts taken over.
        takeovers,
        /// Frames answered with an `error` frame.
        refused,
        /// Frames that ended the connection without a close frame.
        crashes,
        /// Websocket pings.
        pings,
        /// Websocket pongs.
        pongs,
        /// Bytes read.
        bytes,
    }
}

counter_group! {
    /// What went to clients over websockets, in frames on single sockets (deliveries).
    ///
    /// Without faults: `chats_due` = `chats_queued` = `chats_written` + `chats_discarded` + what waits now.
    /// With faults `chats_queued` lacks what was dropped, held back, muted or cost the connection,
    /// and has the copies.
    SentCounts / SentCounters {
        /// Deliveries due: for each chat, the sockets in its channel when it was broadcast.
        chats_due,
        /// Chat frames handed to a socket's queue, injected copies included.
        chats_queued,
        /// Chat frames wholly given to the kernel.
        chats_written,
        /// Chat frames that were queued, or should have been, on a socket that ended first.
        chats_discarded,
        /// `presence` frames queued, of plenaries and breakouts.
        presence_queued,
        /// `presence` frames wholly given to the kernel.
        presence_written,
        /// `presence` frames replaced by a newer one while they waited (batched presence only).
        presence_replaced,
        /// `breakout_presence` frames queued.
        breakout_presence_queued,
        /// `error` frames queued.
        errors,
        /// Websocket pings queued.
        pings,
        /// All frames wholly given to the kernel, control frames included.
        frames_written,
        /// Bytes given to the kernel.
        bytes,
        /// Users taken off a list because they were silent.
        pruned,
    }
}

/// A snapshot of everything the server counts; each number is since the start unless it ends in `now`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerCounts {
    /// HTTP requests.
    pub http: HttpCounts,
    /// Accounts and sessions.
    pub accounts: AccountCounts,
    /// Websockets.
    pub sockets: SocketCounts,
    /// Frames from clients.
    pub received: ReceivedCounts,
    /// Frames to clients.
    pub sent: SentCounts,
    /// Injected faults by kind; [`Fault`](super::Fault) says what each one counts.
    pub injected: BTreeMap<String, u64>,
}

/// What one plenary counted; the sum over all plenaries is in [`ServerCounts`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCounts {
    /// The plenary.
    pub slug: String,
    /// Sockets in it now.
    pub sockets_now: u64,
    /// Chats taken in.
    pub chats: u64,
    /// Deliveries due, as [`SentCounts::chats_due`].
    pub chats_due: u64,
}

/// The live numbers behind [`RoomCounts`].
#[derive(Debug, Default)]
pub(super) struct RoomCounters {
    pub(super) sockets_now: Counter,
    pub(super) chats: Counter,
    pub(super) chats_due: Counter,
}

/// The live numbers behind [`ServerCounts`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) http: HttpCounters,
    pub(super) accounts: AccountCounters,
    pub(super) sockets: SocketCounters,
    pub(super) received: ReceivedCounters,
    pub(super) sent: SentCounters,
}

impl Counters {
    /// A snapshot; each number is exact, but they may be a few events apart.
    pub(super) fn read(&self) -> ServerCounts {
        ServerCounts {
            http: self.http.read(),
            accounts: self.accounts.read(),
            sockets: self.sockets.read(),
            received: self.received.read(),
            sent: self.sent.read(),
            injected: BTreeMap::new(),
        }
    }
}
