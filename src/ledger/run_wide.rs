//! The parts of a ledger that all rooms share: the identities of this generator and its users, and the
//! figures.

use std::collections::HashMap;
use std::time::Duration;

use super::Identity;
use super::evidence::Sender;
use super::remote::Generators;
use super::tally::Tally;
use crate::clock::Stamp;
use crate::marker::{Marker, RunTag};
use crate::model::{DeliveryRules, DeliveryTerms, Origin, SenderId, UserIndex};

#[derive(Debug)]
pub(super) struct RunWide {
    pub(super) terms: DeliveryTerms,
    pub(super) rules: DeliveryRules,
    pub(super) identity: Identity,
    /// The wall clock when this generator started, in microseconds since the Unix epoch.
    pub(super) started_micros: u64,
    /// The server's ids of this generator's users, including former ones.
    ids: HashMap<SenderId, UserIndex>,
    /// Each user's current id.
    present_ids: Box<[SenderId]>,
    pub(super) generators: Generators,
    pub(super) tally: Tally,
    /// When the wait was over: see [`close`](super::Ledger::close).
    pub(super) closed: Option<Stamp>,
    /// Deliveries of others' messages that were open when the ledger was closed, and so got no verdict. They
    /// count as expected from then on.
    pub(super) remote_outstanding: u64,
}

impl RunWide {
    pub(super) fn new(terms: DeliveryTerms, rules: DeliveryRules, identity: Identity, users: usize) -> Self {
        Self {
            terms,
            rules,
            identity,
            started_micros: identity.origin_micros,
            ids: HashMap::new(),
            present_ids: vec![SenderId::NONE; users].into_boxed_slice(),
            generators: Generators::default(),
            tally: Tally::new(users, identity.origin_micros, &terms),
            closed: None,
            remote_outstanding: 0,
        }
    }

    /// Notes how the server names a user.
    pub(super) fn introduce(&mut self, user: UserIndex, id: SenderId) {
        self.ids.insert(id, user);
        if let Some(present) = self.present_ids.get_mut(user.get()) {
            *present = id;
        }
    }

    /// Notes that the machine slept for `time`.
    pub(super) fn slept(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.identity.origin_micros = self.identity.origin_micros.saturating_add(micros);
        self.tally.evidence.origin_micros = self.identity.origin_micros;
        self.generators.forget_offsets();
    }

    /// The time up to which verdicts are passed.
    pub(super) fn judged_at(&self, now: Stamp) -> Stamp {
        self.closed.map_or(now, |closed| closed.min(now))
    }

    /// Whether a marker is from another run, or from an earlier life of this generator.
    pub(super) fn is_foreign(&self, marker: &Marker) -> bool {
        let horizon = u64::try_from(self.terms.horizon.as_micros()).unwrap_or(u64::MAX);
        let old = marker.intended_micros.saturating_add(horizon) < self.started_micros;
        marker.run != self.identity.run || (old && marker.generator != self.identity.generator)
    }

    /// Whether a sender is one of our users, as far as messages name senders.
    pub(super) fn is_ours(&self, from: SenderId) -> bool {
        self.rules.senders && self.ids.contains_key(&from)
    }

    /// Whether a damaged text belongs to this run: one of our users sent it, or its run can still be read.
    /// Anything else may be other people's chat.
    pub(super) fn concerns(&self, from: SenderId, run: Option<RunTag>) -> bool {
        run == Some(self.identity.run) || self.is_ours(from)
    }

    /// The origin of a message, by its marker.
    pub(super) fn origin(&self, marker: &Marker) -> Origin {
        let ours = (marker.run, marker.generator) == (self.identity.run, self.identity.generator);
        if ours { Origin::Local } else { Origin::Remote }
    }

    /// The sender that the server means by an id.
    pub(super) fn sender(&self, id: SenderId) -> Sender {
        self.ids.get(&id).map_or(Sender::Id(id), |user| Sender::User(*user))
    }

    /// Whether `from` is a current or former id of `sender`.
    #[inline]
    pub(super) fn is_of(&self, sender: UserIndex, from: SenderId) -> bool {
        self.present_ids.get(sender.get()) == Some(&from) || self.ids.get(&from) == Some(&sender)
    }

    pub(super) fn wall_micros(&self, at: Stamp) -> u64 {
        self.identity.origin_micros.saturating_add(at.0 / 1_000)
    }

    /// Microseconds from a wall-clock time of another machine to the stamp `at` of this one.
    pub(super) fn since_by_wall(&self, at: Stamp, micros: u64) -> i64 {
        let here = i64::try_from(self.wall_micros(at)).unwrap_or(i64::MAX);
        here.saturating_sub(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}
