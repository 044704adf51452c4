//! Watches the clocks and the server's addresses: a run of days must notice their changes and must
//! not blame the server for them.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::background::ticks;
use super::timeline::Recorder;
use crate::clock_events::{ClockChange, Detector, Readings};
use crate::model::{ClockEvent, Failure};
use crate::protocol::Driver;
use crate::saturation::Judge;
use crate::user::RunContext;

/// Interval between two readings of the clocks.
const LOOK: Duration = Duration::from_millis(250);
/// A user silent for longer may be taken off a member list: heartbeats go out every 25 s, and servers
/// may give up after a minute without one.
const SILENT: Duration = Duration::from_secs(30);
/// Interval between two look-ups of the server's name.
const LOOK_UP: Duration = Duration::from_secs(60);
/// An answer with this many addresses may be only a part of a larger set: Amazon's Route 53 answers
/// with eight (multivalue answers).
const MANY: usize = 8;

/// Watches the clocks and reports their changes.
pub(crate) async fn watch_clocks<D: Driver>(
    context: Arc<RunContext<D>>,
    judge: Arc<Mutex<Judge>>,
    recorder: Recorder,
    until: CancellationToken,
) {
    let mut detector: Option<Detector> = None;
    while ticks(LOOK, &until).await {
        // The next reading makes up for one that was disturbed.
        let Some(now) = Readings::take() else { continue };
        match &mut detector {
            None => detector = Some(Detector::new(now, LOOK)),
            Some(detector) => detector.look(now).for_each(|change| notice(&context, &judge, &recorder, change)),
        }
    }
}

/// Logs and counts a change, and keeps it from spoiling the figures.
fn notice<D: Driver>(context: &RunContext<D>, judge: &Mutex<Judge>, recorder: &Recorder, change: ClockChange) {
    let ClockChange { event, length, back } = change;
    let seconds = length.as_secs_f64();
    context.metrics.clock_event(event, length);
    recorder.note("clock", &in_words(change));
    match event {
        ClockEvent::WallJump => {
            let direction = if back { "back" } else { "ahead" };
            tracing::warn!(seconds, direction, "the wall clock was set; the figures use another clock");
        }
        ClockEvent::Suspend => {
            context.ledger.lock().slept(length);
            recorder.slept(length);
            tracing::warn!(seconds, "the machine slept; the run's clock stood still meanwhile");
        }
        ClockEvent::Stall => {
            judge.lock().stood_still(length);
            tracing::error!(seconds, "this process stood still; intents due meanwhile are dropped, not caught up on");
        }
    }
    if event != ClockEvent::WallJump && length >= SILENT {
        context.room_states.iter().for_each(|room| room.membership.lock().was_silent());
    }
}

/// A change in words, for the timeline.
fn in_words(ClockChange { event, length, back }: ClockChange) -> String {
    let seconds = length.as_secs_f64();
    match event {
        ClockEvent::WallJump if back => format!("wall_jump: the wall clock was set back by {seconds:.1} s"),
        ClockEvent::WallJump => format!("wall_jump: the wall clock was set ahead by {seconds:.1} s"),
        ClockEvent::Suspend => format!("suspend: the machine slept for {seconds:.1} s"),
        ClockEvent::Stall => format!("stall: the generator stood still for {seconds:.1} s"),
    }
}

/// Looks the server's name up every minute, and notices when its addresses change.
pub(crate) async fn watch_name<D: Driver>(context: Arc<RunContext<D>>, recorder: Recorder, until: CancellationToken) {
    let changed = || {
        context.metrics.dns_changed();
        recorder.note("dns", "the server's name resolves to other addresses");
    };
    watch(|| context.driver.addresses(), changed, &until).await;
}

async fn watch<F>(look_up: impl Fn() -> F, mut changed: impl FnMut(), until: &CancellationToken)
where
    F: Future<Output = Result<Vec<IpAddr>, Failure>>,
{
    let mut known = BTreeSet::new();
    loop {
        // If the name is not found, connecting will say so.
        if let Ok(found) = look_up().await
            && !found.is_empty()
        {
            let found = found.into_iter().collect();
            if differ(&known, &found) {
                tracing::warn!(before = ?known, now = ?found, "the server's name resolves to other addresses");
                changed();
            }
            known = found;
        }
        if !ticks(LOOK_UP, until).await {
            return;
        }
    }
}

/// Whether a name's addresses have changed. Answers show only a part of a long list, a different one
/// each time.
fn differ(known: &BTreeSet<IpAddr>, found: &BTreeSet<IpAddr>) -> bool {
    if known.is_empty() {
        return false;
    }
    if known.len().min(found.len()) >= MANY { known.is_disjoint(found) } else { known != found }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::model::FailureKind;

    fn ips(last: &[u8]) -> Vec<IpAddr> {
        last.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_moves_is_noticed_once_each_time() {
        let lost = || Err(Failure::new(FailureKind::Dns));
        let answers = RefCell::new(vec![
            lost(),
            Ok(ips(&[1, 2])),
            Ok(ips(&[2, 1])),
            lost(),
            Ok(ips(&[3])),
            Ok(ips(&[3])),
            Ok(ips(&[1, 2])),
        ]);
        answers.borrow_mut().reverse();
        let (until, changes) = (CancellationToken::new(), Cell::new(0));
        let look_up = || {
            let answer = answers.borrow_mut().pop();
            if answers.borrow().is_empty() {
                until.cancel();
            }
            async move { answer.unwrap() }
        };
        watch(look_up, || changes.set(changes.get() + 1), &until).await;
        assert_eq!((changes.get(), answers.borrow().len()), (2, 0));
    }

    #[test]
    fn of_many_addresses_some_may_be_others() {
        let set = |last: std::ops::Range<u8>| last.map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert!(!differ(&set(0..8), &set(4..12)));
        assert!(differ(&set(0..8), &set(8..16)));
        assert!(differ(&set(0..2), &set(0..1)));
        assert!(!differ(&set(0..0), &set(0..1)), "the first look-up is no change");
    }
}
