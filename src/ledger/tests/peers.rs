//! Another generator's messages against a naive model on arbitrary histories: it keeps all numbers and all
//! reads in lists, and applies the rules of `docs/ledger.md`, "Other generators", to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use strum::EnumCount;

use super::cells::Taken;
use super::*;

const USERS: u32 = 4;
/// The number that is read first; lower ones may arrive later.
const FIRST: usize = 6;
/// Histories end before the estimate of the clocks' offset, which is 0 from the start, is forgotten.
const LAST: u64 = 115_000;

#[derive(Debug, Clone)]
enum Op {
    Open(u32),
    Connect(u32),
    Close(u32),
    End(u32, DisconnectCause),
    /// The other generator numbers a message.
    Send,
    /// One of its messages, counted back from the newest, arrives on a connection, whole or damaged.
    Arrive(u32, usize),
    Damage(u32, usize),
    Pass(u64),
    /// This generator begins to stop.
    Stop,
}

fn op() -> impl Strategy<Value = Op> {
    let user = 0..USERS;
    let why = prop_oneof![Just(DisconnectCause::Left), Just(DisconnectCause::Server), Just(DisconnectCause::Network)];
    prop_oneof![
        20 => user.clone().prop_map(Op::Open),
        20 => user.clone().prop_map(Op::Connect),
        6 => user.clone().prop_map(Op::Close),
        10 => (user.clone(), why).prop_map(|(user, why)| Op::End(user, why)),
        60 => Just(Op::Send),
        160 => (user.clone(), 0..12_usize).prop_map(|(user, back)| Op::Arrive(user, back)),
        20 => (user, 0..12_usize).prop_map(|(user, back)| Op::Damage(user, back)),
        20 => prop_oneof![0..100_u64, 3_000..15_000_u64, 50_000..70_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Stop),
    ]
}

/// A connection, by its index in the order of openings.
type Connection = usize;

#[derive(Debug)]
struct PeerModel {
    rules: DeliveryRules,
    now: u64,
    stopped: bool,
    /// When each number was issued.
    intended: Vec<u64>,
    /// Each user's current connection.
    present: BTreeMap<u32, Connection>,
    /// When each connection joined, if it did.
    joined: Vec<Option<u64>>,
    /// The known numbers.
    known: Range<usize>,
    noticed: Vec<(usize, u64)>,
    /// Each number read, damaged or not, with the number of connections opened by then.
    read_when: Vec<(usize, usize)>,
    /// Whole first arrivals.
    arrived: BTreeSet<(Connection, usize)>,
    read: Vec<(Connection, usize, bool)>,
    damaged: BTreeSet<(Connection, usize)>,
    judged: BTreeSet<usize>,
    outcomes: [u64; Outcome::COUNT],
    /// When each number became known.
    known_at: BTreeMap<usize, u64>,
    whole: BTreeSet<usize>,
    /// Expected deliveries and outcomes by the five seconds in which messages were intended.
    by_cell: BTreeMap<u64, (u64, [u64; Outcome::COUNT])>,
    anomalies: [u64; Anomaly::COUNT],
    raced: u64,
}

impl PeerModel {
    /// A model in which all users have joined and nothing was read.
    fn new(rules: DeliveryRules) -> Self {
        Self {
            rules,
            now: 0,
            stopped: false,
            intended: vec![0; FIRST + 1],
            present: (0..USERS).zip(0..).collect(),
            joined: vec![Some(0); USERS as usize],
            known: FIRST..FIRST,
            noticed: Vec::new(),
            read_when: Vec::new(),
            arrived: BTreeSet::new(),
            read: Vec::new(),
            damaged: BTreeSet::new(),
            judged: BTreeSet::new(),
            outcomes: [0; Outcome::COUNT],
            known_at: BTreeMap::new(),
            whole: BTreeSet::new(),
            by_cell: BTreeMap::new(),
            anomalies: [0; Anomaly::COUNT],
            raced: 0,
        }
    }

    /// Numbers between two that the connection has read, the lower of which it certainly expected.
    fn between(&self, connection: Connection) -> Range<usize> {
        let of = |expected: bool| {
            self.read.iter().filter(move |(c, _, certain)| *c == connection && (*certain || !expected)).map(|r| r.1)
        };
        match (of(true).min(), of(false).max()) {
            (Some(low), Some(high)) => (low + 1).min(high)..high,
            _ => 0..0,
        }
    }

    fn count(&mut self, seq: usize, outcome: Outcome, n: u64) {
        let at = if self.whole.contains(&seq) { self.intended[seq] } else { self.known_at[&seq] };
        if n > 0 {
            let cell = self.by_cell.entry(super::cells::start(at)).or_default();
            cell.0 += n;
            cell.1[outcome as usize] += n;
            self.outcomes[outcome as usize] += n;
        }
    }

    fn odd(&mut self, what: Anomaly) {
        self.anomalies[what as usize] += 1;
    }

    fn arrive(&mut self, connection: Connection, seq: usize) {
        if !self.known.contains(&seq) {
            if self.stopped {
                self.raced += 1;
                return;
            }
            if seq < self.known.start && self.now > 60_000 {
                return self.odd(Anomaly::Unexpected);
            }
            self.known = self.known.start.min(seq)..self.known.end.max(seq + 1);
            for known in self.known.clone() {
                self.known_at.entry(known).or_insert(self.now);
            }
        }
        self.whole.insert(seq);
        self.noticed.push((seq, self.now));
        let before_it = self.read_when.iter().any(|(read, openings)| *read == seq && *openings <= connection);
        self.read_when.push((seq, self.joined.len()));
        if before_it {
            return self.odd(Anomaly::Unexpected);
        }
        if !self.arrived.insert((connection, seq)) {
            return self.odd(Anomaly::Duplicate);
        }
        if self.judged.contains(&seq) {
            return self.odd(Anomaly::Unexpected);
        }
        let later = |(c, other, _): &(Connection, usize, bool)| {
            *c == connection && *other > seq && sender(*other) == sender(seq)
        };
        let overtaken = self.rules.ordered && self.rules.senders && self.read.iter().any(later);
        let expected = self.joined[connection].is_some_and(|joined| joined <= self.intended[seq]);
        self.read.push((connection, seq, expected));
        if !expected {
            self.raced += 1;
            return;
        }
        let age = self.now - self.intended[seq];
        let outcome = match age {
            0..=10_000 => Outcome::OnTime,
            10_001..=60_000 => Outcome::Late,
            _ => Outcome::Lost,
        };
        self.count(seq, outcome, 1);
        match outcome {
            Outcome::Lost => self.odd(Anomaly::Unexpected),
            _ if overtaken => self.odd(Anomaly::Reordered),
            _ => {}
        }
    }

    fn damage(&mut self, connection: Connection, seq: usize) {
        self.odd(Anomaly::Corrupt);
        if self.known.contains(&seq) {
            if self.judged.contains(&seq) || self.arrived.contains(&(connection, seq)) {
                return;
            }
            self.read_when.push((seq, self.joined.len()));
        }
        if seq >= self.known.start {
            self.damaged.insert((connection, seq));
        }
    }

    fn end(&mut self, user: u32, why: DisconnectCause) {
        let Some(connection) = self.present.remove(&user) else { return };
        for seq in self.between(connection) {
            if self.judged.contains(&seq) || self.arrived.contains(&(connection, seq)) {
                continue;
            }
            let outcome = if self.damaged.contains(&(connection, seq)) { Outcome::Lost } else { why.outcome() };
            self.count(seq, outcome, 1);
        }
    }

    /// Passes verdicts, one horizon and a second after a number this high was first read.
    fn sweep(&mut self) {
        for seq in self.known.clone() {
            let noticed = self.noticed.iter().filter(|(read, _)| *read >= seq).map(|(_, at)| *at).min();
            if noticed.is_none_or(|noticed| self.now < noticed + 61_000) || !self.judged.insert(seq) {
                continue;
            }
            let missing = |connection: &&Connection| {
                self.between(**connection).contains(&seq) && !self.arrived.contains(&(**connection, seq))
            };
            let lost = self.present.values().filter(missing).count() as u64;
            self.count(seq, Outcome::Lost, lost);
        }
    }
}

/// The sender of a message of the other generator, one of two.
fn sender(seq: usize) -> SenderId {
    SenderId::number(900 + seq as u64 % 2)
}

fn stamp(model: &PeerModel) -> Stamp {
    Stamp::default().plus(Duration::from_millis(model.now))
}

fn marker(model: &PeerModel, seq: usize) -> Marker {
    let intended_micros = identity().origin_micros + model.intended[seq] * 1_000;
    Marker { run: RunTag(1), room: ROOM, generator: GeneratorTag(77), seq: seq as u64, intended_micros }
}

/// A model and a ledger in which the first number has been read and the clocks agree.
fn begin(rules: DeliveryRules) -> (PeerModel, Ledger) {
    let (mut model, mut ledger) = (PeerModel::new(rules), room_by(rules, USERS));
    ledger.keep_notes();
    let own = send(&mut ledger, B, 0.0);
    arrive(&mut ledger, A, B, own, 0.0);
    read(&mut model, &mut ledger, 0, FIRST);
    (model, ledger)
}

fn read(model: &mut PeerModel, ledger: &mut Ledger, user: u32, seq: usize) {
    let Some(connection) = model.present.get(&user).copied() else { return };
    ledger.receive(UserIndex(user), sender(seq), Decoded::Intact(marker(model, seq)), stamp(model));
    model.arrive(connection, seq);
}

/// Applies one step to both; steps that make no sense in the present state are passed over.
fn apply(op: &Op, model: &mut PeerModel, ledger: &mut Ledger) {
    // No two things happen at the same time, just as with nanosecond clocks.
    model.now += 1;
    let at = stamp(model);
    ledger.sweep(at);
    model.sweep();
    let present = |user: u32| model.present.get(&user).copied();
    match *op {
        Op::Open(user) if present(user).is_none() => {
            model.present.insert(user, model.joined.len());
            model.joined.push(None);
            ledger.opening(UserIndex(user));
        }
        Op::Connect(user) if present(user).is_some_and(|connection| model.joined[connection].is_none()) => {
            model.joined[model.present[&user]] = Some(model.now);
            ledger.connected(UserIndex(user), at);
        }
        Op::Close(user) => ledger.closing(UserIndex(user), at),
        Op::End(user, why) => {
            model.end(user, why);
            ledger.ended(UserIndex(user), why, at);
        }
        Op::Send => model.intended.push(model.now),
        Op::Arrive(user, back) => {
            if let Some(seq) = model.intended.len().checked_sub(back + 1) {
                read(model, ledger, user, seq);
            }
        }
        Op::Damage(user, back) => {
            let Some((connection, seq)) = present(user).zip(model.intended.len().checked_sub(back + 1)) else { return };
            ledger.receive(UserIndex(user), sender(seq), Decoded::Corrupt(Some(marker(model, seq))), at);
            model.damage(connection, seq);
        }
        Op::Pass(ms) => model.now = (model.now + ms).min(LAST.max(model.now)),
        Op::Stop => {
            model.stopped = true;
            ledger.stop();
        }
        Op::Open(_) | Op::Connect(_) => {}
    }
}

fn agrees(model: &PeerModel, ledger: &Ledger) -> Result<(), TestCaseError> {
    let counts = ledger.counts(Origin::Remote);
    prop_assert!(counts.balances());
    prop_assert_eq!(counts.outcomes, model.outcomes);
    prop_assert_eq!(counts.anomalies, model.anomalies);
    prop_assert_eq!(counts.raced, model.raced);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn messages_of_another_generator_agree_with_the_model(
        ops in prop::collection::vec(op(), 0..150),
        [ordered, senders] in any::<[bool; 2]>(),
    ) {
        let (mut model, mut ledger) = begin(DeliveryRules { echo: true, ordered, senders });
        let mut cells = Taken::default();
        for op in &ops {
            apply(op, &mut model, &mut ledger);
            agrees(&model, &ledger)?;
            if matches!(op, Op::End(..)) {
                cells.take(&mut ledger, model.now)?;
                cells.sum_to_the_counts(&ledger)?;
            }
        }
        model.now += 130_000;
        model.sweep();
        ledger.sweep(stamp(&model));
        agrees(&model, &ledger)?;
        cells.sum_to_the_counts(&ledger)?;
        prop_assert_eq!(cells.outcomes(&ledger, Origin::Remote), model.by_cell);
        prop_assert!(ledger.is_settled());
        super::evidence::is_complete(&mut ledger)?;
    }
}

/// The property is meaningful only if every kind of count occurs.
#[test]
fn histories_reach_every_outcome_and_every_anomaly() {
    let mut runner = TestRunner::deterministic();
    let (mut outcomes, mut anomalies, mut raced) = ([0; Outcome::COUNT], [0; Anomaly::COUNT], 0);
    for _ in 0..100 {
        let ops = prop::collection::vec(op(), 100..150).new_tree(&mut runner).unwrap().current();
        let (mut model, mut ledger) = begin(DeliveryRules::ALL);
        ops.iter().for_each(|op| apply(op, &mut model, &mut ledger));
        outcomes.iter_mut().zip(model.outcomes).for_each(|(all, n)| *all += n);
        anomalies.iter_mut().zip(model.anomalies).for_each(|(all, n)| *all += n);
        raced += model.raced;
    }
    let senders_own = [Outcome::ExcusedSenderCut, Outcome::ExcusedRefused];
    for outcome in Outcome::ALL {
        let is_known = !senders_own.contains(outcome);
        assert_eq!(outcomes[*outcome as usize] > 0, is_known, "{outcome:?} of {outcomes:?}");
    }
    assert!(anomalies.iter().all(|n| *n > 0) && raced > 0, "{anomalies:?} {raced}");
}
