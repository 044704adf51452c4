//! Notes and groups of losses against the figures: nothing is missing or duplicated.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::ledger::user_set::{RoomSpan, RoomUser, UserGroup, UserSet};
use crate::model::LOSS_GROUPS_TOLD;

/// Whether lines, groups and figures agree.
pub(super) fn is_complete(ledger: &mut Ledger) -> Result<(), TestCaseError> {
    let notes = ledger.take_notes();
    prop_assert_eq!(notes.gap().lines, 0);
    let (mut seen, mut lost) = (HashSet::new(), 0);
    for origin in [Origin::Local, Origin::Remote] {
        let of = |kind| notes.iter().filter(|note| note.origin == origin && note.kind == kind).count() as u64;
        let tally = ledger.tally().origin(origin);
        prop_assert_eq!(of(NoteKind::Lost), tally.outcome(Outcome::Lost), "{:?} lost", origin);
        for anomaly in Anomaly::ALL {
            prop_assert_eq!(of(NoteKind::Anomaly(*anomaly)), tally.anomaly(*anomaly), "{:?} {:?}", origin, anomaly);
        }
    }
    for note in notes.iter().filter(|note| note.kind == NoteKind::Lost) {
        lost += 1;
        // At most one connection of a user expects a number of ours; others' numbers can be forged.
        let of_ours = note.origin == Origin::Local;
        let fresh = seen.insert((note.receiver, note.origin, note.subject.marker.unwrap().seq));
        prop_assert!(fresh || !of_ours, "{:?} is there twice", note);
    }
    let groups = ledger.loss_groups();
    let told: u64 = groups.largest.iter().map(LossGroup::deliveries).sum();
    prop_assert_eq!(told + groups.rest_deliveries, lost);
    Ok(())
}

/// A ledger with connected users, which keeps notes.
fn watched(users: u32) -> Ledger {
    let mut ledger = room(users);
    ledger.keep_notes();
    ledger
}

fn arrive_at_all_but(ledger: &mut Ledger, marker: Marker, sender: UserIndex, missing: &[u32], users: u32) {
    for user in (0..users).filter(|user| !missing.contains(user)) {
        arrive(ledger, UserIndex(user), sender, marker, 1.0);
    }
}

#[test]
fn messages_missed_by_the_same_users_are_one_group() {
    let mut l = watched(20);
    let fifteen: Vec<u32> = (2..17).collect();
    for _ in 0..4 {
        let marker = send(&mut l, A, 0.5);
        arrive_at_all_but(&mut l, marker, A, &fifteen, 20);
    }
    let other = send(&mut l, B, 0.6);
    arrive_at_all_but(&mut l, other, B, &[3], 20);
    l.sweep(at(70.0));
    let groups = l.loss_groups().largest;
    assert_eq!(groups.iter().map(|g| (g.messages, g.receivers)).collect::<Vec<_>>(), [(4, 15), (1, 1)]);
    assert_eq!(groups[0].names, (2..7).map(UserIndex).collect::<Vec<_>>());
    assert_eq!((groups[0].senders.as_slice(), groups[0].unread), ([Sender::User(A)].as_slice(), 0));
    assert_eq!((groups[0].first_micros, groups[0].last_micros), (1_500_000, 1_500_000));
    is_complete(&mut l).unwrap();
}

#[test]
fn what_was_lost_one_by_one_joins_the_verdict_of_its_message() {
    let mut l = watched(4);
    let marker = send(&mut l, A, 0.0);
    arrive_at_all_but(&mut l, marker, A, &[1, 2, 3], 4);
    arrive(&mut l, B, A, marker, 60.5);
    l.closing(UserIndex(2), at(60.6));
    l.ended(UserIndex(2), DisconnectCause::Left, at(60.7));
    assert_eq!(l.loss_groups().largest.iter().map(|g| (g.messages, g.receivers)).collect::<Vec<_>>(), [(1, 2)]);
    l.sweep(at(61.0));
    assert_eq!(l.loss_groups().largest.iter().map(|g| (g.messages, g.receivers)).collect::<Vec<_>>(), [(1, 3)]);
    is_complete(&mut l).unwrap();
}

#[test]
fn a_message_received_by_none_differs_from_one_received_by_some() {
    let mut l = watched(3);
    send(&mut l, A, 0.0);
    l.sweep(at(61.0));
    let group = &l.loss_groups().largest[0];
    assert_eq!((group.messages, group.receivers, group.unread), (1, 3, 1));
}

#[test]
fn losses_of_many_sets_are_bounded_and_exact() {
    let mut l = watched(64);
    let often = send_and_miss(&mut l, &[1, 2, 3]);
    for one in 0..64_u32 {
        for other in 0..one {
            send_and_miss(&mut l, &[one, other]);
        }
    }
    for _ in 0..50 {
        send_and_miss(&mut l, &[1, 2, 3]);
    }
    l.sweep(at(70.0));
    let groups = l.loss_groups();
    assert_eq!((groups.largest.len(), groups.largest[0].messages, often.seq), (LOSS_GROUPS_TOLD, 51, 0));
    is_complete(&mut l).unwrap();
}

fn send_and_miss(l: &mut Ledger, missing: &[u32]) -> Marker {
    let marker = send(l, A, 0.0);
    arrive_at_all_but(l, marker, A, missing, 64);
    marker
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut l = watched(2);
    let marker = send(&mut l, A, 0.0);
    arrive(&mut l, B, A, marker, 0.1);
    let again = 300_000;
    (0..again).for_each(|_| arrive(&mut l, B, A, marker, 0.2));
    let notes = l.take_notes();
    let lines = notes.iter().count() as u64;
    assert!(lines > 200_000);
    assert_eq!(lines + notes.gap().lines, again);
    assert_eq!(l.log_lines().unwrap().dropped, notes.gap().lines);
    arrive(&mut l, B, A, marker, 0.3);
    assert_eq!(l.take_notes().iter().count(), 1, "there is room again");
    l.logged(lines, 0);
    assert_eq!(l.close_log(), again + 1 - lines, "what was taken and not written is dropped");
}

#[test]
fn a_loss_of_anothers_message_names_what_is_known_of_it() {
    let mut l = watched(2);
    let theirs = |seq| Marker { generator: GeneratorTag(77), seq, intended_micros: 1_200_000, ..send_marker() };
    for (user, seq) in [(A, 5), (A, 6), (A, 9), (B, 5), (B, 9)] {
        l.receive(user, id(UserIndex(800)), Decoded::Intact(theirs(seq)), at(1.0));
    }
    l.sweep(at(100.0));
    let notes: Vec<Note> = l.take_notes().iter().filter(|note| note.kind == NoteKind::Lost).collect();
    let known: Vec<_> =
        notes.iter().map(|n| (n.receiver, n.subject.marker.unwrap().seq, n.subject.intended_known)).collect();
    assert_eq!(known, [(B, 6, true), (A, 7, false), (B, 7, false), (A, 8, false), (B, 8, false)]);
    assert!(notes.iter().all(|note| note.origin == Origin::Remote && !note.arrived));
    assert_eq!(notes[0].subject.sender, Some(Sender::Id(id(UserIndex(800)))));
    let groups = l.loss_groups().largest;
    assert_eq!(
        groups.iter().map(|g| (g.messages, g.remote, g.unread, g.receivers)).collect::<Vec<_>>(),
        [(2, 2, 2, 2), (1, 1, 0, 1)]
    );
}

fn send_marker() -> Marker {
    let Identity { run, generator, .. } = identity();
    let room = ROOM;
    Marker { run, room, generator, seq: 0, intended_micros: 0 }
}

#[derive(Debug, Clone)]
enum Event {
    /// Another generator's message is read: user, number, and its age in tenths of a second.
    Hear(u32, u64, u64),
    Damaged(u32, u64),
    Back(u32),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let (user, seq) = (0..4_u32, 0..40_u64);
    prop_oneof![
        12 => (user.clone(), seq.clone(), prop_oneof![0..50_u64, 500..700_u64]).prop_map(|(u, n, age)| Event::Hear(u, n, age)),
        2 => (user.clone(), seq).prop_map(|(u, n)| Event::Damaged(u, n)),
        1 => user.prop_map(Event::Back),
        2 => (0..70_u64).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_loss_of_others_messages_has_one_line_and_one_group(events in prop::collection::vec(event(), 0..200)) {
        let (mut l, mut now) = (watched(4), 200.0);
        let theirs = |seq, intended: f64| Marker {
            generator: GeneratorTag(77),
            seq,
            intended_micros: identity().origin_micros + at(intended).0 / 1_000,
            ..send_marker()
        };
        let from = id(UserIndex(800));
        for event in events {
            match event {
                Event::Hear(user, seq, age) => {
                    let marker = theirs(seq, now - age as f64 / 10.0);
                    l.receive(UserIndex(user), from, Decoded::Intact(marker), at(now));
                }
                Event::Damaged(user, seq) => {
                    l.receive(UserIndex(user), from, Decoded::Corrupt(Some(theirs(seq, now))), at(now));
                }
                Event::Back(user) => {
                    l.ended(UserIndex(user), DisconnectCause::Server, at(now));
                    l.opening(UserIndex(user));
                    l.connected(UserIndex(user), at(now));
                }
                Event::Pass(seconds) => {
                    now += seconds as f64;
                    l.sweep(at(now));
                }
            }
            now += 0.001;
        }
        l.sweep(at(now + 300.0));
        is_complete(&mut l)?;
    }
}

#[test]
fn a_number_that_is_missed_again_counts_again() {
    let mut losses = crate::ledger::losses::Losses::default();
    let subject = Subject::read(Sender::User(B), send_marker());
    let (room, a, b) = (RoomSpan { first: 0, users: 4 }, RoomUser(0), RoomUser(1));
    losses.one(Origin::Remote, room, a, subject, 1);
    losses.one(Origin::Remote, room, a, subject, 1);
    losses.one(Origin::Remote, room, b, subject, 1);
    let users = UserSet::of(4, |user| user == a);
    losses.judged(Origin::Remote, UserGroup { room, users }, subject, 2);
    let groups = losses.groups();
    let told: u64 = groups.largest.iter().map(LossGroup::deliveries).sum();
    assert_eq!(told + groups.rest_deliveries, 4);
}
