//! The judged figures against a naive model that keeps every delivery and every spoilt interval and judges at
//! the end; and their meaning for a message.

use hdrhistogram::Histogram;
use proptest::prelude::*;
use strum::EnumCount;

use super::*;
use crate::model::{Basis, SpoiltBy, delivery_times};

const LIMIT: Duration = Duration::from_millis(200);
const WAITERS: u32 = 3;

#[derive(Debug, Clone)]
enum Op {
    /// An arrival: milliseconds after the intended time, and microseconds since it was read.
    Arrive(Origin, u64, u64),
    /// An arrival after its horizon.
    Overdue(u64),
    /// A loss: milliseconds since the horizon.
    Lose(Origin, u64),
    Wait(u32, Option<SpoiltBy>),
    Window(Option<SpoiltBy>),
    HoldBegins,
    HoldEnds,
    Pass(u64),
    Forget,
}

fn op() -> impl Strategy<Value = Op> {
    let origin = || prop_oneof![3 => Just(Origin::Local), 1 => Just(Origin::Remote)];
    let why = prop_oneof![2 => Just(None), 1 => Just(Some(SpoiltBy::NoFiles)), 1 => Just(Some(SpoiltBy::NoPorts))];
    let bad =
        prop_oneof![2 => Just(None), 1 => Just(Some(SpoiltBy::ReadDelay)), 1 => Just(Some(SpoiltBy::ScheduleLag))];
    let took = prop_oneof![1..40_u64, 1..3_000_u64, 9_000..60_000_u64];
    prop_oneof![
        12 => (origin(), took, prop_oneof![Just(0_u64), 0..150_000_u64]).prop_map(|(o, t, ago)| Op::Arrive(o, t, ago)),
        2 => (60_000..90_000_u64).prop_map(Op::Overdue),
        5 => (origin(), 1..12_000_u64).prop_map(|(o, ago)| Op::Lose(o, ago)),
        2 => (0..WAITERS, why).prop_map(|(user, why)| Op::Wait(user, why)),
        3 => bad.prop_map(Op::Window),
        1 => Just(Op::HoldBegins),
        1 => Just(Op::HoldEnds),
        10 => prop_oneof![8 => 1..201_u64, 1 => 201..9_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Forget),
    ]
}

/// The fate of a delivery, and its time.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Came { late: bool, intended: Stamp, at: Stamp },
    Overdue { intended: Stamp, at: Stamp },
    Lost { horizon: Stamp },
}

#[derive(Debug, Default)]
struct Naive {
    now: Stamp,
    last: Stamp,
    window: Stamp,
    fates: Vec<(Origin, Fate)>,
    spoilt: Vec<(SpoiltBy, Stamp, Stamp)>,
    waits: [Option<(SpoiltBy, Stamp)>; WAITERS as usize],
    hold: (Option<Stamp>, Option<Stamp>),
}

impl Naive {
    fn called(&mut self, at: Stamp) {
        if at.since(self.last) > LIMIT {
            self.spoilt.push((SpoiltBy::Stall, self.last, at));
        }
        self.last = self.last.max(at);
    }

    fn wait(&mut self, user: usize, why: Option<SpoiltBy>) {
        if let Some((by, since)) = std::mem::replace(&mut self.waits[user], why.map(|by| (by, self.last))) {
            self.spoilt.push((by, since, self.last));
        }
    }

    fn left_out(&self, fate: Fate) -> bool {
        self.spoilt.iter().filter(|(_, from, to)| from < to).any(|(_, from, to)| match fate {
            Fate::Came { intended, at, .. } | Fate::Overdue { intended, at } => *from < at && intended < *to,
            Fate::Lost { horizon } => *from <= horizon && horizon < *to,
        })
    }

    /// Length of the union of the intervals in the hold.
    fn held(&self, which: impl Fn(SpoiltBy) -> bool) -> Duration {
        let Some(began) = self.hold.0 else { return Duration::ZERO };
        let ended = self.hold.1.unwrap_or(Stamp(u64::MAX));
        let mut parts: Vec<_> = self
            .spoilt
            .iter()
            .filter(|(by, ..)| which(*by))
            .map(|(_, a, b)| (*a.max(&began), *b.min(&ended)))
            .collect();
        parts.sort();
        let (mut sum, mut reached) = (Duration::ZERO, Stamp(0));
        for (from, to) in parts {
            sum += to.since(from.max(reached));
            reached = reached.max(to);
        }
        sum
    }
}

/// The judged numbers of late, lost and overdue deliveries of an origin, and its durations.
fn naive_figures(naive: &Naive, origin: Origin) -> (u64, u64, u64, Histogram<u64>) {
    let mut figures = (0, 0, 0, delivery_times());
    for (_, fate) in naive.fates.iter().filter(|(of, fate)| *of == origin && !naive.left_out(*fate)) {
        match fate {
            Fate::Came { late, intended, at } => {
                figures.0 += u64::from(*late);
                let micros = u64::try_from(at.since(*intended).as_micros()).unwrap().max(1);
                figures.3.saturating_record(micros);
            }
            Fate::Overdue { .. } => figures.2 += 1,
            Fate::Lost { .. } => figures.1 += 1,
        }
    }
    figures
}

fn apply(op: &Op, naive: &mut Naive, tally: &mut Tally) {
    let now = naive.now;
    let mut called = |naive: &mut Naive, at: Stamp| {
        tally.judged.called(at);
        naive.called(at);
    };
    match *op {
        Op::Pass(ms) => naive.now = now.plus(Duration::from_millis(ms)),
        Op::Arrive(origin, ms, ago) => {
            let at = now.minus(Duration::from_micros(ago));
            called(naive, at);
            let (took, late) = (Duration::from_millis(ms), ms > 10_000);
            let outcome = if late { Outcome::Late } else { Outcome::OnTime };
            let cell = tally.cell(0, at);
            if origin == Origin::Local {
                tally.expect(origin, cell, 1);
                tally.came(cell, outcome, took, at.minus(took), at);
            } else {
                tally.expect_and_add(origin, cell, outcome, 1);
                tally.duration(origin, Basis::Intended, took);
                tally.judge(origin, cell, late, took, at.minus(took), at);
            }
            naive.fates.push((origin, Fate::Came { late, intended: at.minus(took), at }));
        }
        Op::Overdue(ms) => {
            called(naive, now);
            let intended = now.minus(Duration::from_millis(ms));
            let subject = Subject::damaged(None, None);
            tally.anomaly(Origin::Local, Anomaly::Unexpected, A, subject, now);
            tally.judged.overdue(Origin::Local, intended, now);
            naive.fates.push((Origin::Local, Fate::Overdue { intended, at: now }));
        }
        Op::Lose(origin, ms) => {
            called(naive, now);
            let horizon = naive.last.minus(Duration::from_millis(ms));
            let cell = tally.cell(0, now);
            tally.expect(origin, cell, 1);
            tally.lose(origin, cell, 1, horizon);
            naive.fates.push((origin, Fate::Lost { horizon }));
        }
        Op::Wait(user, why) => {
            called(naive, now);
            tally.judged.waits(UserIndex(user), why, now);
            naive.wait(user as usize, why);
        }
        Op::Window(bad) => {
            called(naive, now);
            tally.window_over(bad.as_slice(), now);
            let end = naive.last;
            naive.spoilt.extend(bad.map(|by| (by, naive.window, end)));
            naive.window = end;
        }
        Op::HoldBegins => {
            called(naive, now);
            tally.judged.hold_begins(now);
            naive.hold.0.get_or_insert(naive.last);
        }
        Op::HoldEnds => {
            called(naive, now);
            tally.judged.hold_ends(now);
            naive.hold.1.get_or_insert(naive.last);
        }
        Op::Forget => tally.judged.forget(now.minus(Duration::from_secs(120))),
    }
}

fn balances(judged: &DeliveryCounts, all: &DeliveryCounts) -> bool {
    judged.expected == judged.outcomes.iter().sum::<u64>() && judged.expected <= all.expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_judged_agrees_with_a_model_that_judges_at_the_end(ops in prop::collection::vec(op(), 0..250)) {
        let begin = Stamp::default().plus(Duration::from_secs(200));
        let mut naive = Naive { now: begin, last: begin, window: begin, ..Naive::default() };
        let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
        let mut tally = Tally::new(WAITERS as usize, 0, &terms);
        tally.judged.watch(LIMIT, begin);
        let last = [Op::Wait(0, None), Op::Wait(1, None), Op::Wait(2, None), Op::Window(None)];
        for op in ops.iter().chain(&last) {
            apply(op, &mut naive, &mut tally);
            for origin in [Origin::Local, Origin::Remote] {
                prop_assert!(balances(&tally.judged(origin), tally.origin(origin)), "after {op:?}");
            }
        }
        for origin in [Origin::Local, Origin::Remote] {
            let judged = tally.judged(origin);
            let (late, lost, overdue, durations) = naive_figures(&naive, origin);
            prop_assert_eq!(judged.outcomes[Outcome::OnTime as usize], tally.origin(origin).outcome(Outcome::OnTime));
            prop_assert_eq!(judged.outcomes[Outcome::Late as usize], late);
            prop_assert_eq!(judged.outcomes[Outcome::Lost as usize], lost);
            prop_assert_eq!(judged.anomalies[Anomaly::Unexpected as usize], overdue);
            prop_assert!(tally.judged_durations(origin) == durations, "times to delivery of {:?}", origin);
        }
        let spoilt = tally.judged.spoilt();
        prop_assert_eq!(spoilt.total, naive.held(|_| true));
        for by in 0..SpoiltBy::COUNT {
            prop_assert_eq!(spoilt.by[by], naive.held(|of| of as usize == by));
        }
    }
}

/// A room of three users at ten seconds, without a stall so far.
fn watched_room() -> (Ledger, Marker) {
    let mut l = room(3);
    l.look_for_stalls(LIMIT, at(0.0));
    l.hold_begins(at(0.0));
    look(&mut l, 0.0, 10.0);
    let m = send(&mut l, A, 10.0);
    arrive(&mut l, A, A, m, 10.05);
    (l, m)
}

/// Calls the ledger often enough from one time to another.
fn look(l: &mut Ledger, from: f64, to: f64) {
    let mut now = at(from);
    while now < at(to) {
        l.sweep(now);
        now = now.plus(Duration::from_millis(100));
    }
    l.sweep(at(to));
}

fn judged(l: &Ledger) -> (u64, u64, u64) {
    let judged = l.judged(Origin::Local);
    assert_eq!(judged.expected, judged.outcomes.iter().sum::<u64>() + l.outstanding());
    (
        judged.outcomes[Outcome::Late as usize],
        judged.outcomes[Outcome::Lost as usize],
        l.judged_durations(Origin::Local).len(),
    )
}

#[test]
fn what_comes_after_a_stall_keeps_its_age_and_is_not_judged() {
    let (mut l, m) = watched_room();
    // Stopped from 10.05 s on; what arrived meanwhile is read, and the rest stays pending.
    arrive(&mut l, B, A, m, 30.05);
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Late, 1)]);
    assert_eq!(l.tally().durations(Origin::Local)[0].len(), 2);
    assert_eq!(judged(&l), (0, 0, 1));
    look(&mut l, 30.05, 72.0);
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Late, 1), (Outcome::Lost, 1)]);
    assert_eq!(judged(&l), (0, 1, 1), "this process ran when the horizon passed");
    let spoilt = l.spoilt();
    assert_eq!((spoilt.total, spoilt.by[SpoiltBy::Stall as usize]), (Duration::from_secs(20), Duration::from_secs(20)));
}

#[test]
fn a_loss_whose_horizon_passed_in_a_stall_is_not_judged_nor_is_its_late_arrival() {
    let (mut l, m) = watched_room();
    arrive(&mut l, B, A, m, 610.0);
    look(&mut l, 610.0, 611.0);
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Lost, 2)]);
    assert_eq!(judged(&l), (0, 0, 1));
    assert_eq!(local(&l).anomaly(Anomaly::Unexpected), 1);
    assert_eq!(l.judged(Origin::Local).anomalies[Anomaly::Unexpected as usize], 0);
}

#[test]
fn a_window_of_late_reads_takes_back_what_arrived_in_it() {
    let (mut l, m) = watched_room();
    l.window_over(&[], at(10.1));
    look(&mut l, 10.1, 25.0);
    arrive(&mut l, B, A, m, 25.0);
    assert_eq!(judged(&l), (1, 0, 2), "nothing is known against it yet");
    l.window_over(&[SpoiltBy::ReadDelay], at(25.1));
    assert_eq!(judged(&l), (0, 0, 1));
    look(&mut l, 25.1, 75.0);
    assert_eq!(judged(&l), (0, 1, 1), "the horizon passed in a good window");
    assert_eq!(l.spoilt().by[SpoiltBy::ReadDelay as usize].as_secs(), 15);
}

#[test]
fn a_loss_is_left_out_if_the_window_of_its_horizon_turns_out_bad() {
    let (mut l, _) = watched_room();
    l.window_over(&[], at(10.1));
    look(&mut l, 10.1, 65.0);
    l.window_over(&[], at(65.0));
    look(&mut l, 65.0, 72.0);
    assert_eq!(judged(&l), (0, 2, 1));
    l.window_over(&[SpoiltBy::ReadDelay], at(75.0));
    assert_eq!(judged(&l), (0, 0, 1));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Lost, 2)], "the books keep everything");
}

#[test]
fn time_that_users_wait_for_files_or_ports_is_spoilt_until_none_of_them_does() {
    let (mut l, _) = watched_room();
    l.waits(A, Some(SpoiltBy::NoFiles), at(10.1));
    look(&mut l, 10.1, 11.0);
    l.waits(B, Some(SpoiltBy::NoFiles), at(11.0));
    l.waits(A, None, at(11.1));
    look(&mut l, 11.1, 13.0);
    assert_eq!(l.spoilt().total, Duration::from_millis(2_900), "it goes on");
    l.waits(B, Some(SpoiltBy::NoPorts), at(13.1));
    look(&mut l, 13.1, 14.0);
    l.waits(B, None, at(14.1));
    look(&mut l, 14.1, 20.0);
    let spoilt = l.spoilt();
    assert_eq!(spoilt.total, Duration::from_secs(4));
    assert_eq!(spoilt.by[SpoiltBy::NoFiles as usize], Duration::from_secs(3));
    assert_eq!(spoilt.by[SpoiltBy::NoPorts as usize], Duration::from_secs(1));
}

#[test]
fn nothing_before_or_after_the_hold_spoils_it() {
    let mut l = room(1);
    l.look_for_stalls(LIMIT, at(0.0));
    l.look(at(5.0));
    l.hold_begins(at(5.1));
    look(&mut l, 5.1, 10.0);
    l.hold_ends(at(10.1));
    l.look(at(20.0));
    assert_eq!(l.spoilt(), SpoiltTime::default());
}

#[test]
fn a_stall_explains_delays_on_both_sides_of_a_window_that_ends_with_it() {
    let (begin, tenth) = (Stamp::default().plus(Duration::from_secs(100)), Duration::from_millis(100));
    let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
    let mut tally = Tally::new(0, 0, &terms);
    tally.judged.watch(LIMIT, begin);
    let woken = begin.plus(tenth * 6);
    assert_eq!(tally.judged.stalled(woken), 1.0, "the stall that this call ends");
    tally.window_over(&[], woken);
    assert_eq!(tally.judged.stalled(woken.plus(tenth)), 1.0, "what was due in it is measured now");
    (2..=60).for_each(|step| tally.judged.called(woken.plus(tenth * step)));
    assert!((tally.judged.stalled(woken.plus(tenth * 60)) - 0.1).abs() < 1e-9, "0.6 s of 6 s");
    tally.window_over(&[], woken.plus(tenth * 60));
    assert_eq!(tally.judged.stalled(woken.plus(tenth * 61)), 0.0);
}
