//! Two rooms in one ledger, rule by rule; and the memory of a thousand rooms.

use super::rooms::tag;
use super::*;

/// Two rooms of two users each, all connected.
fn two_rooms() -> Ledger {
    let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
    let shares = [0, 1].map(|room| RoomShare { tag: tag(room), users: 2 });
    let mut ledger = Ledger::new(terms, DeliveryRules::ALL, identity(), &shares);
    for user in (0..4).map(UserIndex) {
        ledger.introduce(user, id(user));
        ledger.opening(user);
        ledger.connected(user, at(0.0));
    }
    ledger
}

#[test]
fn numbers_count_from_0_in_each_room_and_only_the_room_expects_a_message() {
    let mut l = two_rooms();
    let sent = [0, 2, 0, 3].map(|user| l.record_send(UserIndex(user), at(0.0), at(0.0)));
    let told = sent.map(|sent| (sent.marker.room, sent.marker.seq, sent.expected));
    assert_eq!(told, [(tag(0), 0, 2), (tag(1), 0, 2), (tag(0), 1, 2), (tag(1), 1, 2)]);
    assert!(l.is_own(A, &sent[0].marker) && !l.is_own(UserIndex(2), &sent[0].marker));
    assert_eq!(l.standing(tag(1), 1).map(|standing| standing.outstanding), Some(2));
}

#[test]
fn a_message_that_leaks_into_another_room_of_this_generator_is_unexpected_there_and_still_expected_here() {
    let mut l = two_rooms();
    let marker = send(&mut l, A, 0.0);
    for user in [A, B, UserIndex(2), UserIndex(3)] {
        arrive(&mut l, user, A, marker, 0.1);
    }
    assert_eq!((outcomes(&l), local(&l).anomaly(Anomaly::Unexpected)), (vec![(Outcome::OnTime, 2)], 2));
    assert_eq!(l.worst_rooms(9), [l.room_figures(1).unwrap()], "where it leaked to");
    assert_eq!(l.room_figures(1).unwrap().leaked, 2);
    assert!(l.is_settled());
}

#[test]
fn the_rooms_with_the_most_losses_come_first() {
    let mut l = two_rooms();
    let late = send(&mut l, A, 0.0);
    send(&mut l, UserIndex(2), 0.0);
    arrive(&mut l, A, A, late, 20.0);
    arrive(&mut l, B, A, late, 0.1);
    l.sweep(at(61.0));
    let (first, second) = (l.room_figures(1).unwrap(), l.room_figures(0).unwrap());
    assert_eq!([first.outcome(Outcome::Lost), second.outcome(Outcome::Late)], [2, 1]);
    assert_eq!(l.worst_rooms(9), [first, second]);
    assert_eq!(l.worst_rooms(1), [first]);
    assert_eq!(l.loss_groups().largest[0].names, [UserIndex(2), UserIndex(3)]);
}

#[test]
fn the_offset_of_a_generators_clock_is_estimated_over_all_rooms() {
    let mut l = two_rooms();
    let own = send(&mut l, A, 1.0);
    arrive(&mut l, A, A, own, 1.02);
    let theirs = |room, intended: f64| Marker {
        room: tag(room),
        generator: GeneratorTag(77),
        intended_micros: identity().origin_micros + at(intended).0 / 1_000,
        ..own
    };
    l.receive(A, SenderId::number(900), Decoded::Intact(theirs(0, 1.98)), at(2.0));
    // In the second room nothing faster is known, yet it is late.
    l.receive(UserIndex(2), SenderId::number(900), Decoded::Intact(theirs(1, 2.0)), at(22.0));
    assert_eq!(l.tally().origin(Origin::Remote).outcome(Outcome::Late), 1);
    assert!(l.clock_offset().unwrap().abs() < 1e-6);
}

/// Memory, in bytes, of a ledger with connected users, idle or with ten messages per second.
fn bytes(rooms: u32, users: u32, busy: bool) -> u64 {
    let shares: Vec<RoomShare> = (0..rooms).map(|room| RoomShare { tag: RoomTag(room), users }).collect();
    let mut kept = None;
    let info = allocation_counter::measure(|| {
        let terms = DeliveryTerms { deadline: DEADLINE, horizon: HORIZON };
        let mut ledger = Ledger::new(terms, DeliveryRules::ALL, identity(), &shares);
        for user in (0..rooms * users).map(UserIndex) {
            ledger.introduce(user, id(user));
            ledger.opening(user);
            ledger.connected(user, at(0.0));
        }
        for n in 0..if busy { 1_200 } else { 0 } {
            let now = at(f64::from(n) / 10.0);
            ledger.record_send(UserIndex(n * 7_919 % (rooms * users)), now, now);
            ledger.sweep(now);
        }
        kept = Some(ledger);
    });
    drop(kept);
    u64::try_from(info.bytes_current).unwrap()
}

#[test]
fn a_thousand_rooms_of_ten_take_at_most_a_fifth_more_than_one_of_ten_thousand() {
    for busy in [false, true] {
        let (one, many) = (bytes(1, 10_000, busy), bytes(1_000, 10, busy));
        assert!(many * 5 <= one * 6, "busy {busy}: {many} bytes instead of {one}");
    }
}
