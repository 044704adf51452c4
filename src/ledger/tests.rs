//! Tests of each definition, and of the ledger against a naive model on arbitrary histories.

mod arrivals;
mod cells;
mod evidence;
mod judged;
mod marked;
mod model;
mod naive;
mod peers;
mod remote;
mod room_rules;
mod rooms;

use std::time::Duration;

use super::*;
use crate::marker::{Decoded, GeneratorTag, RoomTag, RunTag};
use crate::model::{Anomaly, Origin, Outcome};

pub(super) const DEADLINE: Duration = Duration::from_secs(10);
pub(super) const ROOM: RoomTag = RoomTag(3);
pub(super) const HORIZON: Duration = Duration::from_secs(60);

pub(super) fn identity() -> Identity {
    Identity { run: RunTag(1), generator: GeneratorTag(2), origin_micros: 1_000_000 }
}

pub(super) fn ledger(users: u32) -> Ledger {
    ledger_by(DeliveryRules::ALL, users)
}

pub(super) fn ledger_by(rules: DeliveryRules, users: u32) -> Ledger {
    let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
    let mut ledger = Ledger::new(terms, rules, identity(), &[RoomShare { tag: ROOM, users }]);
    for i in 0..users {
        ledger.introduce(UserIndex(i), id(UserIndex(i)));
    }
    ledger
}

fn room(users: u32) -> Ledger {
    room_by(DeliveryRules::ALL, users)
}

fn room_by(rules: DeliveryRules, users: u32) -> Ledger {
    let mut ledger = ledger_by(rules, users);
    for i in 0..users {
        ledger.opening(UserIndex(i));
        ledger.connected(UserIndex(i), at(0.0));
    }
    ledger
}

/// How the server names a user.
pub(super) fn id(user: UserIndex) -> SenderId {
    SenderId::number(100 + u64::from(user.0))
}

pub(super) fn at(seconds: f64) -> Stamp {
    Stamp::default().plus(Duration::from_secs_f64(seconds))
}

const A: UserIndex = UserIndex(0);
const B: UserIndex = UserIndex(1);

fn send(ledger: &mut Ledger, who: UserIndex, seconds: f64) -> Marker {
    ledger.record_send(who, at(seconds), at(seconds)).marker
}

fn arrive(ledger: &mut Ledger, user: UserIndex, from: UserIndex, marker: Marker, seconds: f64) {
    ledger.receive(user, id(from), Decoded::Intact(marker), at(seconds));
}

fn local(ledger: &Ledger) -> &DeliveryCounts {
    ledger.tally().origin(Origin::Local)
}

fn outcomes(ledger: &Ledger) -> Vec<(Outcome, u64)> {
    Outcome::ALL.iter().map(|o| (*o, local(ledger).outcome(*o))).filter(|(_, n)| *n > 0).collect()
}

#[test]
fn the_sender_is_expected_to_receive_its_own() {
    let mut l = room(2);
    assert_eq!(l.record_send(A, at(0.0), at(0.0)).expected, 2);
}

#[test]
fn without_echo_the_senders_connection_expects_none_and_an_arrival_there_is_unexpected() {
    let mut l = room_by(DeliveryRules { echo: false, ..DeliveryRules::ALL }, 3);
    let sent = l.record_send(A, at(0.0), at(0.0));
    assert_eq!(sent.expected, 2);
    arrive(&mut l, A, A, sent.marker, 0.1);
    arrive(&mut l, A, A, sent.marker, 0.2);
    arrive(&mut l, B, A, sent.marker, 0.3);
    assert_eq!((local(&l).anomaly(Anomaly::Unexpected), local(&l).raced), (2, 0));
    l.ended(A, DisconnectCause::Left, at(0.4));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Lost, 1)]);
    assert_eq!(l.loss_groups().largest[0].names, [UserIndex(2)]);
}

#[test]
fn without_echo_a_sender_cut_off_before_any_receipt_excuses_all_others() {
    let mut l = room_by(DeliveryRules { echo: false, ..DeliveryRules::ALL }, 3);
    send(&mut l, A, 0.0);
    l.ended(A, DisconnectCause::Network, at(0.1));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::ExcusedSenderCut, 2)]);
}

#[test]
fn without_echo_a_damaged_copy_at_its_sender_loses_nothing() {
    let mut l = room_by(DeliveryRules { echo: false, ..DeliveryRules::ALL }, 2);
    let m = send(&mut l, A, 0.0);
    l.receive(A, id(A), Decoded::Corrupt(Some(m)), at(0.1));
    l.ended(A, DisconnectCause::Left, at(0.2));
    assert_eq!((outcomes(&l), l.outstanding(), local(&l).anomaly(Anomaly::Corrupt)), (Vec::new(), 1, 1));
}

#[test]
fn where_the_server_keeps_no_order_none_is_judged() {
    let mut l = room_by(DeliveryRules { ordered: false, ..DeliveryRules::ALL }, 1);
    let (one, two) = (send(&mut l, A, 0.0), send(&mut l, A, 0.1));
    arrive(&mut l, A, A, two, 0.2);
    arrive(&mut l, A, A, one, 0.3);
    let theirs = |seq| Marker { generator: GeneratorTag(77), seq, ..one };
    for seq in [1, 0] {
        l.receive(A, SenderId::number(900), Decoded::Intact(theirs(seq)), at(0.4));
    }
    let all = [Origin::Local, Origin::Remote].map(|origin| l.tally().origin(origin).anomalies);
    assert_eq!((outcomes(&l), all), (vec![(Outcome::OnTime, 2)], [[0; 4]; 2]));
}

#[test]
fn history_is_neither_a_delivery_nor_an_anomaly() {
    let mut l = room(2);
    send(&mut l, A, 0.0);
    l.replayed(at(0.1));
    l.ended(A, DisconnectCause::Network, at(0.2));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::ExcusedNetwork, 1), (Outcome::ExcusedSenderCut, 1)]);
    assert_eq!(local(&l).anomalies, [0; 4]);
}

#[test]
fn the_deadline_and_the_horizon_belong_to_their_side() {
    let mut l = room(3);
    let m = send(&mut l, A, 0.0);
    arrive(&mut l, A, A, m, 10.0);
    arrive(&mut l, B, A, m, 10.000_001);
    arrive(&mut l, UserIndex(2), A, m, 60.0);
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Late, 2)]);
}

#[test]
fn a_message_stands_where_its_deliveries_do() {
    let mut l = room(3);
    let m = send(&mut l, A, 0.0);
    let standing = |l: &Ledger| l.standing(ROOM, m.seq).map(|s| (s.outstanding, s.lost));
    assert_eq!((standing(&l), l.standing(ROOM, m.seq + 1)), (Some((3, 0)), None));
    arrive(&mut l, A, A, m, 1.0);
    assert_eq!(standing(&l), Some((2, 0)));
    arrive(&mut l, B, A, m, 60.5);
    assert_eq!(standing(&l), Some((1, 1)));
    l.sweep(at(61.0));
    assert_eq!(standing(&l), Some((0, 2)));
    l.sweep(at(200.0));
    assert_eq!(standing(&l), None);
}

#[test]
fn a_verdict_follows_the_stamp_and_not_the_sweep() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    l.sweep(at(60.9));
    arrive(&mut l, A, A, m, 60.0);
    arrive(&mut l, B, A, m, 60.1);
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::Late, 1), (Outcome::Lost, 1)]);
    assert_eq!(local(&l).anomaly(Anomaly::Unexpected), 1, "it came after it was lost");
}

#[test]
fn what_never_comes_is_lost_and_then_unexpected() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    arrive(&mut l, A, A, m, 0.1);
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Lost, 1)]);
    arrive(&mut l, B, A, m, 62.0);
    l.sweep(at(500.0));
    arrive(&mut l, B, A, m, 501.0);
    assert_eq!(local(&l).anomaly(Anomaly::Unexpected), 2);
    assert_eq!(l.remembered(), 0);
}

#[test]
fn bytes_read_before_the_end_of_a_stream_count() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    l.closing(B, at(0.0));
    arrive(&mut l, B, A, m, 0.1);
    l.ended(B, DisconnectCause::Left, at(0.0));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1)]);
    assert_eq!(l.outstanding(), 1, "the sender's own");
}

#[test]
fn a_connection_that_ends_first_excuses_its_deliveries() {
    for (why, outcome) in [
        (DisconnectCause::Left, Outcome::ExcusedLeft),
        (DisconnectCause::Server, Outcome::ExcusedServer),
        (DisconnectCause::Network, Outcome::ExcusedNetwork),
    ] {
        let mut l = room(2);
        send(&mut l, A, 0.0);
        l.closing(B, at(0.0));
        l.ended(B, why, at(0.0));
        assert_eq!(outcomes(&l), [(outcome, 1)]);
    }
}

#[test]
fn what_was_past_its_horizon_before_the_close_is_lost() {
    let mut l = room(2);
    send(&mut l, A, 0.0);
    send(&mut l, A, 0.5);
    l.closing(B, at(60.2));
    l.ended(B, DisconnectCause::Left, at(62.0));
    assert_eq!(outcomes(&l), [(Outcome::Lost, 1), (Outcome::ExcusedLeft, 1)]);
}

#[test]
fn a_message_handed_over_while_joining_or_closing_is_neither_expected_nor_odd() {
    let mut l = room(2);
    l.ended(B, DisconnectCause::Left, at(0.0));
    l.opening(B);
    let joining = send(&mut l, A, 1.0);
    l.connected(B, at(0.0));
    arrive(&mut l, B, A, joining, 1.1);
    l.closing(B, at(0.0));
    let closing = send(&mut l, A, 2.0);
    arrive(&mut l, B, A, closing, 2.1);
    assert_eq!((local(&l).expected, local(&l).raced), (2, 2));
    assert_eq!(local(&l).anomalies, [0; 4]);
}

#[test]
fn a_message_still_under_way_may_reach_a_connection_opened_meanwhile() {
    let mut l = room(2);
    l.ended(B, DisconnectCause::Left, at(0.0));
    let m = send(&mut l, A, 0.0);
    l.opening(B);
    l.connected(B, at(0.0));
    arrive(&mut l, B, A, m, 1.0);
    assert_eq!((local(&l).raced, local(&l).anomaly(Anomaly::Unexpected)), (1, 0));
}

#[test]
fn a_message_sent_on_before_the_connection_is_unexpected() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    arrive(&mut l, A, A, m, 0.1);
    l.ended(B, DisconnectCause::Left, at(0.0));
    l.opening(B);
    l.connected(B, at(0.0));
    arrive(&mut l, B, A, m, 1.0);
    assert_eq!(local(&l).anomaly(Anomaly::Unexpected), 1);
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::ExcusedLeft, 1)]);
}

#[test]
fn a_sender_cut_off_before_any_receipt_excuses_all() {
    let mut l = room(3);
    send(&mut l, A, 0.0);
    l.ended(A, DisconnectCause::Network, at(0.0));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::ExcusedNetwork, 1), (Outcome::ExcusedSenderCut, 2)]);
}

#[test]
fn a_receipt_proves_that_the_server_had_it() {
    let mut l = room(3);
    let m = send(&mut l, A, 0.0);
    l.ended(A, DisconnectCause::Network, at(0.0));
    arrive(&mut l, B, A, m, 1.0);
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 1), (Outcome::Lost, 1), (Outcome::ExcusedNetwork, 1)]);
}

#[test]
fn coming_again_is_a_duplicate_and_overtaking_is_per_sender() {
    let mut l = room(2);
    let (one, two, other) = (send(&mut l, A, 0.0), send(&mut l, A, 0.1), send(&mut l, B, 0.2));
    arrive(&mut l, B, A, two, 1.0);
    arrive(&mut l, B, B, other, 1.0);
    arrive(&mut l, B, A, one, 1.0);
    arrive(&mut l, B, A, one, 1.1);
    arrive(&mut l, A, B, other, 1.0);
    arrive(&mut l, A, A, one, 1.0);
    assert_eq!(local(&l).anomaly(Anomaly::Reordered), 1);
    assert_eq!(local(&l).anomaly(Anomaly::Duplicate), 1);
}

#[test]
fn what_no_connection_waits_for_stays_outstanding() {
    let c = UserIndex(2);
    let mut l = room(3);
    let (old, young, last) = (send(&mut l, A, 0.0), send(&mut l, A, 50.0), send(&mut l, B, 50.1));
    for user in [A, B, c] {
        arrive(&mut l, user, B, last, 50.2);
    }
    arrive(&mut l, c, A, old, 0.1);
    arrive(&mut l, c, A, young, 50.2);
    // A user who had begun to leave before is excused, however long its close takes.
    l.closing(A, at(50.3));
    l.close(at(60.5));
    l.ended(A, DisconnectCause::Left, at(60.6));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 5), (Outcome::ExcusedLeft, 2)]);
    // Deliveries already past their horizon are lost; those that still arrive count; the rest stays open.
    l.closing(B, at(60.7));
    l.ended(B, DisconnectCause::Left, at(60.8));
    l.sweep(at(500.0));
    assert_eq!(outcomes(&l), [(Outcome::OnTime, 5), (Outcome::Lost, 1), (Outcome::ExcusedLeft, 2)]);
    assert_eq!(l.outstanding(), 1, "the young one at B");
    let local = local(&l);
    assert_eq!(local.expected, local.decided() + l.outstanding());
}

#[test]
fn a_damaged_marker_loses_its_delivery() {
    let mut l = room(1);
    send(&mut l, A, 0.0);
    l.receive(A, id(A), Decoded::Corrupt(None), at(0.1));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::Lost, 1)]);
    assert_eq!(local(&l).anomaly(Anomaly::Corrupt), 1);
}

#[test]
fn forged_markers_and_unmarked_chats_of_ours_are_corrupt() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    arrive(&mut l, B, B, m, 0.1);
    arrive(&mut l, B, A, Marker { seq: 99, ..m }, 0.1);
    l.receive(B, id(A), Decoded::None, at(0.1));
    l.receive(B, SenderId::number(999), Decoded::None, at(0.1));
    assert_eq!(local(&l).anomaly(Anomaly::Corrupt), 3);
    assert_eq!(l.outstanding(), 2);
}
