//! Many rooms in one ledger against one ledger per room: the sums agree on arbitrary histories.

use hdrhistogram::Histogram;
use proptest::prelude::*;
use strum::EnumCount as _;

use super::*;
use crate::model::{Basis, DeliveryCounts, SpoiltBy, delivery_times};

/// Users of each room; the first two of each are always connected.
const SIZES: [u32; 3] = [4, 3, 5];

#[derive(Debug, Clone)]
enum Op {
    /// A user ends its connection, if it has one, and reconnects at once.
    Return(usize, u32, DisconnectCause),
    Close(usize, u32),
    Send(usize, u32, u64),
    /// A message, counted back from the newest of the room, arrives whole or damaged.
    Arrive(usize, u32, usize, bool),
    /// The newest message of a room arrives in another.
    Leak(usize, usize, u32),
    /// Another generator's message arrives: room, user, number, age in milliseconds, and whether it is whole.
    Peer(usize, u32, u64, u64, bool),
    /// Time passes, in milliseconds.
    Pass(u64),
    Window(Option<SpoiltBy>),
    Stop,
    Settle,
}

impl Op {
    /// After the stop there is no news of others' clocks, so shorten waits to keep the estimates.
    fn shortened(self) -> Self {
        if let Self::Pass(ms) = self { Self::Pass(ms % 1_000) } else { self }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let (room, user) = (0..SIZES.len(), 0..5_u32);
    let cause = prop::sample::select(vec![DisconnectCause::Left, DisconnectCause::Server, DisconnectCause::Network]);
    let age = prop_oneof![4 => 1..50_u64, 1 => 9_000..70_000_u64];
    let bad = prop_oneof![3 => Just(None), 1 => Just(Some(SpoiltBy::ReadDelay))];
    prop_oneof![
        3 => (room.clone(), user.clone(), cause).prop_map(|(r, u, why)| Op::Return(r, u, why)),
        1 => (room.clone(), user.clone()).prop_map(|(r, u)| Op::Close(r, u)),
        8 => (room.clone(), user.clone(), 0..3_000_u64).prop_map(|(r, u, ago)| Op::Send(r, u, ago)),
        24 => (room.clone(), user.clone(), 0..6_usize, prop::bool::weighted(0.1)).prop_map(|(r, u, n, d)| Op::Arrive(r, u, n, d)),
        2 => (room.clone(), room.clone(), user.clone()).prop_map(|(r, s, u)| Op::Leak(r, s, u)),
        12 => (room, user, 0..20_u64, age, prop::bool::weighted(0.1)).prop_map(|(r, u, n, age, d)| Op::Peer(r, u, n, age, d)),
        5 => prop_oneof![0..300_u64, 5_000..70_000_u64].prop_map(Op::Pass),
        1 => bad.prop_map(Op::Window),
    ]
}

/// One ledger of all rooms, and one ledger per room.
struct Pair {
    whole: Ledger,
    apart: Vec<Ledger>,
    sent: Vec<Vec<(UserIndex, Marker)>>,
    /// The next number of another generator, by room.
    peer: [u64; SIZES.len()],
    now: u64,
}

pub(super) fn tag(room: usize) -> RoomTag {
    RoomTag(10 + u32::try_from(room).unwrap())
}

/// A room's user among all users.
fn among_all(room: usize, user: u32) -> UserIndex {
    UserIndex(SIZES[..room].iter().sum::<u32>() + user)
}

impl Pair {
    fn new(rules: DeliveryRules) -> Self {
        let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
        let shares: Vec<RoomShare> =
            SIZES.iter().enumerate().map(|(room, users)| RoomShare { tag: tag(room), users: *users }).collect();
        let mut pair = Self {
            whole: Ledger::new(terms, rules, identity(), &shares),
            apart: shares.iter().map(|share| Ledger::new(terms, rules, identity(), &[*share])).collect(),
            sent: vec![Vec::new(); SIZES.len()],
            peer: [0; SIZES.len()],
            now: 0,
        };
        for (room, users) in SIZES.iter().enumerate() {
            for user in 0..*users {
                let name = id(among_all(room, user));
                pair.of(room, user, |ledger, user| ledger.introduce(user, name));
                pair.come_back(room, user, DisconnectCause::Left);
            }
        }
        pair.all(|ledger| {
            ledger.keep_notes();
            ledger.look_for_stalls(Duration::from_millis(500), at(0.0));
            ledger.hold_begins(at(0.0));
        });
        pair.refresh();
        pair
    }

    fn at(&self) -> Stamp {
        Stamp::default().plus(Duration::from_millis(self.now))
    }

    /// Does the same for a user in both.
    fn of<T: PartialEq + std::fmt::Debug>(
        &mut self,
        room: usize,
        user: u32,
        act: impl Fn(&mut Ledger, UserIndex) -> T,
    ) -> T {
        let whole = act(&mut self.whole, among_all(room, user));
        assert_eq!(whole, act(&mut self.apart[room], UserIndex(user)));
        whole
    }

    fn all(&mut self, act: impl Fn(&mut Ledger)) {
        act(&mut self.whole);
        self.apart.iter_mut().for_each(act);
    }

    fn come_back(&mut self, room: usize, user: u32, why: DisconnectCause) {
        let at = self.at();
        self.of(room, user, |ledger, user| {
            ledger.ended(user, why, at);
            ledger.opening(user);
            ledger.connected(user, at);
        });
    }

    fn send(&mut self, room: usize, user: u32, ago: u64) {
        let (now, intended) = (self.at(), self.at().minus(Duration::from_millis(ago)));
        let marker = self.of(room, user, |ledger, user| ledger.record_send(user, intended, now)).marker;
        assert_eq!((marker.room, marker.seq), (tag(room), self.sent[room].len() as u64));
        self.sent[room].push((among_all(room, user), marker));
    }

    fn receive(&mut self, room: usize, user: u32, from: SenderId, decoded: Decoded) {
        let at = self.at();
        self.of(room, user, |ledger, user| ledger.receive(user, from, decoded, at));
    }

    fn hear_peer(&mut self, room: usize, user: u32, seq: u64, age: u64, damaged: bool) {
        let Identity { run, origin_micros, .. } = identity();
        let intended_micros = (origin_micros + self.now * 1_000).saturating_sub(age * 1_000);
        let marker = Marker { run, room: tag(room), generator: GeneratorTag(77), seq, intended_micros };
        let decoded = if damaged { Decoded::Corrupt(Some(marker)) } else { Decoded::Intact(marker) };
        self.receive(room, user, SenderId::number(900), decoded);
    }

    /// Makes the fastest deliveries of each room take no time, so that all estimate the same offset.
    fn refresh(&mut self) {
        for room in 0..SIZES.len() {
            self.send(room, 0, 0);
            let (sender, marker) = *self.sent[room].last().unwrap();
            self.receive(room, 1, id(sender), Decoded::Intact(marker));
            self.peer[room] += 30;
            self.hear_peer(room, 0, self.peer[room], 0, false);
        }
    }

    fn apply(&mut self, op: &Op) {
        let at = self.at();
        let user = |room: usize, user: u32| user % SIZES[room];
        match *op {
            Op::Return(room, u, why) if user(room, u) > 1 => self.come_back(room, user(room, u), why),
            Op::Close(room, u) if user(room, u) > 1 => self.of(room, user(room, u), |l, user| l.closing(user, at)),
            Op::Return(..) | Op::Close(..) => {}
            Op::Send(room, u, ago) => self.send(room, user(room, u), ago),
            Op::Arrive(room, u, back, damaged) => {
                let Some((sender, marker)) = self.sent[room].iter().rev().nth(back).copied() else { return };
                let decoded = if damaged { Decoded::Corrupt(Some(marker)) } else { Decoded::Intact(marker) };
                self.receive(room, user(room, u), id(sender), decoded);
            }
            Op::Leak(from, to, u) => {
                let (sender, marker) = *self.sent[from].last().unwrap();
                self.receive(to, user(to, u), id(sender), Decoded::Intact(marker));
            }
            Op::Peer(room, u, seq, age, damaged) => {
                self.hear_peer(room, user(room, u), self.peer[room] + seq, age, damaged)
            }
            Op::Pass(ms) => {
                self.now += ms;
                let at = self.at();
                self.all(|ledger| ledger.sweep(at));
                self.refresh();
            }
            Op::Window(bad) => self.all(|ledger| ledger.window_over(bad.as_slice(), at)),
            Op::Stop => self.all(Ledger::stop),
            Op::Settle => self.all(|ledger| ledger.close(at)),
        }
        let at = self.at();
        self.all(|ledger| ledger.look(at));
    }

    fn sum(&self, figure: impl Fn(&Ledger) -> u64) -> u64 {
        self.apart.iter().map(figure).sum()
    }
}

/// The sum of histograms.
fn added(histograms: impl Iterator<Item = Histogram<u64>>) -> Histogram<u64> {
    histograms.fold(delivery_times(), |mut sum, one| {
        sum.add(&one).unwrap();
        sum
    })
}

fn agrees(pair: &Pair) -> Result<(), TestCaseError> {
    let (whole, apart) = (&pair.whole, &pair.apart);
    for origin in [Origin::Local, Origin::Remote] {
        let all: fn(&DeliveryCounts) -> Vec<u64> = |t| [&[t.expected, t.raced][..], &t.outcomes, &t.anomalies].concat();
        let judged = |l: &Ledger| {
            let DeliveryCounts { expected, outcomes, anomalies, .. } = l.judged(origin);
            [&[expected][..], &outcomes, &anomalies].concat()
        };
        let sums = |each: &dyn Fn(&Ledger) -> Vec<u64>| {
            let rows: Vec<Vec<u64>> = apart.iter().map(each).collect();
            (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum()).collect::<Vec<u64>>()
        };
        prop_assert_eq!(all(whole.tally().origin(origin)), sums(&|l| all(l.tally().origin(origin))), "{:?}", origin);
        prop_assert_eq!(judged(whole), sums(&judged), "judged, {:?}", origin);
        for basis in [Basis::Intended, Basis::Sent] {
            let durations = |l: &Ledger| l.tally().durations(origin)[basis as usize].clone();
            prop_assert_eq!(durations(whole), added(apart.iter().map(durations)), "{:?} {:?}", origin, basis);
        }
        prop_assert_eq!(whole.judged_durations(origin), added(apart.iter().map(|l| l.judged_durations(origin))));
    }
    let figures: [fn(&Ledger) -> u64; 7] = [
        |l| l.tally().foreign,
        |l| l.tally().negative_durations,
        Ledger::outstanding,
        |l| l.counts(Origin::Remote).outstanding,
        |l| l.remembered() as u64,
        |l| u64::from(l.connected_now()),
        |l| l.loss_groups().largest.iter().map(LossGroup::deliveries).sum::<u64>() + l.loss_groups().rest_deliveries,
    ];
    for (nth, figure) in figures.into_iter().enumerate() {
        prop_assert_eq!(figure(whole), pair.sum(figure), "figure {}", nth);
    }
    prop_assert_eq!(whole.is_settled(), apart.iter().all(Ledger::is_settled));
    Ok(())
}

/// The outcomes of a ledger's deliveries, local and remote.
fn outcomes_of(ledger: &Ledger) -> [u64; Outcome::COUNT] {
    let [local, remote] = [Origin::Local, Origin::Remote].map(|origin| ledger.tally().origin(origin).outcomes);
    std::array::from_fn(|outcome| local[outcome] + remote[outcome])
}

fn outstanding_of(ledger: &Ledger) -> u64 {
    [Origin::Local, Origin::Remote].map(|origin| ledger.counts(origin).outstanding).iter().sum()
}

/// Each room's books balance, equal those of its own ledger, and sum to the totals.
fn each_room_balances(pair: &Pair) -> Result<(), TestCaseError> {
    let mut sums = (0, [0; Outcome::COUNT], 0);
    for (nth, apart) in pair.apart.iter().enumerate() {
        let room = pair.whole.room_figures(nth).unwrap();
        let expected = [Origin::Local, Origin::Remote].map(|origin| apart.tally().origin(origin).expected);
        prop_assert_eq!(room.expected, expected.iter().sum::<u64>(), "room {}", nth);
        prop_assert_eq!(room.outcomes, outcomes_of(apart), "room {}", nth);
        prop_assert_eq!(room.outstanding, outstanding_of(apart), "room {}", nth);
        prop_assert_eq!(room.expected, room.outcomes.iter().sum::<u64>() + room.outstanding, "room {}", nth);
        sums.0 += room.expected;
        sums.1.iter_mut().zip(room.outcomes).for_each(|(sum, n)| *sum += n);
        sums.2 += room.outstanding;
        let bad = room.outcome(Outcome::Lost) + room.outcome(Outcome::Late) + room.leaked > 0;
        prop_assert_eq!(bad, pair.whole.worst_rooms(SIZES.len()).contains(&room), "room {}", nth);
    }
    let expected = [Origin::Local, Origin::Remote].map(|origin| pair.whole.tally().origin(origin).expected);
    let outstanding = outstanding_of(&pair.whole);
    prop_assert_eq!(sums, (expected.iter().sum(), outcomes_of(&pair.whole), outstanding));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_ledger_of_rooms_is_the_sum_of_a_ledger_for_each(
        ops in prop::collection::vec(op(), 0..150),
        last in prop::collection::vec(op().prop_map(Op::shortened), 0..30),
        [echo, ordered, senders] in any::<[bool; 3]>(),
    ) {
        let mut pair = Pair::new(DeliveryRules { echo, ordered, senders });
        let ending = (!last.is_empty()).then_some([Op::Stop, Op::Settle]);
        for op in ops.iter().chain(ending.iter().flatten()).chain(&last) {
            pair.apply(op);
        }
        agrees(&pair)?;
        each_room_balances(&pair)?;
        prop_assert_eq!(pair.whole.clock_offset(), Some(0.0));
        prop_assert!(pair.apart.iter().all(|ledger| ledger.clock_offset() == Some(0.0)));
        pair.now += 200_000;
        let at = pair.at();
        pair.all(|ledger| ledger.sweep(at));
        agrees(&pair)?;
        let local = pair.whole.tally().origin(Origin::Local);
        prop_assert_eq!(local.expected, local.decided() + pair.whole.outstanding());
        each_room_balances(&pair)?;
        super::evidence::is_complete(&mut pair.whole)?;
    }
}
