//! A naive model that keeps every recipient and every arrival in lists, and the property
//! that the ledger agrees with it, and balances, on arbitrary histories.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const USERS: u32 = 5;

#[derive(Debug, Clone)]
enum Op {
    Open(u32),
    Connect(u32),
    Close(u32),
    End(u32, DisconnectCause),
    Send(u32, u64),
    /// Deliver the message `back` places before the newest.
    Arrive(u32, usize),
    /// Deliver it damaged; what is left of its marker, see [`Left`].
    Damage(u32, usize, Left),
    /// History comes on a connection.
    Replay(u32),
    /// Deliver a chat of another run (`true`), or of another room of this one.
    Stray(u32, bool),
    Pass(u64),
    Sweep,
    /// Nobody waits any longer.
    Stop,
}

/// What can be read of a damaged message.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// All of its marker.
    All,
    /// All but its intended time.
    Number,
    /// All of its marker, but not its sender.
    NoSender,
    Nothing,
}

fn op() -> impl Strategy<Value = Op> {
    let user = 0..USERS;
    let excuse =
        prop_oneof![Just(DisconnectCause::Left), Just(DisconnectCause::Server), Just(DisconnectCause::Network)];
    let left = prop::sample::select(vec![Left::All, Left::Number, Left::NoSender, Left::Nothing]);
    prop_oneof![
        2 => user.clone().prop_map(Op::Open),
        3 => user.clone().prop_map(Op::Connect),
        1 => user.clone().prop_map(Op::Close),
        1 => (user.clone(), excuse).prop_map(|(u, e)| Op::End(u, e)),
        4 => (user.clone(), 0..2_000_u64).prop_map(|(u, ago)| Op::Send(u, ago)),
        4 => (user.clone(), 0..12_usize, left).prop_map(|(u, back, left)| Op::Damage(u, back, left)),
        1 => (user.clone(), any::<bool>()).prop_map(|(u, foreign)| Op::Stray(u, foreign)),
        1 => user.clone().prop_map(Op::Replay),
        16 => (user, 0..12_usize).prop_map(|(u, back)| Op::Arrive(u, back)),
        4 => prop_oneof![0..100_u64, 5_000..20_000_u64, 50_000..130_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Sweep),
    ]
}

/// What can still happen once nobody waits any longer.
fn last_op() -> impl Strategy<Value = Op> {
    op().prop_filter("nobody sends or comes any more", |op| !matches!(op, Op::Open(_) | Op::Connect(_) | Op::Send(..)))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum ConnectionState {
    Vacant,
    Opening,
    Connected,
    Closing,
}

#[derive(Debug)]
struct Letter {
    sender: u32,
    sending_user: u32,
    intended: u64,
    /// When its verdict falls: verdicts fall in the order of the numbers.
    due: u64,
    /// Connections that should get it, with their verdict once there is one.
    expected: BTreeMap<u32, Option<Outcome>>,
    /// Connections that may have got it without being expected to.
    raced: BTreeSet<u32>,
    /// Connections opened later, while nobody had received it.
    in_flight: BTreeSet<u32>,
    /// Connections that should get it and have read it damaged.
    damaged: BTreeSet<u32>,
    /// Connections it has arrived on, in any way that counts as a first arrival.
    arrived: BTreeSet<u32>,
    /// Receipts up to its verdict, and whether there was ever one.
    receipts: u32,
    any_receipt: Option<()>,
    cut: bool,
}

/// Connections have ids of their own here; `connection[user]` is the present one.
#[derive(Debug)]
struct Model {
    rules: DeliveryRules,
    now: u64,
    /// When nobody waited any longer.
    stopped: Option<u64>,
    next_connection: u32,
    connections: BTreeMap<u32, (u32, ConnectionState)>,
    letters: Vec<Letter>,
    /// When the close of each user's present connection began.
    gone: BTreeMap<u32, u64>,
    arrivals: BTreeMap<u32, Vec<usize>>,
    anomalies: BTreeMap<&'static str, u64>,
    raced: u64,
    foreign: u64,
}

impl Model {
    fn new(rules: DeliveryRules) -> Self {
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

    fn connection(&self, user: u32) -> (u32, ConnectionState) {
        self.connections.get(&user).copied().unwrap_or((u32::MAX, ConnectionState::Vacant))
    }

    /// The time up to which verdicts fall.
    fn judged_at(&self) -> u64 {
        self.stopped.map_or(self.now, |stopped| stopped.min(self.now))
    }

    fn odd(&mut self, what: Anomaly) {
        *self.anomalies.entry(what.as_str()).or_default() += 1;
    }

    fn end(&mut self, user: u32, why: DisconnectCause) {
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

    fn send(&mut self, user: u32, intended: u64) {
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
        };
        self.letters.push(letter);
    }

    fn arrive(&mut self, user: u32, index: usize) {
        let (connection, _) = self.connection(user);
        let (now, judged_at) = (self.now, self.judged_at());
        let letter = &mut self.letters[index];
        // What comes after the verdict does not change it.
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

    /// A copy that could be read well enough to know which message it is.
    fn damage(&mut self, user: u32, index: usize) {
        let (connection, _) = self.connection(user);
        let due = self.judged_at() >= self.letters[index].due;
        let letter = &mut self.letters[index];
        letter.any_receipt = Some(());
        letter.receipts += u32::from(!due);
        if letter.expected.contains_key(&connection) {
            letter.damaged.insert(connection);
        }
    }

    /// Outcomes once every verdict that is due has fallen.
    fn outcomes(&self) -> [u64; 7] {
        let mut counts = [0; 7];
        for letter in &self.letters {
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

/// Applies one step to both; steps that make no sense in the present state are passed over.
fn apply(op: &Op, model: &mut Model, ledger: &mut Ledger, sent: &mut Vec<(u32, Marker)>) {
    let stamp = Stamp::default().plus(Duration::from_millis(model.now));
    let state = |u: u32| model.connection(u).1;
    match *op {
        Op::Open(u) if state(u) == ConnectionState::Vacant => {
            model.next_connection += 1;
            let connection = model.next_connection;
            for letter in model.letters.iter_mut().filter(|l| l.any_receipt.is_none()) {
                letter.in_flight.insert(connection);
            }
            model.connections.insert(u, (connection, ConnectionState::Opening));
            ledger.opening(UserIndex(u));
        }
        Op::Connect(u) if state(u) == ConnectionState::Opening => {
            model.connections.insert(u, (model.connection(u).0, ConnectionState::Connected));
            ledger.connected(UserIndex(u), stamp);
        }
        Op::Close(u) if state(u) == ConnectionState::Connected => {
            model.connections.insert(u, (model.connection(u).0, ConnectionState::Closing));
            model.gone.insert(u, model.now);
            ledger.closing(UserIndex(u), stamp);
        }
        Op::End(u, why) if state(u) != ConnectionState::Vacant => {
            ledger.sweep(stamp);
            model.end(u, why);
            ledger.ended(UserIndex(u), why, stamp);
        }
        Op::Send(u, ago) if state(u) == ConnectionState::Connected => {
            let intended = model.now.saturating_sub(ago);
            model.send(u, intended);
            let intended = Stamp::default().plus(Duration::from_millis(intended));
            sent.push((u, ledger.record_send(UserIndex(u), intended, stamp).marker));
        }
        Op::Arrive(u, back) if state(u) != ConnectionState::Vacant => {
            let Some(index) = sent.len().checked_sub(back + 1) else { return };
            // Forgotten messages are the ledger's own affair; the model forgets nothing.
            if model.now > model.letters[index].intended + 110_000 {
                return;
            }
            ledger.sweep(stamp);
            model.arrive(u, index);
            let (sender, marker) = sent[index];
            ledger.receive(UserIndex(u), id(UserIndex(sender)), Decoded::Intact(marker), stamp);
        }
        Op::Damage(u, back, left) if state(u) != ConnectionState::Vacant => {
            let Some(index) = sent.len().checked_sub(back + 1) else { return };
            if model.now > model.letters[index].intended + 110_000 {
                return;
            }
            ledger.sweep(stamp);
            let (sender, marker) = sent[index];
            let sender = id(UserIndex(sender));
            let (from, read) = match left {
                Left::All => (sender, Some(marker)),
                Left::Number => (sender, Some(Marker { intended_micros: 0, ..marker })),
                Left::NoSender => (SenderId::NONE, Some(marker)),
                Left::Nothing => (sender, None),
            };
            // Where nothing tells whose it was, it is not one of ours.
            if read.is_some() || model.rules.senders {
                model.odd(Anomaly::Corrupt);
            } else {
                model.foreign += 1;
            }
            if read.is_some() {
                model.damage(u, index);
            }
            ledger.receive(UserIndex(u), from, Decoded::Corrupt(read), stamp);
        }
        Op::Replay(u) if state(u) != ConnectionState::Vacant => ledger.replayed(stamp),
        Op::Stray(u, foreign) if state(u) != ConnectionState::Vacant => {
            let Some((sender, marker)) = sent.last().copied() else { return };
            let stray = if foreign {
                model.foreign += 1;
                Marker { run: RunTag(9), ..marker }
            } else {
                model.odd(Anomaly::Unexpected);
                Marker { room: RoomTag(9), ..marker }
            };
            ledger.receive(UserIndex(u), id(UserIndex(sender)), Decoded::Intact(stray), stamp);
        }
        Op::Pass(ms) => model.now += ms,
        Op::Sweep => ledger.sweep(stamp),
        Op::Stop => {
            model.stopped = Some(model.now);
            ledger.close(stamp);
        }
        _ => {}
    }
}

fn balances(ledger: &Ledger) -> bool {
    let t = ledger.tally().origin(Origin::Local);
    t.expected == t.decided() + ledger.outstanding()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_and_agree_with_the_model(
        ops in prop::collection::vec(op(), 0..300),
        end in prop_oneof![Just(Vec::new()), prop::collection::vec(last_op(), 0..40)],
        [echo, ordered, senders] in any::<[bool; 3]>(),
    ) {
        let rules = DeliveryRules { echo, ordered, senders };
        let (mut model, mut ledger, mut sent) =
            (Model::new(rules), super::ledger_by(rules, USERS), Vec::new());
        let stop = (!end.is_empty()).then_some(Op::Stop);
        ledger.keep_notes();
        for op in ops.iter().chain(&stop).chain(&end) {
            apply(op, &mut model, &mut ledger, &mut sent);
            prop_assert!(balances(&ledger), "after {op:?}");
        }
        ledger.sweep(Stamp::default().plus(Duration::from_millis(model.now)));
        prop_assert!(balances(&ledger));
        let tally = ledger.tally().origin(Origin::Local);
        prop_assert_eq!(tally.outcomes, model.outcomes());
        prop_assert_eq!(tally.raced, model.raced);
        prop_assert_eq!(ledger.tally().foreign, model.foreign);
        for anomaly in Anomaly::ALL {
            let want = model.anomalies.get(anomaly.as_str()).copied().unwrap_or(0);
            prop_assert_eq!(tally.anomaly(*anomaly), want, "{:?}", anomaly);
        }
        super::evidence::is_complete(&mut ledger)?;
    }

    #[test]
    fn what_is_over_is_forgotten(ops in prop::collection::vec(op(), 0..200)) {
        let (mut model, mut ledger, mut sent) = (Model::new(DeliveryRules::ALL), super::ledger(USERS), Vec::new());
        for op in &ops {
            apply(op, &mut model, &mut ledger, &mut sent);
        }
        ledger.sweep(Stamp::default().plus(Duration::from_millis(model.now + 130_000)));
        prop_assert_eq!((ledger.remembered(), ledger.outstanding()), (0, 0));
        prop_assert!(balances(&ledger));
    }
}
