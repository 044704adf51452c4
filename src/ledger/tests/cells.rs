//! Cells of intended time: they sum to the counts, each message is in its own cell, and each is handed out once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use strum::EnumCount as _;

use super::*;

/// The start of the cell of a message intended `ms` milliseconds after stamp 0.
pub(super) fn start(ms: u64) -> u64 {
    let seconds = (identity().origin_micros / 1_000 + ms) / 1_000;
    seconds - seconds % CELL_SECONDS
}

fn stamp(ms: u64) -> Stamp {
    Stamp::default().plus(Duration::from_millis(ms))
}

/// Cells that were handed out, in order.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<Cell>);

impl Taken {
    pub(super) fn take(&mut self, ledger: &mut Ledger, now: u64) -> Result<(), TestCaseError> {
        for cell in ledger.take_closed_cells(stamp(now)) {
            prop_assert!(self.0.last().is_none_or(|last| last.start < cell.start), "{cell:?}");
            prop_assert!(cell.counts.iter().all(|counts| counts.outstanding == 0), "{cell:?}");
            self.0.push(cell);
        }
        Ok(())
    }

    fn all(&self, ledger: &Ledger) -> Vec<Cell> {
        self.0.iter().cloned().chain(ledger.open_cells()).collect()
    }

    pub(super) fn sum_to_the_counts(&self, ledger: &Ledger) -> Result<(), TestCaseError> {
        let cells = self.all(ledger);
        prop_assert!(cells.windows(2).all(|pair| pair[0].start < pair[1].start), "{cells:?}");
        for origin in [Origin::Local, Origin::Remote] {
            let mut sum = DeliveryCounts::default();
            for counts in cells.iter().map(|cell| &cell.counts[origin as usize]) {
                prop_assert!(counts.balances(), "{counts:?}");
                sum.expected += counts.expected;
                sum.outstanding += counts.outstanding;
                sum.raced += counts.raced;
                sum.outcomes.iter_mut().zip(counts.outcomes).for_each(|(sum, n)| *sum += n);
                sum.anomalies.iter_mut().zip(counts.anomalies).for_each(|(sum, n)| *sum += n);
            }
            prop_assert_eq!(sum, ledger.counts(origin));
        }
        for cell in &cells {
            let local = &cell.counts[Origin::Local as usize];
            prop_assert_eq!(cell.times.count(), local.outcome(Outcome::OnTime) + local.outcome(Outcome::Late));
        }
        Ok(())
    }

    /// Expected deliveries and outcomes by the start of their cell, if there are any.
    pub(super) fn outcomes(&self, ledger: &Ledger, origin: Origin) -> BTreeMap<u64, (u64, [u64; Outcome::COUNT])> {
        let counts = |cell: Cell| (cell.start, cell.counts[origin as usize]);
        let of_origin = self.all(ledger).into_iter().map(counts).filter(|(_, counts)| counts.expected > 0);
        of_origin.map(|(start, counts)| (start, (counts.expected, counts.outcomes))).collect()
    }
}

#[test]
fn a_message_is_in_the_cell_of_its_intended_time_wherever_it_is_handed_over_or_arrives() {
    let mut l = room(2);
    let sent = l.record_send(A, at(3.9), at(4.1));
    arrive(&mut l, A, A, sent.marker, 4.5);
    arrive(&mut l, B, A, sent.marker, 15.0);
    send(&mut l, B, 4.0);
    let cells = l.open_cells();
    assert_eq!(cells.iter().map(|cell| cell.start).collect::<Vec<_>>(), [0, 5]);
    let [first, second] = [0, 1].map(|i: usize| cells[i].counts[Origin::Local as usize]);
    assert_eq!((first.expected, first.outcome(Outcome::OnTime), first.outcome(Outcome::Late)), (2, 1, 1));
    assert_eq!((second.expected, second.outstanding), (2, 2));
    assert!((cells[0].times.quantile(1.0).unwrap() / 11.1 - 1.0).abs() < 0.02);
}

#[test]
fn a_cell_is_handed_out_two_horizons_after_its_end_and_once() {
    let mut l = room(1);
    let sent = send(&mut l, A, 0.5);
    arrive(&mut l, A, A, sent, 0.6);
    let cells = |l: &mut Ledger, seconds: f64| {
        l.sweep(at(seconds));
        (l.take_closed_cells(at(seconds)).len(), l.open_cells().len())
    };
    // The first cell ends four seconds after stamp 0.
    assert_eq!(cells(&mut l, 124.9), (0, 1));
    assert_eq!(cells(&mut l, 125.1), (1, 0));
    assert_eq!(cells(&mut l, 500.0), (0, 0));
}

#[test]
fn an_open_delivery_keeps_its_cell_until_it_is_outstanding() {
    let mut l = room(1);
    send(&mut l, A, 0.5);
    l.close(at(1.0));
    l.sweep(at(1_000.0));
    assert_eq!(l.take_closed_cells(at(1_000.0)), []);
    let cell = &l.open_cells()[0];
    assert_eq!(cell.counts[0].outstanding, 1);
}

#[test]
fn absurd_times_are_in_a_cell_that_is_open() {
    let mut l = room(1);
    let own = send(&mut l, A, 500.0);
    let cells = |l: &Ledger| l.open_cells().iter().map(|c| c.start).collect::<Vec<_>>();
    assert_eq!(l.take_closed_cells(at(500.0)), []);
    assert_eq!(cells(&l), [500]);
    // Times in the past and in the future.
    for intended_micros in [0, 200_000_000, u64::MAX] {
        let forged = Marker { seq: 900, intended_micros, ..own };
        l.receive(A, id(A), Decoded::Intact(forged), at(500.0));
    }
    assert_eq!(cells(&l), [380, 500]);
    assert_eq!(l.open_cells().iter().map(|c| c.counts[0].anomalies[3]).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_machine_that_slept_for_a_week_has_no_cells_of_that_time() {
    let mut l = room(1);
    send(&mut l, A, 1.0);
    l.slept(Duration::from_secs(7 * 86_400));
    send(&mut l, A, 2.0);
    assert_eq!(l.open_cells().iter().map(|c| c.start).collect::<Vec<_>>(), [0, 604_800]);
}
