//! The knobs as they are now, where every task can see them, and the chances that are drawn
//! outside of rooms: for pages and upgrades.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use strum::EnumCount;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::dose::{Dose, Meter};
use super::kinds::{Fault, InjectedTally};
use super::knobs::Faults;
use super::record::{Epoch, Record};
use crate::server::hall::HISTORY;

/// The largest payload of an oversize frame, in bytes.
const OVERSIZE_LIMIT: usize = 1024 * 1024 * 1024;

/// A knob that cannot be set to that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{knob} {rule}")]
pub struct BadKnob {
    /// The knob's name in JSON.
    knob: &'static str,
    rule: &'static str,
}

impl BadKnob {
    /// What is wrong with which.
    pub(in crate::server) fn new(knob: &'static str, rule: &'static str) -> Self {
        Self { knob, rule }
    }
}

/// Checks what the types cannot.
fn check(faults: &Faults) -> Result<(), BadKnob> {
    let (chat, socket, presence) = (&faults.chat, &faults.socket, &faults.presence);
    let share = |share: f64| (0.0..=1.0).contains(&share);
    let rules = [
        (share(socket.deaf), "socket.deaf", "is a share from 0 to 1"),
        (share(socket.mute), "socket.mute", "is a share from 0 to 1"),
        (share(presence.ghosts), "presence.ghosts", "is a share from 0 to 1"),
        (share(presence.missing), "presence.missing", "is a share from 0 to 1"),
        (presence.flood <= 10_000, "presence.flood", "is 10000 at most"),
        ((400..600).contains(&socket.refuse_status), "socket.refuse_status", "is an HTTP status from 400 to 599"),
        ((1000..5000).contains(&socket.close_code), "socket.close_code", "is a close code from 1000 to 4999"),
        (chat.delay_min <= chat.delay_max, "chat.delay_min", "is chat.delay_max at most"),
        (chat.replay <= HISTORY, "chat.replay", "is 100 at most"),
        (chat.oversize_bytes <= OVERSIZE_LIMIT, "chat.oversize_bytes", "is a gibibyte at most"),
    ];
    match rules.into_iter().find(|(holds, ..)| !holds) {
        Some((_, knob, rule)) => Err(BadKnob { knob, rule }),
        None => Ok(()),
    }
}

#[derive(Debug)]
struct Chances {
    meters: [Meter; Fault::COUNT],
    random: StdRng,
}

impl Chances {
    fn new(seed: u64) -> Self {
        Self { meters: [Meter::default(); Fault::COUNT], random: StdRng::seed_from_u64(seed) }
    }
}

/// The knobs, the stall, and the account of what was injected.
#[derive(Debug)]
pub(in crate::server) struct Desk {
    knobs: watch::Sender<Arc<Faults>>,
    stalled_until: watch::Sender<Option<Instant>>,
    chances: Mutex<Chances>,
    pub injected: InjectedTally,
    pub record: Record,
    pub epoch: Epoch,
}

impl Desk {
    /// A desk with knobs set, which keeps the last `record` strikes.
    pub(in crate::server) fn new(faults: Faults, record: usize) -> Result<Self, BadKnob> {
        check(&faults)?;
        Ok(Self {
            chances: Mutex::new(Chances::new(faults.seed)),
            knobs: watch::Sender::new(Arc::new(faults)),
            stalled_until: watch::Sender::new(None),
            injected: InjectedTally::default(),
            record: Record::new(record),
            epoch: Epoch::now(),
        })
    }

    /// The knobs as they are.
    pub(in crate::server) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.knobs.borrow())
    }

    /// The knobs as they are, and news of every change.
    pub(in crate::server) fn watch(&self) -> watch::Receiver<Arc<Faults>> {
        self.knobs.subscribe()
    }

    /// Sets all knobs; every dose counts from the beginning again, with the new seed.
    pub(in crate::server) fn set(&self, faults: Faults) -> Result<(), BadKnob> {
        check(&faults)?;
        *self.chances.lock() = Chances::new(faults.seed);
        self.knobs.send_replace(Arc::new(faults));
        Ok(())
    }

    /// Whether a fault of a page or an upgrade strikes now; it is counted where it does.
    pub(in crate::server) fn strikes(&self, fault: Fault, dose: Dose) -> bool {
        if dose == Dose::Never {
            return false;
        }
        let mut chances = self.chances.lock();
        let Chances { meters, random } = &mut *chances;
        let strikes = meters.get_mut(fault as usize).is_some_and(|meter| meter.strikes(dose, random));
        if strikes {
            self.injected.one(fault);
        }
        strikes
    }

    /// Makes everything stand still for a while from now on; no time ends what stands still now.
    pub(in crate::server) fn stall(&self, time: Duration) {
        self.injected.one(Fault::Stall);
        self.stalled_until.send_replace(Some(Instant::now() + time));
    }

    /// Returns at once, or where the target stands still, when it goes on.
    pub(in crate::server) async fn pass(&self) {
        if self.stalled_until.borrow().is_none() {
            return;
        }
        let mut stall = self.stalled_until.subscribe();
        loop {
            let until = *stall.borrow_and_update();
            match until {
                Some(until) if Instant::now() < until => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        _ = stall.changed() => {}
                    }
                }
                _ => return,
            }
        }
    }
}

/// A number from 0 to 1 that belongs to `id`: shares of connections and users are drawn by it,
/// so that the same ones are meant for as long as a share is set.
pub(in crate::server) fn lot(seed: u64, id: u64) -> f64 {
    // SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    let mut mixed = seed.wrapping_add(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper 53 bits are exact in a float.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_even() {
        let below = (0..10_000).filter(|id| lot(7, *id) < 0.3).count();
        assert!((2_800..3_200).contains(&below), "{below}");
        assert!((0..10_000).all(|id| (0.0..1.0).contains(&lot(9, id))));
    }

    #[test]
    fn a_knob_out_of_its_range_is_named() {
        let mut faults = Faults::default();
        faults.socket.deaf = 1.5;
        let error = Desk::new(faults, 0).unwrap_err().to_string();
        assert_eq!(error, "socket.deaf is a share from 0 to 1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_holds_for_its_time() {
        let desk = Desk::new(Faults::default(), 0).unwrap();
        let start = Instant::now();
        desk.pass().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        desk.stall(Duration::from_secs(10));
        desk.pass().await;
        assert!(start.elapsed() >= Duration::from_secs(10));
        desk.stall(Duration::from_secs(3600));
        tokio::join!(desk.pass(), async { desk.stall(Duration::ZERO) });
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
