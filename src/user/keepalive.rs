//! When a user gives signs of life: always in step with its first.

use std::time::Duration;

use crate::clock::Stamp;

/// Between two signs of life; every second one is the heartbeat, so it goes out every 25 s.
pub(super) const KEEPALIVE: Duration = Duration::from_millis(12_500);

/// The first beat after `now`, in step with the `last`: users of a process that stood still must not
/// all beat at the same moment from then on.
pub(super) fn next_keepalive(last: Stamp, now: Stamp) -> Stamp {
    let beat = KEEPALIVE.as_nanos().max(1);
    let past = now.since(last).as_nanos() % beat;
    now.plus(Duration::from_nanos(u64::try_from(beat - past).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_keep_step_however_late_they_are() {
        let first = Stamp(7);
        assert_eq!(next_keepalive(first, first), first.plus(KEEPALIVE));
        assert_eq!(next_keepalive(first, first.plus(Duration::from_millis(3))), first.plus(KEEPALIVE));
        assert_eq!(
            next_keepalive(first, first.plus(KEEPALIVE * 3 + Duration::from_secs(1))),
            first.plus(KEEPALIVE * 4)
        );
    }
}
