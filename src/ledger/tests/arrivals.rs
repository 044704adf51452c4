//! Damaged arrivals, leaks between rooms, and messages without senders.

use super::*;

fn damaged(l: &mut Ledger, user: UserIndex, from: SenderId, marker: Marker, seconds: f64) {
    l.receive(user, from, Decoded::Corrupt(Some(marker)), at(seconds));
}

#[test]
fn a_damaged_arrival_is_lost_even_if_its_connection_then_ends() {
    for why in [DisconnectCause::Left, DisconnectCause::Server, DisconnectCause::Network] {
        let mut l = room(2);
        let m = send(&mut l, A, 0.0);
        damaged(&mut l, B, id(A), m, 0.1);
        l.closing(B, at(0.2));
        l.ended(B, why, at(0.3));
        assert_eq!(outcomes(&l), [(Outcome::Lost, 1)], "{why:?}");
    }
}

#[test]
fn an_intact_copy_by_the_horizon_makes_up_for_a_damaged_one() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    damaged(&mut l, B, id(A), m, 0.1);
    arrive(&mut l, B, A, m, 30.0);
    l.ended(B, DisconnectCause::Left, at(31.0));
    assert_eq!(outcomes(&l), [(Outcome::Late, 1)]);
    damaged(&mut l, A, id(A), m, 0.1);
    arrive(&mut l, A, A, m, 60.5);
    assert_eq!(outcomes(&l), [(Outcome::Late, 1), (Outcome::Lost, 1)]);
}

#[test]
fn a_damaged_receipt_proves_that_the_server_had_it() {
    let mut l = room(3);
    let m = send(&mut l, A, 0.0);
    damaged(&mut l, B, id(A), m, 0.1);
    l.ended(A, DisconnectCause::Network, at(0.2));
    l.sweep(at(61.0));
    assert_eq!(outcomes(&l), [(Outcome::Lost, 2), (Outcome::ExcusedNetwork, 1)]);
}

#[test]
fn a_damaged_arrival_is_lost_even_if_no_connection_waits() {
    let mut l = room(2);
    let m = send(&mut l, A, 0.0);
    damaged(&mut l, A, id(A), m, 0.1);
    l.close(at(1.0));
    l.ended(A, DisconnectCause::Left, at(1.1));
    l.ended(B, DisconnectCause::Left, at(1.1));
    assert_eq!((outcomes(&l), l.outstanding()), (vec![(Outcome::Lost, 1)], 1));
}

#[test]
fn damage_that_hides_which_message_it_was_only_counts_as_corrupt() {
    let mut l = room(2);
    let (m, other) = (send(&mut l, A, 0.0), send(&mut l, B, 0.5));
    l.receive(B, id(A), Decoded::Corrupt(None), at(0.6));
    let hidden = [
        Marker { run: RunTag(9), ..m },
        Marker { room: RoomTag(9), ..m },
        Marker { generator: GeneratorTag(9), ..m },
        Marker { seq: 99, ..m },
        // The number of another message, whose sender and time differ.
        Marker { seq: other.seq, ..m },
    ];
    for marker in hidden {
        damaged(&mut l, B, id(A), marker, 0.6);
    }
    l.ended(B, DisconnectCause::Left, at(1.0));
    assert_eq!(outcomes(&l), [(Outcome::ExcusedLeft, 2)]);
    assert_eq!(local(&l).anomaly(Anomaly::Corrupt), 6);
}

#[test]
fn a_message_is_known_by_its_sender_or_its_time_beside_its_number() {
    for (from, intended_known) in [(id(A), false), (SenderId::number(999), true), (SenderId::NONE, true)] {
        let mut l = room(2);
        let m = send(&mut l, A, 7.0);
        let read = if intended_known { m } else { Marker { intended_micros: 0, ..m } };
        damaged(&mut l, B, from, read, 7.1);
        l.ended(B, DisconnectCause::Left, at(8.0));
        assert_eq!(outcomes(&l), [(Outcome::Lost, 1)], "{from:?}");
    }
}

#[test]
fn a_damaged_copy_on_a_connection_that_does_not_expect_it_loses_nothing() {
    let mut l = room(2);
    l.ended(B, DisconnectCause::Left, at(0.0));
    let m = send(&mut l, A, 1.0);
    l.opening(B);
    l.connected(B, at(2.0));
    damaged(&mut l, B, id(A), m, 2.1);
    l.ended(B, DisconnectCause::Left, at(3.0));
    assert_eq!((outcomes(&l), local(&l).anomaly(Anomaly::Corrupt)), (Vec::new(), 1));
}

#[test]
fn a_message_of_another_room_is_unexpected_and_its_generators() {
    let mut l = room(1);
    let m = send(&mut l, A, 0.0);
    let leaked = Marker { room: RoomTag(9), ..m };
    l.receive(A, id(A), Decoded::Intact(leaked), at(0.1));
    l.receive(A, SenderId::number(999), Decoded::Intact(Marker { generator: GeneratorTag(9), ..leaked }), at(0.1));
    let by_origin = [Origin::Local, Origin::Remote].map(|o| l.tally().origin(o).anomaly(Anomaly::Unexpected));
    assert_eq!((by_origin, l.outstanding(), l.tally().origin(Origin::Remote).expected), ([1, 1], 1, 0));
}

#[test]
fn without_senders_attribution_is_not_checked() {
    let mut l = room(2);
    l.run.rules.senders = false;
    let m = send(&mut l, A, 0.0);
    l.receive(A, SenderId::NONE, Decoded::Intact(m), at(0.1));
    l.receive(B, id(B), Decoded::Intact(m), at(0.1));
    l.receive(B, id(A), Decoded::None, at(0.1));
    assert_eq!((outcomes(&l), local(&l).anomalies), (vec![(Outcome::OnTime, 2)], [0; 4]));
    let m = send(&mut l, A, 1.0);
    damaged(&mut l, B, SenderId::NONE, Marker { intended_micros: 0, ..m }, 1.1);
    l.ended(B, DisconnectCause::Left, at(2.0));
    assert_eq!(local(&l).outcome(Outcome::Lost), 1);
}
