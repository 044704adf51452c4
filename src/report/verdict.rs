//! What a run came to: the exit code, and the reason in words.
//!
//! Judges a summary and nothing else, so that one generator's run and a merged one are judged alike.

use crate::chat::FailureKind;
use crate::report::figures::{count, percent, share, span};
use crate::report::parts;
use crate::report::summary::{Generator, Summary, Verdict};

/// The run did what it should.
pub const OK: u8 = 0;
/// A threshold failed.
pub const THRESHOLD: u8 = 99;
/// Stopped by a second signal.
pub const ABORTED: u8 = 105;
/// The generator could not keep up: its numbers are about itself.
pub const VOID: u8 = 106;
/// The target refused.
pub const REFUSED: u8 = 107;

/// A run is void from this part of its hold on that the generator was saturated.
const MOST_SATURATED: f64 = 0.01;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It goes on: this is a checkpoint.
    Running,
    /// Its duration was over, or it was asked to stop, and it settled.
    Settled,
    /// A second signal ended it at once.
    Aborted,
    /// The target refused at the start; what it said.
    Refused(String),
}

/// The exit code and the reason, from everything but the summary's own `verdict`.
#[must_use]
pub fn judge(summary: &Summary, end: &End) -> Verdict {
    let failed = failed_thresholds(summary);
    let void = void(summary);
    let (code, reason) = match end {
        End::Refused(said) => (REFUSED, format!("The target refused: {}.", said.trim_end_matches('.'))),
        End::Aborted => (ABORTED, "Stopped by a second signal, before what was outstanding could settle.".to_owned()),
        End::Running | End::Settled => match (void, failed.is_empty()) {
            (Some(void), true) => (VOID, void),
            (Some(void), false) => (VOID, format!("{void} Besides, {}.", failed.join("; "))),
            (None, false) => (THRESHOLD, format!("Failed: {}.", failed.join("; "))),
            (None, true) => (OK, passed(summary)),
        },
    };
    let reason = match end {
        End::Running => format!("Not final, the run still went on. {reason}"),
        _ => reason,
    };
    Verdict { code, reason }
}

/// What an exit code means, in a few words.
#[must_use]
pub fn meaning(code: u8) -> &'static str {
    match code {
        OK => "the run did what it should",
        THRESHOLD => "a threshold failed",
        ABORTED => "stopped by a second signal",
        VOID => "void, the generator itself could not keep up",
        REFUSED => "the target refused",
        _ => "see the documentation of exit codes",
    }
}

fn passed(summary: &Summary) -> String {
    let expected = summary.deliveries.expected + summary.remote.deliveries.expected;
    let deliveries = match (expected, lost(summary)) {
        (0, _) => "no delivery was expected".to_owned(),
        (n, 0) => format!("none of {} deliveries was lost", count(n)),
        (n, lost) => {
            let allowed = count(summary.thresholds.max_lost);
            format!("{} of {} deliveries lost, at most {allowed} may be", count(lost), count(n))
        }
    };
    let errors = percent(summary.thresholds.max_error_rate);
    let excused = cut_off(summary);
    let excused = match excused {
        0 => String::new(),
        n => format!(" {} of the deliveries do not count, because connections were cut off.", count(n)),
    };
    let outstanding = match summary.deliveries.outstanding + summary.remote.deliveries.outstanding {
        0 => String::new(),
        n => format!(" {} had not come when the grace was over: neither delivered nor lost.", count(n)),
    };
    format!("Passed: {deliveries}, and no stage failed more often than {errors}.{excused}{outstanding}")
}

/// Deliveries excused for something that no user wanted: a server that disconnects everybody must
/// not look lossless.
fn cut_off(summary: &Summary) -> u64 {
    let excused = [&summary.deliveries.excused, &summary.remote.deliveries.excused];
    excused.iter().map(|excused| excused.server + excused.network + excused.sender_cut).sum()
}

/// Losses of local and of remote messages: a dropped frame is the receiving generator's loss.
fn lost(summary: &Summary) -> u64 {
    summary.deliveries.lost + summary.remote.deliveries.lost
}

fn failed_thresholds(summary: &Summary) -> Vec<String> {
    let mut failed = parts::failed(summary);
    let lost = lost(summary);
    if lost > summary.thresholds.max_lost {
        let expected = summary.deliveries.expected + summary.remote.deliveries.expected;
        failed.push(format!(
            "{} of {} deliveries were lost, at most {} may be",
            count(lost),
            count(expected),
            count(summary.thresholds.max_lost)
        ));
    }
    for (stage, kinds) in &summary.errors {
        // What the stop itself dropped is no fault of anybody's.
        let errors: u64 =
            kinds.iter().filter(|(kind, _)| *kind != FailureKind::Stopping.as_str()).map(|(_, n)| n).sum();
        let operations = summary.operations.get(stage).copied().unwrap_or(0);
        if errors > 0 && errors as f64 > summary.thresholds.max_error_rate * operations as f64 {
            failed.push(format!(
                "{} of stage {stage} failed ({} of {}), at most {} may",
                share(errors, operations.max(errors)),
                count(errors),
                count(operations),
                percent(summary.thresholds.max_error_rate)
            ));
        }
    }
    failed
}

fn void(summary: &Summary) -> Option<String> {
    if !summary.parts.is_empty() {
        return parts::void(summary);
    }
    let hold = summary.run.hold_seconds;
    is_void(&summary.generator, hold).then(|| {
        format!(
            "Void: the generator itself could not keep up for {}. Its numbers are about itself, not about the server.",
            saturated(&summary.generator, hold)
        )
    })
}

/// Whether a generator was saturated for too much of its hold, given in seconds.
pub(super) fn is_void(generator: &Generator, hold: f64) -> bool {
    generator.saturated_seconds > 0.0 && generator.saturated_seconds > hold * MOST_SATURATED
}

/// For how long of its hold a generator was saturated, and why, in words.
pub(super) fn saturated(generator: &Generator, hold: f64) -> String {
    let reasons: Vec<&str> =
        generator.saturated_by.iter().filter(|(_, s)| **s > 0.0).map(|(reason, _)| said(reason)).collect();
    let why = if reasons.is_empty() { "for no known reason".to_owned() } else { reasons.join(", ") };
    format!("{} of the hold of {}: {why}", span(generator.saturated_seconds), span(hold))
}

/// A saturation reason's label, in words.
fn said(reason: &str) -> &str {
    match reason {
        "schedule_lag" => "intents were issued late",
        "read_delay" => "readable sockets waited to be read",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::facts::tests::night;
    use crate::report::summary::Counts;

    fn settled(change: impl FnOnce(&mut Summary)) -> Verdict {
        let mut summary = night();
        change(&mut summary);
        judge(&summary, &End::Settled)
    }

    #[test]
    fn a_clean_run_passes() {
        let verdict = settled(|_| {});
        assert_eq!(verdict.code, OK, "{}", verdict.reason);
        assert!(verdict.reason.contains("none of 240,000 deliveries was lost"), "{}", verdict.reason);
    }

    #[test]
    fn a_server_that_cuts_users_off_does_not_look_lossless() {
        let reason = settled(|s| s.deliveries.excused.server = 8_000).reason;
        assert!(reason.contains("8,000 of the deliveries do not count"), "{reason}");
        assert!(!settled(|s| s.deliveries.excused.server = 0).reason.contains("do not count"));
    }

    #[test]
    fn a_run_too_short_to_see_losses_says_so() {
        let reason = settled(|s| s.deliveries.outstanding = 1_586).reason;
        assert!(reason.contains("1,586 had not come when the grace was over"), "{reason}");
        assert!(!settled(|s| s.deliveries.outstanding = 0).reason.contains("had not come"));
    }

    #[test]
    fn one_loss_more_than_allowed_fails_wherever_it_came_from() {
        let verdict = settled(|s| s.deliveries.lost = 1);
        assert_eq!(verdict.code, THRESHOLD);
        assert!(verdict.reason.contains("1 of 240,000 deliveries were lost, at most 0 may be"), "{}", verdict.reason);
        assert_eq!(settled(|s| s.remote.deliveries.lost = 1).code, THRESHOLD);
        let allowed = settled(|s| (s.deliveries.lost, s.thresholds.max_lost) = (2, 2));
        assert_eq!(allowed.code, OK);
        assert!(allowed.reason.contains("2 of 240,000 deliveries lost"), "{}", allowed.reason);
    }

    #[test]
    fn an_error_rate_is_of_its_own_stage() {
        let failing = |errors: u64| {
            settled(|s| {
                s.operations.insert("signup".into(), 200);
                s.errors.insert("signup".into(), Counts::from([("internal_error".into(), errors)]));
            })
        };
        assert_eq!(failing(2).code, OK, "1 % is not more than 1 %");
        let verdict = failing(3);
        assert_eq!(verdict.code, THRESHOLD);
        assert!(verdict.reason.contains("1.5 % of stage signup failed (3 of 200), at most 1 % may"));
    }

    #[test]
    fn what_the_stop_dropped_fails_no_run() {
        let failing = |kind: &str| {
            settled(|s| {
                s.operations.insert("send".into(), 9);
                s.errors.insert("send".into(), Counts::from([(kind.into(), 1)]));
            })
        };
        assert_eq!(failing("stopping").code, OK);
        assert_eq!(failing("backpressure").code, THRESHOLD);
    }

    #[test]
    fn void_outranks_a_threshold_and_names_both() {
        let verdict = settled(|s| {
            s.deliveries.lost = 7;
            s.generator.saturated_seconds = 30.0;
            s.generator.saturated_by.insert("schedule_lag".into(), 30.0);
        });
        assert_eq!(verdict.code, VOID);
        assert!(verdict.reason.contains("intents were issued late"), "{}", verdict.reason);
        assert!(verdict.reason.contains("7 of 240,000 deliveries were lost"), "{}", verdict.reason);
    }

    #[test]
    fn a_hundredth_of_the_hold_is_not_yet_void() {
        let saturated = |seconds| settled(|s| s.generator.saturated_seconds = seconds).code;
        assert_eq!((saturated(0.6), saturated(0.61)), (OK, VOID));
    }

    #[test]
    fn ends_before_the_end_have_codes_of_their_own() {
        let summary = night();
        let refused = judge(&summary, &End::Refused("the plenary test does not exist".into()));
        assert_eq!(refused.code, REFUSED);
        assert_eq!(refused.reason, "The target refused: the plenary test does not exist.");
        assert_eq!(judge(&summary, &End::Aborted).code, ABORTED);
        assert!(judge(&summary, &End::Running).reason.starts_with("Not final"));
    }
}
