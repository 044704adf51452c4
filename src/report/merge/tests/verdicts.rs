//! The verdict of a merged run in which a part failed, is missing, or measured nothing.

use super::*;

#[test]
fn a_shard_that_measured_nothing_fails_the_whole_and_is_named() {
    let silent = |shards: std::ops::Range<usize>| {
        merged(|s| {
            for source in &mut s[shards] {
                let summary = &mut source.summary;
                (summary.deliveries, summary.judged) = (Deliveries::default(), Some(Default::default()));
                summary.connections.clear();
                summary.verdict = judge(summary, &End::Settled);
            }
        })
        .verdict
    };
    assert_eq!(silent(0..0).code, ExitCode::Ok.number());
    let one = silent(1..2);
    assert_eq!(one.code, ExitCode::Threshold.number());
    assert_eq!(one.reason, "Failed: shard 1/3 measured nothing.");
    assert!(silent(0..2).reason.contains("shard 0/3 measured nothing; shard 1/3 measured nothing"));
    // The killed life, or the one after it, measured nothing, but the shard did.
    for life in [1, 3] {
        let mut sources = restarted();
        sources.iter_mut().for_each(|source| source.summary.run.complete = true);
        let summary = &mut sources[life].summary;
        (summary.deliveries, summary.judged) = (Deliveries::default(), Some(Default::default()));
        summary.connections.clear();
        summary.verdict = judge(summary, &End::Settled);
        assert_eq!(merge(&sources).unwrap().verdict.code, ExitCode::Ok.number());
    }
}

#[test]
fn a_shard_with_an_unfinished_ramp_is_reported() {
    let whole = merged(|s| s[2].summary.run.hold_seconds = 0.0);
    assert!(whole.verdict.reason.contains("The ramp of shard 2/3 was not over."), "{}", whole.verdict.reason);
}

#[test]
fn a_short_hold_of_one_generator_vouches_for_none_of_them() {
    let lost = |hold: f64| {
        merged(|s| {
            swap(&mut s[1].summary.deliveries, 4);
            judged(s).deliveries = Deliveries { expected: 239_996, on_time: 238_996, ..judged(s).deliveries.clone() };
            s[2].summary.run.hold_seconds = hold;
        })
        .verdict
        .code
    };
    assert_eq!((lost(29.0), lost(30.0)), (ExitCode::Invalid.number(), ExitCode::Ok.number()));
}

#[test]
fn groups_of_losses_are_held_to_the_losses_of_runs_that_ended() {
    let groups = |change: fn(&mut Summary)| {
        let mut sources = three();
        swap(&mut sources[1].summary.deliveries, 4);
        swap(&mut judged(&mut sources).deliveries, 4);
        sources[1].summary.loss_groups.rest = OtherLosses { messages: 1, deliveries: 4 };
        change(&mut sources[1].summary);
        let whole = merge(&sources)?;
        merge(&[Source { name: "whole.json".into(), summary: whole }])
    };
    assert!(groups(|_| {}).is_ok());
    // A checkpoint's losses and groups are from two moments.
    assert!(groups(|s| (s.run.complete, s.loss_groups.rest.deliveries) = (false, 5)).is_ok());
    // A file of 0.1 merged with others has no groups.
    assert!(
        groups(|s| {
            s.loss_groups = Default::default();
            s.verdict.thresholds.clear();
        })
        .is_ok()
    );
}

#[test]
fn missing_shards_fail_the_run_by_name() {
    assert_eq!(merged(|_| {}).verdict.code, ExitCode::Ok.number());
    let two = merged(|s| drop(s.remove(1)));
    assert_eq!((two.verdict.code, missing(&two)), (ExitCode::Threshold.number(), vec![1]));
    assert!(two.verdict.reason.contains("shard 1 of 3 is missing"), "{}", two.verdict.reason);
    assert_eq!(two.deliveries.expected, 480_000);
    let one = merged(|s| drop(s.drain(..2)));
    assert!(one.verdict.reason.contains("shards 0, 1 of 3 are missing"), "{}", one.verdict.reason);
    assert_eq!(listed(&missing(&one)), "0, 1");
}

#[test]
fn a_killed_generator_is_noticed() {
    let whole = merged(|s| {
        let facts = RunInputs {
            shard: Shard { index: 2, count: 3 },
            users: 400..600,
            hold: Duration::from_secs(20),
            carried_out: [400, 20, 40],
            end: End::Running,
            ..facts()
        };
        s[2].summary = summarise(&facts, &figures());
    });
    assert_eq!(whole.verdict.code, ExitCode::Threshold.number());
    assert!(whole.verdict.reason.contains("shard 2/3 did not finish"), "{}", whole.verdict.reason);
    assert!(!whole.run.complete);
    // 60 a second were set, and a third of them missing for two thirds of the time.
    let chat = &whole.rates["chat"];
    assert_eq!((chat.set, chat.carried_out), (60.0, 2_800));
    assert!((chat.achieved - 2_800.0 / 60.0).abs() < 1e-9);
}

#[test]
fn one_invalid_part_makes_the_whole_invalid_and_is_named() {
    let saturate = |s: &mut Vec<Source>| {
        s[1].summary.generator.spoilt_seconds = 20.0;
        s[1].summary.generator.spoilt_by.insert("stall".into(), 20.0);
    };
    let whole = merged(saturate);
    assert_eq!(whole.verdict.code, ExitCode::Invalid.number());
    assert!(whole.verdict.reason.contains("shard 1/3 for 20s of the hold of 1m"), "{}", whole.verdict.reason);
    let worse = merged(|s| {
        saturate(s);
        s.pop();
    });
    assert_eq!(worse.verdict.code, ExitCode::Threshold.number(), "a missing shard fails the run");
    assert!(worse.verdict.reason.contains("shard 2 of 3 is missing"), "{}", worse.verdict.reason);
}

#[test]
fn losses_are_held_to_the_threshold_together() {
    let lose = |lost: [u64; 3], most: u64| {
        merged(|s| {
            for (source, lost) in s.iter_mut().zip(lost) {
                swap(&mut source.summary.deliveries, lost);
                swap(&mut source.summary.judged.as_mut().unwrap().deliveries, lost);
                source.summary.thresholds.max_lost = Some(most);
            }
        })
        .verdict
    };
    assert_eq!(lose([1, 1, 1], 3).code, ExitCode::Ok.number());
    let verdict = lose([1, 1, 2], 3);
    assert_eq!(verdict.code, ExitCode::Threshold.number());
    assert!(verdict.reason.contains("4 of 720,000 deliveries were lost"), "{}", verdict.reason);
    let strictest = merged(|s| s[2].summary.thresholds.max_error_rate = Some(0.001));
    assert_eq!(strictest.thresholds.max_error_rate, Some(0.001));
}

#[test]
fn ends_of_all_and_of_some() {
    let with = |ends: [End; 3]| {
        merged(|s| {
            for (index, (source, end)) in (0..).zip(s.iter_mut().zip(ends)) {
                let users = u64::from(index) * 200..u64::from(index) * 200 + 200;
                let facts = RunInputs { shard: Shard { index, count: 3 }, users, end, ..facts() };
                source.summary = summarise(&facts, &figures());
            }
        })
        .verdict
    };
    let closed = || End::Refused("it is closed".into());
    let all = with([closed(), closed(), closed()]);
    assert_eq!((all.code, all.reason.as_str()), (ExitCode::Refused.number(), "The target refused: it is closed."));
    assert_eq!(with([End::Aborted, End::Aborted, End::Aborted]).code, ExitCode::Interrupted.number());
    let some = with([End::Settled, closed(), End::Aborted]);
    assert_eq!(some.code, ExitCode::Threshold.number());
    assert!(some.reason.contains("the target refused shard 1/3: it is closed"), "{}", some.reason);
    assert!(some.reason.contains("shard 2/3 was stopped by a second signal"), "{}", some.reason);
}
