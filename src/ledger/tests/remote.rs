//! Messages of other generators.

use super::*;

fn theirs(seq: u64, intended: f64) -> Marker {
    let intended_micros = identity().origin_micros + at(intended).0 / 1000;
    Marker { run: RunTag(1), room: RoomTag(3), generator: GeneratorTag(77), seq, intended_micros }
}

fn receive_at(l: &mut Ledger, user: UserIndex, seq: u64, seconds: f64) {
    l.receive(user, SenderId::number(900), Decoded::Intact(theirs(seq, seconds - 0.01)), at(seconds));
}

fn figures(l: &Ledger) -> (u64, u64, u64) {
    let t = l.tally().origin(Origin::Remote);
    (t.expected, t.outcome(Outcome::OnTime), t.outcome(Outcome::Lost))
}

#[test]
fn a_gap_on_one_connection_is_a_loss_after_the_horizon() {
    let mut l = room(2);
    for (user, seq) in [(A, 5), (A, 6), (A, 7), (B, 5), (B, 7)] {
        receive_at(&mut l, user, seq, 1.0);
    }
    l.sweep(at(61.9));
    assert_eq!(figures(&l), (5, 5, 0));
    l.sweep(at(62.1));
    assert_eq!(figures(&l), (6, 5, 1));
}

#[test]
fn what_comes_later_fills_its_gap() {
    let mut l = room(1);
    for seq in [1, 3, 2] {
        receive_at(&mut l, A, seq, 1.0);
    }
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (3, 3, 0));
    assert_eq!(l.tally().origin(Origin::Remote).anomaly(Anomaly::Reordered), 1);
}

#[test]
fn a_gap_seen_by_no_user_is_a_loss_for_each() {
    let mut l = room(2);
    for (user, seq) in [(A, 1), (B, 1), (A, 3), (B, 3), (B, 3)] {
        receive_at(&mut l, user, seq, 1.0);
    }
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (6, 4, 2));
    assert_eq!(l.tally().origin(Origin::Remote).anomaly(Anomaly::Duplicate), 1);
}

#[test]
fn a_connection_that_ends_first_excuses_its_gaps() {
    let mut l = room(1);
    receive_at(&mut l, A, 1, 1.0);
    receive_at(&mut l, A, 3, 1.0);
    l.ended(A, DisconnectCause::Server, at(0.0));
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (3, 2, 0));
}

#[test]
fn a_gap_that_no_connection_waits_for_stays_outstanding() {
    let mut l = room(1);
    receive_at(&mut l, A, 1, 1.0);
    receive_at(&mut l, A, 3, 1.0);
    l.close(at(2.0));
    l.ended(A, DisconnectCause::Left, at(2.1));
    l.sweep(at(100.0));
    assert_eq!((figures(&l), l.counts(Origin::Remote).outstanding), ((3, 2, 0), 1));
}

#[test]
fn numbers_that_jump_far_cost_no_memory() {
    let mut l = room(1);
    receive_at(&mut l, A, 1, 1.0);
    receive_at(&mut l, A, (1 << 48) - 1, 1.0);
    receive_at(&mut l, A, 2, 1.0);
    l.sweep(at(100.0));
    assert_eq!(figures(&l).2, 0);
}

#[test]
fn a_machine_that_slept_restarts_its_estimate() {
    let mut l = room(1);
    let m = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, m, 1.02);
    let origin = m.intended_micros;
    l.receive(A, SenderId::number(900), Decoded::Intact(theirs(0, 2.0)), at(2.02));
    l.slept(Duration::from_secs(600));
    assert_eq!(send(&mut l, A, 1.0).intended_micros, origin + 600_000_000, "ten minutes later by the wall");
    l.receive(A, SenderId::number(900), Decoded::Intact(theirs(1, 603.0)), at(3.02));
    assert!(l.clock_offset().unwrap().abs() < 1e-6);
    let longest = l.tally().durations(Origin::Remote)[0].max();
    assert!(longest < 30_000 && l.tally().negative_durations == 0, "{longest}");
}

#[test]
fn others_messages_that_waited_in_a_stall_are_late_and_not_judged() {
    let mut l = room(1);
    l.look_for_stalls(Duration::from_millis(200), at(0.9));
    let m = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, m, 1.01);
    l.receive(A, SenderId::number(900), Decoded::Intact(theirs(0, 1.0)), at(1.01));
    l.receive(A, SenderId::number(900), Decoded::Intact(theirs(1, 1.2)), at(31.0));
    assert_eq!(l.tally().origin(Origin::Remote).outcome(Outcome::Late), 1);
    let judged = l.judged(Origin::Remote);
    assert_eq!(
        (judged.expected, judged.outcomes[Outcome::Late as usize], l.judged_durations(Origin::Remote).len()),
        (1, 0, 1)
    );
}

#[test]
fn a_clock_ahead_is_noticed_and_kept_out_of_the_durations() {
    let mut l = room(1);
    let m = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, m, 1.02);
    for seq in 0..3 {
        l.receive(A, SenderId::number(900), Decoded::Intact(theirs(seq, 7.0)), at(2.0));
    }
    let offset = l.clock_offset().unwrap();
    assert!((offset + 5.02).abs() < 1e-6, "{offset}");
    assert_eq!(l.tally().negative_durations, 0);
    assert_eq!(figures(&l), (3, 3, 0));
}

/// A room whose user B is not connected.
fn room_without_b() -> Ledger {
    let mut l = room(2);
    l.ended(B, DisconnectCause::Left, at(0.0));
    l
}

/// Raced arrivals and anomalies of others' messages.
fn oddities(l: &Ledger) -> (u64, [u64; 4]) {
    let t = l.tally().origin(Origin::Remote);
    (t.raced, t.anomalies)
}

fn only(what: Anomaly, n: u64) -> [u64; 4] {
    let mut counts = [0; 4];
    counts[what as usize] = n;
    counts
}

/// Receives a chat intended at one time and read at another.
fn receive_late_at(l: &mut Ledger, user: UserIndex, seq: u64, intended: f64, seconds: f64) {
    l.receive(user, SenderId::number(900), Decoded::Intact(theirs(seq, intended)), at(seconds));
}

fn damaged(l: &mut Ledger, user: UserIndex, seq: u64, seconds: f64) {
    let marker = theirs(seq, seconds - 0.01);
    l.receive(user, SenderId::number(900), Decoded::Corrupt(Some(marker)), at(seconds));
}

#[test]
fn a_peers_lower_number_that_comes_later_is_reordered_and_never_unexpected() {
    let mut l = room(2);
    for (user, seq) in [(A, 3), (B, 3), (A, 0), (A, 2), (B, 1), (A, 1)] {
        receive_late_at(&mut l, user, seq, 1.0 + 0.1 * f64::from(u32::try_from(seq).unwrap()), 2.0);
    }
    assert_eq!(oddities(&l), (0, only(Anomaly::Reordered, 4)));
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (7, 6, 1), "B has read 1 and 3, and so expected 2; 0 nobody knows of");
}

#[test]
fn a_peers_lower_number_is_first_of_its_sender_or_first_at_all() {
    let mut l = room(2);
    receive_late_at(&mut l, A, 7, 1.0, 1.5);
    l.receive(A, SenderId::number(901), Decoded::Intact(theirs(5, 0.9)), at(1.6));
    receive_late_at(&mut l, B, 4, 0.8, 1.7);
    assert_eq!((figures(&l), oddities(&l)), ((3, 3, 0), (0, [0; 4])));
}

#[test]
fn a_peers_lower_number_is_unexpected_once_a_horizon_has_passed_or_it_is_too_far_down() {
    let mut l = room(1);
    receive_late_at(&mut l, A, 100_000, 1.0, 1.0);
    receive_late_at(&mut l, A, 1, 1.0, 1.1);
    assert_eq!(oddities(&l), (0, only(Anomaly::Unexpected, 1)), "too far down");
    receive_late_at(&mut l, A, 99_000, 1.0, 61.0);
    assert_eq!(oddities(&l).1[Anomaly::Unexpected as usize], 1, "within the horizon");
    receive_late_at(&mut l, A, 98_000, 1.0, 61.1);
    assert_eq!(oddities(&l).1[Anomaly::Unexpected as usize], 2, "after it");
}

#[test]
fn what_a_peer_sent_before_a_connection_joined_is_not_expected_of_it() {
    let mut l = room_without_b();
    for seq in [1, 2, 3] {
        receive_at(&mut l, A, seq, 1.0);
    }
    l.opening(B);
    l.connected(B, at(2.0));
    // Number 0 was held up before the server; 1 to 3 went out before B joined, 5 after.
    receive_late_at(&mut l, B, 0, 0.9, 2.5);
    receive_late_at(&mut l, B, 5, 2.2, 2.6);
    assert_eq!(oddities(&l), (1, [0; 4]));
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (4, 4, 0), "of A three, of B the last");
}

#[test]
fn a_peers_message_that_others_had_read_before_a_connection_began_is_unexpected_on_it() {
    let mut l = room_without_b();
    for seq in [1, 2, 9] {
        receive_at(&mut l, A, seq, 1.0);
    }
    l.opening(B);
    l.connected(B, at(2.0));
    receive_late_at(&mut l, B, 1, 0.99, 2.1);
    receive_late_at(&mut l, B, 9, 0.99, 2.1);
    assert_eq!(oddities(&l), (0, only(Anomaly::Unexpected, 2)));
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (3 + 6, 3, 6), "what was sent on again makes B expect nothing");
}

#[test]
fn a_peers_message_after_its_horizon_is_lost_and_unexpected() {
    let mut l = room(1);
    let own = send(&mut l, A, 0.5);
    arrive(&mut l, A, A, own, 0.51);
    receive_at(&mut l, A, 1, 1.0);
    receive_late_at(&mut l, A, 2, 1.0, 61.5);
    assert_eq!((figures(&l), oddities(&l)), ((2, 1, 1), (0, only(Anomaly::Unexpected, 1))));
}

#[test]
fn a_damaged_message_of_a_peer_is_lost_even_if_the_connection_then_ends() {
    let mut l = room(2);
    for user in [A, B] {
        receive_at(&mut l, user, 1, 1.0);
        damaged(&mut l, user, 2, 1.1);
        receive_at(&mut l, user, 4, 1.2);
    }
    receive_at(&mut l, B, 2, 1.3);
    l.ended(A, DisconnectCause::Left, at(2.0));
    let t = l.tally().origin(Origin::Remote);
    assert_eq!((t.outcome(Outcome::Lost), t.outcome(Outcome::ExcusedLeft)), (1, 1), "2 and 3, of A");
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (8, 5, 2), "3 of B");
}

#[test]
fn what_is_first_heard_of_after_the_stop_is_not_expected() {
    let mut l = room(2);
    for (user, seq) in [(A, 1), (B, 1), (A, 3), (B, 3)] {
        receive_at(&mut l, user, seq, 1.0);
    }
    l.stop();
    assert!(!l.is_settled(), "2 is missing on both");
    receive_at(&mut l, A, 2, 1.1);
    for (user, seq) in [(A, 9), (B, 5), (B, 0)] {
        receive_at(&mut l, user, seq, 1.2);
    }
    l.receive(
        A,
        SenderId::number(1),
        Decoded::Intact(Marker { generator: GeneratorTag(78), ..theirs(0, 1.0) }),
        at(1.3),
    );
    assert_eq!((figures(&l), oddities(&l).0), ((5, 5, 0), 4));
    assert!(!l.is_settled(), "2 is missing on B");
    l.sweep(at(100.0));
    assert_eq!((figures(&l), l.is_settled()), ((6, 5, 1), true));
}

#[test]
fn order_between_senders_that_are_not_named_is_not_judged() {
    let mut l = room(1);
    l.run.rules.senders = false;
    for (seq, from) in [(2, 1), (1, 2)] {
        l.receive(A, SenderId::number(from), Decoded::Intact(theirs(seq, 1.0)), at(1.1));
        l.receive(A, SenderId::number(from + 7), Decoded::Intact(theirs(seq, 1.0)), at(1.2));
    }
    assert_eq!((figures(&l), oddities(&l)), ((2, 2, 0), (0, only(Anomaly::Duplicate, 2))));
}

#[test]
fn replays_of_another_run_or_an_earlier_life_are_foreign() {
    let mut l = room(1);
    let own = send(&mut l, A, 0.0);
    arrive(&mut l, A, A, own, 0.02);
    // The generator started one second after the epoch, by its clock.
    l.run.identity.origin_micros = 3_600_000_000;
    l.run.started_micros = 3_600_000_000;
    let here = |seq, intended: u64| Marker { intended_micros: intended, ..theirs(seq, 0.0) };
    l.receive(A, SenderId::number(900), Decoded::Intact(here(1, 3_539_999_999)), at(1.0));
    l.receive(A, SenderId::number(900), Decoded::Intact(Marker { run: RunTag(9), ..here(7, 3_600_000_000) }), at(1.0));
    l.receive(A, SenderId::number(900), Decoded::Foreign, at(1.0));
    assert_eq!((l.tally().foreign, l.clock_offset(), figures(&l)), (3, None, (0, 0, 0)));
    l.receive(A, SenderId::number(900), Decoded::Intact(here(2, 3_540_000_000)), at(1.0));
    assert_eq!((l.tally().foreign, oddities(&l)), (3, (1, [0; 4])), "a horizon before the start is not too old");
}
