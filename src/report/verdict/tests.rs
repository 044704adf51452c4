//! Each exit code, and the words of each reason.

use super::*;
use crate::report::inputs::tests::night;
use crate::report::summary::CountsByLabel;

fn judged(summary: &mut Summary) -> &mut crate::report::summary::Deliveries {
    &mut summary.judged.as_mut().unwrap().deliveries
}

fn anomalies(summary: &mut Summary) -> &mut crate::report::summary::Anomalies {
    &mut summary.judged.as_mut().unwrap().anomalies
}

fn spoil(summary: &mut Summary, seconds: f64) {
    summary.generator.spoilt_seconds = seconds;
    summary.generator.spoilt_by.insert("stall".into(), seconds);
}

fn settled(change: impl FnOnce(&mut Summary)) -> Verdict {
    let mut summary = night();
    change(&mut summary);
    judge(&summary, &End::Settled)
}

#[test]
fn a_clean_run_passes() {
    let verdict = settled(|_| {});
    assert_eq!(verdict.code, ExitCode::Ok.number(), "{}", verdict.reason);
    assert!(verdict.reason.contains("none of 240,000 deliveries was lost"), "{}", verdict.reason);
}

#[test]
fn a_server_that_cuts_users_off_does_not_look_lossless() {
    let reason = settled(|s| s.deliveries.excused.server = 8_000).reason;
    assert!(reason.contains("8,000 of the deliveries do not count"), "{reason}");
    assert!(!settled(|s| s.deliveries.excused.server = 0).reason.contains("do not count"));
}

#[test]
fn what_has_no_verdict_fails_a_run() {
    let verdict = settled(|s| judged(s).outstanding = 1_586);
    let said = "1,586 of 240,000 deliveries had no verdict when the grace was over";
    assert!(verdict.reason.contains(said), "{}", verdict.reason);
    assert_eq!(verdict.code, ExitCode::Threshold.number());
}

#[test]
fn one_loss_more_than_allowed_fails_wherever_it_came_from() {
    let verdict = settled(|s| judged(s).lost = 1);
    assert_eq!(verdict.code, ExitCode::Threshold.number());
    assert!(verdict.reason.contains("1 of 240,000 deliveries was lost (limit 0)"), "{}", verdict.reason);
    assert_eq!(settled(|s| s.remote.judged.as_mut().unwrap().deliveries.lost = 1).code, ExitCode::Threshold.number());
    let allowed = settled(|s| (judged(s).lost, s.thresholds.max_lost) = (2, Some(2)));
    assert_eq!(allowed.code, ExitCode::Ok.number());
    assert!(allowed.reason.contains("2 of 240,000 deliveries lost"), "{}", allowed.reason);
}

#[test]
fn an_error_rate_is_of_its_own_stage() {
    let failing = |errors: u64| {
        settled(|s| {
            s.operations.insert("signup".into(), 200);
            s.errors.insert("signup".into(), CountsByLabel::from([("internal_error".into(), errors)]));
        })
    };
    assert_eq!(failing(2).code, ExitCode::Ok.number(), "1 % is not more than 1 %");
    let verdict = failing(3);
    assert_eq!(verdict.code, ExitCode::Threshold.number());
    assert!(verdict.reason.contains("1.5 % of stage signup failed (3 of 200, limit 1 %)"));
}

#[test]
fn what_the_stop_dropped_fails_no_run() {
    let failing = |kind: &str| {
        settled(|s| {
            s.operations.insert("send".into(), 9);
            s.errors.insert("send".into(), CountsByLabel::from([(kind.into(), 1)]));
        })
    };
    assert_eq!(failing("stopping").code, ExitCode::Ok.number());
    assert_eq!(failing("backpressure").code, ExitCode::Threshold.number());
}

#[test]
fn a_threshold_outranks_what_the_generator_spoilt_and_both_are_named() {
    let verdict = settled(|s| {
        judged(s).lost = 7;
        spoil(s, 30.0);
    });
    assert_eq!(verdict.code, ExitCode::Threshold.number());
    assert!(verdict.reason.contains("the process stood still"), "{}", verdict.reason);
    assert!(verdict.reason.contains("7 of 240,000 deliveries were lost"), "{}", verdict.reason);
}

#[test]
fn a_hundredth_of_the_hold_may_be_spoilt() {
    let code = |seconds| settled(|s| spoil(s, seconds)).code;
    assert_eq!((code(0.6), code(0.61)), (ExitCode::Ok.number(), ExitCode::Invalid.number()));
    let reason = settled(|s| spoil(s, 3.0)).reason;
    assert!(
        reason.starts_with("Invalid: the generator itself could not keep up for 3 s of the hold of 1m"),
        "{reason}"
    );
}

#[test]
fn max_saturated_sets_what_may_be_spoilt() {
    let code = |limit| settled(|s| (s.generator.spoilt_seconds, s.thresholds.max_saturated) = (6.0, limit)).code;
    assert_eq!(
        [code(Some(0.1)), code(Some(0.09)), code(None)],
        [ExitCode::Ok.number(), ExitCode::Invalid.number(), ExitCode::Ok.number()]
    );
}

#[test]
fn a_hold_under_30_s_is_never_invalid() {
    let spoilt = |hold| {
        settled(|s| {
            spoil(s, 10.0);
            s.run.hold_seconds = hold;
        })
    };
    assert_eq!((spoilt(29.9).code, spoilt(30.0).code), (ExitCode::Ok.number(), ExitCode::Invalid.number()));
}

#[test]
fn ends_before_the_end_have_codes_of_their_own() {
    let summary = night();
    let refused = judge(&summary, &End::Refused("the plenary test does not exist".into()));
    assert_eq!(refused.code, ExitCode::Refused.number());
    assert_eq!(refused.reason, "The target refused: the plenary test does not exist.");
    assert_eq!(judge(&summary, &End::Aborted).code, ExitCode::Interrupted.number());
    assert!(judge(&summary, &End::Running).reason.starts_with("Not final"));
}

fn reason_of(change: impl FnOnce(&mut Summary)) -> String {
    let verdict = settled(change);
    assert_eq!(verdict.code, ExitCode::Threshold.number(), "{}", verdict.reason);
    verdict.reason
}

#[test]
fn late_deliveries_fail_and_are_named() {
    let reason = reason_of(|s| judged(s).late = 2_401);
    assert!(
        reason.starts_with("Failed: 1.0004 % of the deliveries came late (2,401 of 240,000, limit 1 %)"),
        "{reason}"
    );
    let verdict = settled(|s| judged(s).late = 2_400);
    assert_eq!(verdict.code, ExitCode::Ok.number());
    assert!(verdict.reason.contains("none of 240,000 deliveries was lost, 2,400 late"), "{}", verdict.reason);
    assert_eq!(settled(|s| (judged(s).late, s.thresholds.max_late) = (240_000, None)).code, ExitCode::Ok.number());
}

#[test]
fn the_most_frequent_anomaly_fails_a_run_and_is_named() {
    let reason =
        reason_of(|s| (anomalies(s).duplicate, s.remote.judged.as_mut().unwrap().anomalies.duplicate) = (200, 41));
    assert!(reason.contains("241 arrivals were duplicate, 0.1004 % of 240,000 deliveries (limit 0.1 %"), "{reason}");
    let spread = settled(|s| (anomalies(s).duplicate, anomalies(s).reordered) = (240, 239));
    assert_eq!(spread.code, ExitCode::Ok.number(), "each kind by itself");
    assert!(spread.reason.contains("lost or late, 240 duplicate, 239 reordered,"), "{}", spread.reason);
    let both = reason_of(|s| (anomalies(s).reordered, anomalies(s).corrupt) = (5_000, 3));
    assert!(both.contains("5,000 arrivals were reordered, 2.1 % of"), "{both}");
    assert!(both.contains("(limit 0.1 %, also 3 corrupt)"), "{both}");
}

#[test]
fn connections_that_were_cut_fail_a_run() {
    let cut = |n: u64| {
        settled(|s| {
            let sockets = s.connections.get_mut("plenary").unwrap();
            sockets.disconnects.insert("server".into(), CountsByLabel::from([("no_close_frame".into(), n)]));
        })
    };
    assert_eq!(cut(13).code, ExitCode::Ok.number(), "5 % of 260");
    assert!(cut(13).reason.contains("13 of 260 connections were cut"), "{}", cut(13).reason);
    let reason = cut(14).reason;
    assert!(reason.contains("cut 5.4 % of the connections (14 of 260, limit 5 %)"), "{reason}");
}

#[test]
fn a_slow_99th_percentile_fails_where_a_limit_is_set() {
    assert_eq!(settled(|s| s.thresholds.max_p99_seconds = Some(0.5)).code, ExitCode::Ok.number());
    let reason = reason_of(|s| s.thresholds.max_p99_seconds = Some(0.01));
    assert!(reason.contains("p99 of the time to delivery was 13 ms (limit 10 ms)"), "{reason}");
}

#[test]
fn a_run_without_a_user_fails() {
    let reason = reason_of(|s| {
        (s.judged, s.deliveries) = (Some(Default::default()), Default::default());
        s.connections.clear();
        s.rates.get_mut("chat").unwrap().set = 0.0;
    });
    assert_eq!(reason, "Failed: no user ever joined.");
}

#[test]
fn a_run_that_expected_no_delivery_fails_if_chats_were_to_be_sent() {
    let silent = |rate: f64| {
        settled(|s| {
            (s.judged, s.deliveries) = (Some(Default::default()), Default::default());
            s.rates.get_mut("chat").unwrap().set = rate;
        })
    };
    assert_eq!(silent(20.0).code, ExitCode::Threshold.number());
    assert_eq!(silent(20.0).reason, "Failed: chats should have been sent, but no delivery was expected.");
    assert_eq!(silent(0.0).code, ExitCode::Ok.number());
}

#[test]
fn a_run_whose_every_delivery_is_spoilt_is_invalid_and_did_expect_some() {
    let verdict = settled(|s| {
        (s.judged, s.run.hold_seconds) = (Some(Default::default()), 10.0);
        (s.deliveries.late, s.deliveries.on_time) = (239_000, 0);
    });
    assert_eq!(verdict.code, ExitCode::Invalid.number(), "{}", verdict.reason);
    assert!(verdict.reason.contains("late would fail"), "{}", verdict.reason);
}

#[test]
fn a_checkpoint_is_not_held_to_what_only_the_end_shows() {
    let mut summary = night();
    judged(&mut summary).outstanding = 400;
    let verdict = judge(&summary, &End::Running);
    assert_eq!(verdict.code, ExitCode::Ok.number(), "{}", verdict.reason);
}

#[test]
fn a_checkpoint_that_has_measured_nothing_does_not_pass() {
    let mut summary = night();
    (summary.judged, summary.deliveries) = (Some(Default::default()), Default::default());
    assert_eq!(judge(&summary, &End::Running).code, ExitCode::Threshold.number());
}

#[test]
fn only_judged_figures_fail_a_run() {
    let verdict = settled(|s| (s.deliveries.lost, s.deliveries.late) = (500, 90_000));
    assert_eq!(verdict.code, ExitCode::Ok.number(), "{}", verdict.reason);
}

#[test]
fn a_file_of_0_1_is_judged_by_all_its_deliveries() {
    let verdict = settled(|s| (s.judged, s.deliveries.lost) = (None, 3));
    assert_eq!(verdict.code, ExitCode::Threshold.number());
}

fn unjudge(summary: &mut Summary, hold: f64) {
    (summary.deliveries.lost, summary.deliveries.late) = (56, 3);
    summary.run.hold_seconds = hold;
}

#[test]
fn what_is_not_judged_is_said_in_the_first_line() {
    let verdict = settled(|s| unjudge(s, 60.0));
    assert_eq!(verdict.code, ExitCode::Ok.number(), "of a hold of 30 s and more --max-saturated alone decides");
    let reason = verdict.reason;
    assert!(reason.contains("none of 240,000 judged deliveries was lost or late"), "{reason}");
    assert!(reason.ends_with("Not judged, because the generator spoilt their time: 56 lost, 3 late."), "{reason}");
    let failed = reason_of(|s| {
        unjudge(s, 60.0);
        judged(s).lost = 50;
    });
    assert!(failed.starts_with("Failed: 50 of 240,000 judged deliveries were lost"), "{failed}");
    assert!(failed.ends_with("Not judged, because the generator spoilt their time: 6 lost, 3 late."), "{failed}");
}

#[test]
fn a_hold_under_30_s_is_invalid_where_only_spoilt_time_lets_it_pass() {
    let verdict = settled(|s| unjudge(s, 29.9));
    let said = "Invalid: with what the generator spoilt, lost would fail, and a hold of 30s is too short to judge \
                whether the generator kept up.";
    assert!(verdict.code == ExitCode::Invalid.number() && verdict.reason.starts_with(said), "{}", verdict.reason);
    let code = |change: fn(&mut Summary)| {
        settled(|s| {
            unjudge(s, 0.0);
            change(s);
        })
        .code
    };
    assert_eq!(code(|s| s.thresholds.max_lost = Some(56)), ExitCode::Ok.number(), "it would not fail");
    assert_eq!(code(|s| s.thresholds.max_lost = None), ExitCode::Ok.number(), "no limit");
    assert_eq!(code(|s| s.thresholds.max_saturated = None), ExitCode::Ok.number(), "off");
    assert_eq!(code(|s| judged(s).lost = 1), ExitCode::Threshold.number());
    let late = settled(|s| (s.deliveries.late, s.run.hold_seconds) = (90_000, 10.0));
    assert!(late.reason.contains("late would fail"), "{}", late.reason);
    let anomalies = settled(|s| (s.remote.anomalies.unexpected, s.run.hold_seconds) = (90_000, 10.0));
    assert!(anomalies.reason.contains("anomalies would fail"), "{}", anomalies.reason);
}

#[test]
fn a_limit_that_is_off_is_called_so() {
    let verdict = settled(|s| (judged(s).lost, s.thresholds.max_lost) = (34, None));
    assert!(verdict.reason.contains("34 of 240,000 deliveries lost (no limit)"), "{}", verdict.reason);
}

#[test]
fn a_share_over_its_limit_looks_it() {
    let reason = reason_of(|s| {
        s.operations.insert("signup".into(), 4_146);
        s.errors.insert("signup".into(), CountsByLabel::from([("timeout".into(), 42)]));
    });
    assert!(reason.contains("1.01 % of stage signup failed (42 of 4,146, limit 1 %)"), "{reason}");
}

#[test]
fn one_is_not_many() {
    let reason = |joined: u64, expected: u64| {
        settled(|s| {
            let sockets = s.connections.get_mut("plenary").unwrap();
            (sockets.joined, sockets.disconnects) = (joined, Default::default());
            (judged(s).expected, judged(s).on_time) = (expected, expected);
            s.deliveries.excused.server = 1;
        })
        .reason
    };
    assert!(
        reason(1, 1).starts_with("Passed: the one delivery was neither lost nor late, the one connection was not cut")
    );
    assert!(reason(1, 1).ends_with(" 1 of the deliveries does not count, because a connection was cut off."));
    assert!(reason(2, 2).starts_with("Passed: none of 2 deliveries was lost or late, none of 2 connections was cut"));
}

#[test]
fn the_same_losses_are_told_once() {
    let reason = |change: fn(&mut Summary)| {
        reason_of(|s| {
            judged(s).lost = 30_000;
            change(s);
        })
    };
    assert!(!reason(|_| {}).contains("stage delivery"), "{}", reason(|_| {}));
    let corrupt = reason(|s| (anomalies(s).corrupt, s.thresholds.max_anomalies) = (200_000, Some(1.0)));
    assert!(corrupt.contains("of stage delivery failed"), "not only losses: {corrupt}");
    let allowed = reason(|s| s.thresholds.max_lost = Some(40_000));
    assert!(allowed.contains("of stage delivery failed"), "{allowed}");
    let rows = settled(|s| judged(s).lost = 30_000).thresholds;
    let failed = rows.iter().filter(|row| row.result == Judgement::Failed).count();
    assert_eq!(failed, 2, "the table has both");
}

#[test]
fn an_unfinished_ramp_is_reported() {
    let reason = |hold: f64| {
        settled(|s| {
            s.run.hold_seconds = hold;
            (s.users.target, s.users.states) =
                (50, CountsByLabel::from([("connected".into(), 1), ("backing_off".into(), 2)]));
        })
        .reason
    };
    assert!(reason(0.0).contains(". The ramp was not over: 1 of 50 users had joined."), "{}", reason(0.0));
    assert!(!reason(5.0).contains("ramp"));
}
