//! Messages of other generators.

use super::*;

fn theirs(seq: u64, intended: f64) -> Marker {
    let intended_micros = identity().origin_micros + at(intended).0 / 1000;
    Marker { run: RunTag(1), room: RoomTag(3), generator: GeneratorTag(77), seq, intended_micros }
}

fn hear(l: &mut Ledger, user: UserIndex, seq: u64, seconds: f64) {
    l.receive(user, SenderId::number(900), Sighting::Intact(theirs(seq, seconds - 0.01)), at(seconds));
}

fn figures(l: &Ledger) -> (u64, u64, u64) {
    let t = l.tally().origin(Origin::Remote);
    (t.expected, t.outcome(Outcome::OnTime), t.outcome(Outcome::Lost))
}

#[test]
fn a_gap_on_one_connection_is_a_loss_after_the_horizon() {
    let mut l = room(2);
    for (user, seq) in [(A, 5), (A, 6), (A, 7), (B, 5), (B, 7)] {
        hear(&mut l, user, seq, 1.0);
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
        hear(&mut l, A, seq, 1.0);
    }
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (3, 3, 0));
    assert_eq!(l.tally().origin(Origin::Remote).anomaly(Anomaly::Reordered), 1);
}

#[test]
fn a_gap_nobody_here_saw_is_a_loss_of_each() {
    let mut l = room(2);
    for (user, seq) in [(A, 1), (B, 1), (A, 3), (B, 3), (B, 3)] {
        hear(&mut l, user, seq, 1.0);
    }
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (6, 4, 2));
    assert_eq!(l.tally().origin(Origin::Remote).anomaly(Anomaly::Duplicate), 1);
}

#[test]
fn a_connection_that_ends_first_excuses_its_gaps() {
    let mut l = room(1);
    hear(&mut l, A, 1, 1.0);
    hear(&mut l, A, 3, 1.0);
    l.ended(A, Excuse::Server, at(0.0));
    l.sweep(at(100.0));
    assert_eq!(figures(&l), (3, 2, 0));
}

#[test]
fn a_gap_that_nobody_waits_for_any_longer_stays_outstanding() {
    let mut l = room(1);
    hear(&mut l, A, 1, 1.0);
    hear(&mut l, A, 3, 1.0);
    l.close(at(2.0));
    l.ended(A, Excuse::Left, at(2.1));
    l.sweep(at(100.0));
    assert_eq!((figures(&l), l.remote_outstanding()), ((3, 2, 0), 1));
}

#[test]
fn numbers_that_jump_far_cost_no_memory() {
    let mut l = room(1);
    hear(&mut l, A, 1, 1.0);
    hear(&mut l, A, (1 << 48) - 1, 1.0);
    hear(&mut l, A, 2, 1.0);
    l.sweep(at(100.0));
    assert_eq!(figures(&l).2, 0);
}

#[test]
fn a_machine_that_slept_begins_its_estimate_anew() {
    let mut l = room(1);
    let m = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, m, 1.02);
    let origin = m.intended_micros;
    l.receive(A, SenderId::number(900), Sighting::Intact(theirs(0, 2.0)), at(2.02));
    l.slept(Duration::from_secs(600));
    assert_eq!(send(&mut l, A, 1.0).intended_micros, origin + 600_000_000, "ten minutes later by the wall");
    l.receive(A, SenderId::number(900), Sighting::Intact(theirs(1, 603.0)), at(3.02));
    assert!(l.clock_offset().unwrap().abs() < 1e-6);
    let longest = l.tally().origin(Origin::Remote).durations[0].max();
    assert!(longest < 30_000 && l.tally().negative_durations == 0, "{longest}");
}

#[test]
fn others_messages_that_waited_in_a_stall_are_late_and_not_judged() {
    let mut l = room(1);
    l.look_for_stalls(Duration::from_millis(200), at(0.9));
    let m = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, m, 1.01);
    l.receive(A, SenderId::number(900), Sighting::Intact(theirs(0, 1.0)), at(1.01));
    l.receive(A, SenderId::number(900), Sighting::Intact(theirs(1, 1.2)), at(31.0));
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
        l.receive(A, SenderId::number(900), Sighting::Intact(theirs(seq, 7.0)), at(2.0));
    }
    let offset = l.clock_offset().unwrap();
    assert!((offset + 5.02).abs() < 1e-6, "{offset}");
    assert_eq!(l.tally().negative_durations, 0);
    assert_eq!(figures(&l), (3, 3, 0));
}
