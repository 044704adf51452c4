//! When a user sends keepalives: always at multiples of the interval from its first.

use std::time::Duration;

use crate::clock::Stamp;

/// The first keepalive after `now`, in step with the `last`: users of a process that stood still must not
/// all send at the same moment from then on.
pub(super) fn next_keepalive(last: Stamp, now: Stamp, every: Duration) -> Stamp {
    let interval = every.as_nanos().max(1);
    let past = now.since(last).as_nanos() % interval;
    now.plus(Duration::from_nanos(u64::try_from(interval - past).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_millis(12_500);

    fn next(last: Stamp, now: Stamp) -> Stamp {
        next_keepalive(last, now, KEEPALIVE)
    }

    #[test]
    fn late_keepalives_stay_at_multiples_of_the_interval() {
        let first = Stamp(7);
        assert_eq!(next(first, first), first.plus(KEEPALIVE));
        assert_eq!(next(first, first.plus(Duration::from_millis(3))), first.plus(KEEPALIVE));
        assert_eq!(next(first, first.plus(KEEPALIVE * 3 + Duration::from_secs(1))), first.plus(KEEPALIVE * 4));
    }
}
