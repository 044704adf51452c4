//! The property that the ledger agrees with a naive model, and balances, on arbitrary histories.

use proptest::prelude::*;

use super::cells::Taken;
use super::naive::{ConnectionState, Model};
use super::*;

const USERS: u32 = 5;

#[derive(Debug, Clone)]
enum Op {
    Open(u32),
    Connect(u32),
    Close(u32),
    End(u32, DisconnectCause),
    Send(u32, u64),
    /// The server refuses the user's last message.
    Refuse(u32),
    /// Deliver the message `back` places before the newest.
    Arrive(u32, usize),
    /// Deliver it damaged; [`Left`] is what is left of its marker.
    Damage(u32, usize, Left),
    /// History arrives on a connection.
    Replay(u32),
    /// Deliver a chat of another run (`true`), or of another room of this one.
    Stray(u32, bool),
    Pass(u64),
    Sweep,
    /// The wait is over.
    Stop,
}

/// The legible part of a damaged message.
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
        1 => user.clone().prop_map(Op::Refuse),
        1 => (user.clone(), any::<bool>()).prop_map(|(u, foreign)| Op::Stray(u, foreign)),
        1 => user.clone().prop_map(Op::Replay),
        16 => (user, 0..12_usize).prop_map(|(u, back)| Op::Arrive(u, back)),
        4 => prop_oneof![0..100_u64, 5_000..20_000_u64, 50_000..130_000_u64].prop_map(Op::Pass),
        1 => Just(Op::Sweep),
    ]
}

/// Steps that can still happen after the wait is over.
fn last_op() -> impl Strategy<Value = Op> {
    op().prop_filter("no user sends or joins any more", |op| !matches!(op, Op::Open(_) | Op::Connect(_) | Op::Send(..)))
}

/// Applies one step to both; skips steps that make no sense in the current state.
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
        Op::Refuse(u) => {
            ledger.sweep(stamp);
            model.refuse(u);
            ledger.refused(UserIndex(u), stamp);
        }
        Op::Arrive(u, back) if state(u) != ConnectionState::Vacant => {
            let Some(index) = sent.len().checked_sub(back + 1) else { return };
            // The model forgets nothing, so leave out messages that the ledger may have forgotten.
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
            // If nothing identifies its sender, it does not count as ours.
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
        let mut cells = Taken::default();
        ledger.keep_notes();
        for op in ops.iter().chain(&stop).chain(&end) {
            apply(op, &mut model, &mut ledger, &mut sent);
            prop_assert!(balances(&ledger), "after {op:?}");
            if matches!(op, Op::Sweep | Op::End(..)) {
                cells.take(&mut ledger, model.now)?;
                cells.sum_to_the_counts(&ledger)?;
            }
        }
        ledger.sweep(Stamp::default().plus(Duration::from_millis(model.now)));
        cells.sum_to_the_counts(&ledger)?;
        prop_assert_eq!(cells.outcomes(&ledger, Origin::Local), model.by_cell());
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
        ledger.take_closed_cells(Stamp::default().plus(Duration::from_millis(model.now + 130_000)));
        prop_assert_eq!(ledger.open_cells().len(), 0);
        prop_assert!(balances(&ledger));
    }
}
