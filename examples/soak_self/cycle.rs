//! One round of faults: what the target does wrong, and when.

use std::time::Duration;

use super::Trouble;
use super::pair::Pair;

/// Length of the round that the times below are for, in seconds; other rounds are in proportion.
const ROUND: f64 = 60.0;

/// One thing to do to the target.
struct Step {
    /// Second of the round.
    at: f64,
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: &'static str,
}

const fn step(at: f64, name: &'static str, method: &'static str, path: &'static str, body: &'static str) -> Step {
    Step { at, name, method, path, body }
}

const fn act(at: f64, name: &'static str, body: &'static str) -> Step {
    step(at, name, "POST", "/act", body)
}

const fn set(at: f64, name: &'static str, body: &'static str) -> Step {
    step(at, name, "POST", "/faults", body)
}

const fn calm(at: f64) -> Step {
    step(at, "none", "PUT", "/faults", "{}")
}

/// Every kind of fault that the target has, except those that only lengthen others.
const STEPS: [Step; 14] = [
    set(
        3.0,
        "chats dropped, doubled, late, out of order, damaged",
        r#"{"chat": {"drop": "1%", "duplicate": "1%", "delay": "1%", "reorder": "1%", "fragment": "1%",
            "corrupt_bytes": "0.5%", "corrupt_json": "0.5%", "corrupt_marker": "0.5%"}}"#,
    ),
    calm(13.0),
    act(14.0, "a fifth closed with 1012", r#"{"do": "close", "code": 1012, "share": 0.2}"#),
    set(
        20.0,
        "pages wrong, slow and endless; upgrades refused",
        r#"{"http": {"error": "20%", "slow_first_byte": "10%", "slow_by": "500ms", "no_state": "5%", "no_csrf": "5%",
            "endless_body": "2%"}, "socket": {"refuse_upgrade": "20%", "retry_after": 2}}"#,
    ),
    act(21.0, "a tenth cut", r#"{"do": "cut", "share": 0.1}"#),
    calm(30.0),
    act(31.0, "a tenth reset", r#"{"do": "reset", "share": 0.1}"#),
    set(
        34.0,
        "frames that break the protocol",
        r#"{"chat": {"invalid_utf8": "every:5000", "compressed": "every:5000", "truncate": "every:5000"}}"#,
    ),
    calm(39.0),
    act(40.0, "all sessions forgotten", r#"{"do": "forget_sessions"}"#),
    act(41.0, "a tenth closed with 1001", r#"{"do": "close", "code": 1001, "share": 0.1}"#),
    act(46.0, "still for 4 s", r#"{"do": "stall", "ms": 4000}"#),
    act(54.0, "all member lists once more", r#"{"do": "flood", "times": 1}"#),
    act(56.0, "a frame of 128 KiB to everybody", r#"{"do": "frame", "bytes": 131072}"#),
];

/// Rounds, one after the other.
pub struct Cycle {
    round: Duration,
    /// Steps done so far, over all rounds.
    done: usize,
}

impl Cycle {
    pub fn of(round: Duration) -> Self {
        Self { round, done: 0 }
    }

    /// Does what is due.
    pub fn act(&mut self, now: Duration, pair: &Pair) -> Result<(), Trouble> {
        while self.next_at() <= now {
            let step = &STEPS[self.done % STEPS.len()];
            pair.control(step.method, step.path, step.body)?;
            self.done += 1;
        }
        Ok(())
    }

    /// The name of what was done last.
    pub fn last(&self) -> &'static str {
        self.done.checked_sub(1).map_or("none", |last| STEPS[last % STEPS.len()].name)
    }

    fn next_at(&self) -> Duration {
        let rounds = u32::try_from(self.done / STEPS.len()).unwrap_or(u32::MAX);
        self.round * rounds + self.round.mul_f64(STEPS[self.done % STEPS.len()].at / ROUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_round_are_in_order_and_are_json() {
        assert!(STEPS.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert!(STEPS.iter().all(|step| step.at < ROUND && step.body.parse::<serde_json::Value>().is_ok()));
    }

    #[test]
    fn rounds_follow_each_other() {
        let mut cycle = Cycle::of(Duration::from_secs(30));
        assert_eq!(cycle.next_at(), Duration::from_millis(1_500));
        cycle.done = STEPS.len() * 2 + 1;
        assert_eq!(cycle.next_at(), Duration::from_millis(66_500));
    }
}
