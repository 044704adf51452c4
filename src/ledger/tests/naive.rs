//! A naive ledger that keeps every recipient and every arrival in lists.

use std::collections::{BTreeMap, BTreeSet};

use strum::EnumCount as _;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ConnectionState {
    Vacant,
    Opening,
    Connected,
    Closing,
}

#[derive(Debug)]
pub(super) struct Letter {
    pub(super) sender: u32,
    pub(super) sending_user: u32,
    pub(super) intended: u64,
    /// When its verdict is passed; verdicts are passed in the order of the numbers.
    pub(super) due: u64,
    /// Connections that should receive it, with their verdict once there is one.
    pub(super) expected: BTreeMap<u32, Option<Outcome>>,
    /// Connections that may receive it without expecting it.
    pub(super) raced: BTreeSet<u32>,
    /// Connections opened later, before any connection had received it.
    pub(super) in_flight: BTreeSet<u32>,
    /// Connections that should receive it and have read it damaged.
    pub(super) damaged: BTreeSet<u32>,
    /// Connections on which it has arrived for the first time, in whatever way.
    pub(super) arrived: BTreeSet<u32>,
    /// Number of receipts up to its verdict.
    pub(super) receipts: u32,
    pub(super) any_receipt: Option<()>,
    pub(super) cut: bool,
    /// Whether the server refused it.
    pub(super) refused: bool,
}

/// The model. Connections have their own ids here; `connection[user]` is the current one.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) rules: DeliveryRules,
    pub(super) now: u64,
    /// When the wait was over.
    pub(super) stopped: Option<u64>,
    pub(super) next_connection: u32,
    pub(super) connections: BTreeMap<u32, (u32, ConnectionState)>,
    pub(super) letters: Vec<Letter>,
    /// When the close of each user's current connection began.
    pub(super) gone: BTreeMap<u32, u64>,
    pub(super) arrivals: BTreeMap<u32, Vec<usize>>,
    pub(super) anomalies: BTreeMap<&'static str, u64>,
    pub(super) raced: u64,
    pub(super) foreign: u64,
}

impl Model {
    pub(super) fn new(rules: DeliveryRules) -> Self {
        Self {
            rules,
            now: 0,
            stopped: None,
            next_connection: 0,
            connections: BTreeMap::new(),
            letters: Vec::new(),
            gone: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            anomalies: BTreeMap::new(),
            raced: 0,
            foreign: 0,
        }
    }

    pub(super) fn connection(&self, user: u32) -> (u32, ConnectionState) {
        self.connections.get(&user).copied().unwrap_or((u32::MAX, ConnectionState::Vacant))
    }

    /// The time up to which verdicts are passed.
    pub(super) fn judged_at(&self) -> u64 {
        self.stopped.map_or(self.now, |stopped| stopped.min(self.now))
    }

    pub(super) fn odd(&mut self, what: Anomaly) {
        *self.anomalies.entry(what.as_str()).or_default() += 1;
    }

    pub(super) fn end(&mut self, user: u32, why: DisconnectCause) {
        let (connection, _) = self.connection(user);
        let gone = self.gone.remove(&user).unwrap_or(self.now);
        let (judged_at, excuses) = (self.judged_at(), self.stopped.is_none_or(|stopped| gone < stopped));
        for letter in &mut self.letters {
            let verdict_due = judged_at >= letter.due;
            let damaged = letter.damaged.contains(&connection) && !letter.arrived.contains(&connection) && !verdict_due;
            let over = damaged || gone > letter.intended + 60_000;
            if !over && !excuses {
                continue;
            }
            if letter.sender == connection && letter.receipts == 0 && !verdict_due && !over {
                letter.cut = true;
            }
            let lost = if letter.cut && letter.receipts == 0 { Outcome::ExcusedSenderCut } else { Outcome::Lost };
            if let Some(verdict) = letter.expected.get_mut(&connection)
                && verdict.is_none()
                && !verdict_due
            {
                *verdict = Some(if over { lost } else { why.outcome() });
            }
        }
        self.connections.insert(user, (u32::MAX, ConnectionState::Vacant));
    }

    pub(super) fn send(&mut self, user: u32, intended: u64) {
        let (connection, _) = self.connection(user);
        let with = |want: ConnectionState| self.connections.values().filter(move |(_, s)| *s == want).map(|(c, _)| *c);
        let letter = Letter {
            sender: connection,
            sending_user: user,
            intended,
            due: self.letters.last().map_or(0, |l| l.due).max(intended + 61_000),
            expected: with(ConnectionState::Connected)
                .filter(|c| self.rules.echo || *c != connection)
                .map(|c| (c, None))
                .collect(),
            raced: with(ConnectionState::Opening).chain(with(ConnectionState::Closing)).collect(),
            in_flight: BTreeSet::new(),
            damaged: BTreeSet::new(),
            arrived: BTreeSet::new(),
            receipts: 0,
            any_receipt: None,
            cut: false,
            refused: false,
        };
        self.letters.push(letter);
    }

    /// Excuses the open deliveries of the user's newest message.
    pub(super) fn refuse(&mut self, user: u32) {
        let judged_at = self.judged_at();
        let Some(letter) = self.letters.iter_mut().rev().find(|letter| letter.sending_user == user) else { return };
        if judged_at >= letter.due {
            return;
        }
        letter.refused = true;
        letter.damaged.clear();
        letter.expected.values_mut().for_each(|verdict| {
            verdict.get_or_insert(Outcome::ExcusedRefused);
        });
    }

    pub(super) fn arrive(&mut self, user: u32, index: usize) {
        let (connection, _) = self.connection(user);
        let (now, judged_at) = (self.now, self.judged_at());
        let letter = &mut self.letters[index];
        // An arrival after the verdict does not change it.
        letter.receipts += u32::from(judged_at < letter.due);
        letter.any_receipt = Some(());
        let expected = letter.expected.contains_key(&connection);
        let in_flight = letter.in_flight.contains(&connection) && judged_at < letter.due;
        if !expected && !in_flight && !letter.raced.contains(&connection) {
            return self.odd(Anomaly::Unexpected);
        }
        if !letter.arrived.insert(connection) {
            return self.odd(Anomaly::Duplicate);
        }
        let sender = letter.sending_user;
        let intended = letter.intended;
        let before = self.arrivals.entry(connection).or_default();
        let overtaken =
            self.rules.ordered && before.iter().any(|i| *i > index && self.letters[*i].sending_user == sender);
        before.push(index);
        if !expected {
            self.raced += 1;
            return;
        }
        if self.letters[index].refused {
            return self.odd(Anomaly::Unexpected);
        }
        let age = now - intended;
        if age > 60_000 {
            if judged_at < self.letters[index].due {
                self.letters[index].expected.insert(connection, Some(Outcome::Lost));
            }
            return self.odd(Anomaly::Unexpected);
        }
        let verdict = if age <= 10_000 { Outcome::OnTime } else { Outcome::Late };
        self.letters[index].expected.insert(connection, Some(verdict));
        if overtaken {
            self.odd(Anomaly::Reordered);
        }
    }

    /// Takes a damaged copy that is legible enough to identify the message.
    pub(super) fn damage(&mut self, user: u32, index: usize) {
        let (connection, _) = self.connection(user);
        let due = self.judged_at() >= self.letters[index].due;
        let letter = &mut self.letters[index];
        letter.any_receipt = Some(());
        letter.receipts += u32::from(!due);
        if letter.expected.contains_key(&connection) && !letter.refused {
            letter.damaged.insert(connection);
        }
    }

    /// Outcomes after all verdicts that are due.
    pub(super) fn outcomes(&self) -> [u64; Outcome::COUNT] {
        self.outcomes_of(|_| true)
    }

    /// Expected deliveries and outcomes by cell.
    pub(super) fn by_cell(&self) -> BTreeMap<u64, (u64, [u64; Outcome::COUNT])> {
        let cell = |letter: &Letter| super::cells::start(letter.intended);
        let starts: BTreeSet<u64> = self.letters.iter().map(cell).collect();
        let of = |start: u64| {
            let letters = self.letters.iter().filter(|letter| cell(letter) == start);
            (letters.map(|letter| letter.expected.len() as u64).sum(), self.outcomes_of(|letter| cell(letter) == start))
        };
        starts.into_iter().map(|start| (start, of(start))).filter(|(_, counts)| counts.0 > 0).collect()
    }

    fn outcomes_of(&self, which: impl Fn(&Letter) -> bool) -> [u64; Outcome::COUNT] {
        let mut counts = [0; Outcome::COUNT];
        for letter in self.letters.iter().filter(|letter| which(letter)) {
            let due = self.judged_at() >= letter.due;
            let missing = if letter.cut && letter.receipts == 0 { Outcome::ExcusedSenderCut } else { Outcome::Lost };
            for verdict in letter.expected.values() {
                if let Some(outcome) = verdict.or(due.then_some(missing)) {
                    counts[outcome as usize] += 1;
                }
            }
        }
        counts
    }
}
