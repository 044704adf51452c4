//! Planned disruptions: which part is judged, and that both parts balance.

use super::*;
use crate::model::SpoiltBy;

/// Sends a message at each of these seconds, which B and A receive after the second number of seconds; if
/// that is negative, no user receives it.
fn history(ledger: &mut Ledger, messages: &[(f64, f64)]) {
    for (sent, took) in messages {
        let recorded = ledger.record_send(A, at(*sent), at(*sent));
        if *took >= 0.0 {
            for user in [A, B] {
                ledger.receive(user, id(A), Decoded::Intact(recorded.marker), at(sent + took));
            }
        }
    }
}

const MESSAGES: [(f64, f64); 6] = [(1.0, 0.1), (10.0, -1.0), (11.0, 12.0), (12.0, 0.2), (29.0, -1.0), (35.0, 0.1)];

fn disrupted(is_set_aside: bool) -> Ledger {
    let mut ledger = room(2);
    if is_set_aside {
        ledger.set_marked_aside();
    }
    ledger.look_for_stalls(Duration::from_secs(1_000), at(0.0));
    history(&mut ledger, &MESSAGES[..1]);
    ledger.mark_begins(at(9.0));
    history(&mut ledger, &MESSAGES[1..4]);
    ledger.mark_ends(at(28.0));
    history(&mut ledger, &MESSAGES[4..]);
    ledger.sweep(at(200.0));
    ledger
}

fn outcomes(counts: &DeliveryCounts) -> [u64; 4] {
    [counts.expected, counts.outcome(Outcome::OnTime), counts.outcome(Outcome::Late), counts.outcome(Outcome::Lost)]
}

#[test]
fn messages_intended_in_a_mark_are_told_apart_and_judged_unless_they_are_set_aside() {
    let ledger = disrupted(false);
    assert_eq!(outcomes(&ledger.counts(Origin::Local)), [12, 6, 2, 4]);
    assert_eq!(outcomes(&ledger.marked(Origin::Local)), [6, 2, 2, 2]);
    assert_eq!(ledger.judged(Origin::Local), ledger.counts(Origin::Local));
    let ledger = disrupted(true);
    assert_eq!(outcomes(&ledger.counts(Origin::Local)), [12, 6, 2, 4]);
    assert_eq!(outcomes(&ledger.marked(Origin::Local)), [6, 2, 2, 2]);
    let judged = ledger.judged(Origin::Local);
    assert_eq!(outcomes(&judged), [6, 4, 0, 2], "the loss after the mark stays");
    assert!(judged.balances());
    assert_eq!(ledger.judged_durations(Origin::Local).len(), 4);
}

#[test]
fn each_disruption_has_its_own_counts_however_near_they_are() {
    let mut ledger = room(2);
    ledger.mark_begins(at(9.0));
    history(&mut ledger, &[(9.5, 0.1)]);
    ledger.mark_ends(at(10.0));
    history(&mut ledger, &[(10.5, -1.0)]);
    ledger.mark_begins(at(11.0));
    history(&mut ledger, &[(11.5, -1.0), (12.0, 12.0)]);
    ledger.mark_ends(at(13.0));
    ledger.sweep(at(200.0));
    let each: Vec<_> = ledger.each_marked().iter().map(|counts| outcomes(&counts[Origin::Local as usize])).collect();
    assert_eq!(each, [[2, 2, 0, 0], [4, 0, 2, 2]]);
    assert_eq!(outcomes(&ledger.marked(Origin::Local)), [6, 2, 2, 2]);
    for _ in 0..2_000 {
        ledger.mark_begins(at(300.0));
        ledger.mark_ends(at(300.0));
    }
    assert_eq!(ledger.each_marked().len(), 100);
    ledger.mark_begins(at(301.0));
    history(&mut ledger, &[(302.0, -1.0)]);
    ledger.sweep(at(500.0));
    assert_eq!(outcomes(&ledger.marked(Origin::Local)), [8, 2, 2, 4], "beyond those that are counted one by one");
}

#[test]
fn what_was_spoilt_besides_is_left_out_once() {
    let mut ledger = room(2);
    ledger.set_marked_aside();
    ledger.look_for_stalls(Duration::from_secs(1_000), at(0.0));
    ledger.mark_begins(at(9.0));
    history(&mut ledger, &[(10.0, 11.0)]);
    ledger.mark_ends(at(21.5));
    history(&mut ledger, &[(22.0, 11.0)]);
    ledger.window_over(&[SpoiltBy::ReadDelay], at(34.0));
    history(&mut ledger, &[(35.0, 11.0)]);
    ledger.sweep(at(200.0));
    assert_eq!(outcomes(&ledger.counts(Origin::Local)), [6, 0, 6, 0]);
    let judged = ledger.judged(Origin::Local);
    assert_eq!(outcomes(&judged), [2, 0, 2, 0], "one is marked, one was spoilt");
    assert_eq!(ledger.judged_durations(Origin::Local).len(), 2);
}

#[test]
fn excuses_and_anomalies_of_a_mark_are_in_it() {
    let mut ledger = room(2);
    ledger.set_marked_aside();
    ledger.mark_begins(at(9.0));
    let recorded = ledger.record_send(A, at(10.0), at(10.0));
    for _ in 0..2 {
        ledger.receive(A, id(A), Decoded::Intact(recorded.marker), at(10.1));
    }
    ledger.ended(B, DisconnectCause::Server, at(11.0));
    let marked = ledger.marked(Origin::Local);
    assert_eq!((marked.outcome(Outcome::ExcusedServer), marked.anomaly(Anomaly::Duplicate)), (1, 1));
    assert!(marked.balances());
    let judged = ledger.judged(Origin::Local);
    assert_eq!((judged.expected, judged.anomaly(Anomaly::Duplicate)), (0, 0));
}
