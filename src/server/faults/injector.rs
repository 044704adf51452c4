//! The fault injector that all tasks share: the settings in force, the stall, the triggers of page
//! and upgrade faults, and the record of injected faults.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use strum::EnumCount;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::frequency::{Frequency, Trigger};
use super::injection_log::{InjectionLog, WallClock};
use super::kinds::{Fault, FaultCounters};
use super::settings::Faults;
use crate::server::chat::HISTORY;

/// The largest payload of an oversize frame, in bytes.
const OVERSIZE_LIMIT: usize = 1024 * 1024 * 1024;

/// A fault setting that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {rule}")]
pub struct InvalidFault {
    /// The setting's name in JSON.
    setting: &'static str,
    rule: &'static str,
}

impl InvalidFault {
    /// A setting and the rule that it breaks.
    pub(in crate::server) fn new(setting: &'static str, rule: &'static str) -> Self {
        Self { setting, rule }
    }
}

/// Checks the ranges that the types do not enforce.
fn check(faults: &Faults) -> Result<(), InvalidFault> {
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
        Some((_, setting, rule)) => Err(InvalidFault { setting, rule }),
        None => Ok(()),
    }
}

#[derive(Debug)]
struct Triggers {
    by_fault: [Trigger; Fault::COUNT],
    random: StdRng,
}

impl Triggers {
    fn new(seed: u64) -> Self {
        Self { by_fault: [Trigger::default(); Fault::COUNT], random: StdRng::seed_from_u64(seed) }
    }
}

/// The settings, the stall, and the record of what was injected.
#[derive(Debug)]
pub(in crate::server) struct FaultInjector {
    faults: watch::Sender<Arc<Faults>>,
    stalled_until: watch::Sender<Option<Instant>>,
    triggers: Mutex<Triggers>,
    pub injected: FaultCounters,
    pub log: InjectionLog,
    pub clock: WallClock,
}

impl FaultInjector {
    /// An injector with these settings, which logs the last `log_limit` faults of deliveries.
    pub(in crate::server) fn new(faults: Faults, log_limit: usize) -> Result<Self, InvalidFault> {
        check(&faults)?;
        Ok(Self {
            triggers: Mutex::new(Triggers::new(faults.seed)),
            faults: watch::Sender::new(Arc::new(faults)),
            stalled_until: watch::Sender::new(None),
            injected: FaultCounters::default(),
            log: InjectionLog::new(log_limit),
            clock: WallClock::now(),
        })
    }

    /// The settings in force.
    pub(in crate::server) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.borrow())
    }

    /// The settings in force, and every change.
    pub(in crate::server) fn subscribe(&self) -> watch::Receiver<Arc<Faults>> {
        self.faults.subscribe()
    }

    /// Replaces all settings; every trigger starts again, with the new seed.
    pub(in crate::server) fn set(&self, faults: Faults) -> Result<(), InvalidFault> {
        check(&faults)?;
        *self.triggers.lock() = Triggers::new(faults.seed);
        self.faults.send_replace(Arc::new(faults));
        Ok(())
    }

    /// Whether a fault of a page or an upgrade fires now; counts it if it does.
    pub(in crate::server) fn fires(&self, fault: Fault, frequency: Frequency) -> bool {
        if frequency == Frequency::Never {
            return false;
        }
        let mut triggers = self.triggers.lock();
        let Triggers { by_fault, random } = &mut *triggers;
        let fires = by_fault.get_mut(fault as usize).is_some_and(|trigger| trigger.fires(frequency, random));
        if fires {
            self.injected.increment(fault);
        }
        fires
    }

    /// Stalls everything for `time` from now on; zero ends a stall.
    pub(in crate::server) fn stall(&self, time: Duration) {
        self.injected.increment(Fault::Stall);
        self.stalled_until.send_replace(Some(Instant::now() + time));
    }

    /// Returns at once, or after a stall, when it ends.
    pub(in crate::server) async fn wait_while_stalled(&self) {
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

/// A hash of `id` from 0 to 1: it selects a share of the connections or users, the same ones for
/// as long as the share is set.
pub(in crate::server) fn unit_hash(seed: u64, id: u64) -> f64 {
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
    fn unit_hashes_are_uniform() {
        let below = (0..10_000).filter(|id| unit_hash(7, *id) < 0.3).count();
        assert!((2_800..3_200).contains(&below), "{below}");
        assert!((0..10_000).all(|id| (0.0..1.0).contains(&unit_hash(9, id))));
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        let mut faults = Faults::default();
        faults.socket.deaf = 1.5;
        let error = FaultInjector::new(faults, 0).unwrap_err().to_string();
        assert_eq!(error, "socket.deaf is a share from 0 to 1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_lasts_until_its_time_or_a_shorter_one() {
        let injector = FaultInjector::new(Faults::default(), 0).unwrap();
        let start = Instant::now();
        injector.wait_while_stalled().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        injector.stall(Duration::from_secs(10));
        injector.wait_while_stalled().await;
        assert!(start.elapsed() >= Duration::from_secs(10));
        injector.stall(Duration::from_secs(3600));
        tokio::join!(injector.wait_while_stalled(), async { injector.stall(Duration::ZERO) });
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
