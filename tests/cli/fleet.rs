//! The shards of a fleet together do what one generator would do.

use soakrig::cli::{Resolved, parse};
use soakrig::config::Environment;
use soakrig::config::plan::{Plan, Task};
use soakrig::config::value::Rate;
use soakrig::model::Volume;

/// The plan of a run, without where each option came from, and the warnings.
fn resolve(args: &[&str], variables: &[(&str, &str)]) -> (Plan, Vec<String>) {
    let environment =
        Environment::of([("HOME", "/h"), ("SOAKRIG_PASSWORD", "secret")].iter().chain(variables).copied());
    let args =
        [&["soakrig", "run", "http://h", "test", "--user-range-max", "100", "--chat-rate", "5/s"], args].concat();
    match parse(args).unwrap().command().unwrap().resolve(&environment).unwrap() {
        Resolved { task: Task::Run(mut runs), warnings } => {
            (Plan { options: Vec::new(), ..runs.remove(0).plan }, warnings)
        }
        other => panic!("{other:?}"),
    }
}

fn chat(plan: &Plan) -> Rate {
    match plan.traffic.chat {
        Volume::Total(rate) => rate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_of_users_and_rates_sum_to_the_whole() {
    for of in [1, 2, 3, 7, 100] {
        let plans: Vec<_> =
            (0..of).map(|index| resolve(&["--shard", &format!("{index}/{of}"), "--run-id", "r"], &[]).0).collect();
        let whole = Rate::FIVE_A_SECOND.billionths();
        assert_eq!(plans.iter().map(|plan| chat(plan).billionths()).sum::<u64>(), whole);
        for rate in [|p: &Plan| p.timing.ramp, |p: &Plan| p.timing.connect_rate, |p: &Plan| p.users.sign_in_rate] {
            let sum: u64 = plans.iter().map(|plan| rate(plan).billionths()).sum();
            assert_eq!(sum, Rate::TWENTY_A_SECOND.billionths());
        }
        let mut next = 0;
        for plan in &plans {
            assert_eq!(plan.users.range.min(), next);
            assert_eq!(plan.users.fleet_range.len(), 100);
            next = plan.users.range.max();
        }
        assert_eq!(next, 100);
    }
}

/// `5/s` in three is written in decimals whose sum is 5 to the last digit.
#[test]
fn shard_rates_are_finite_decimals() {
    let plan = |i: u32| resolve(&["--shard", &format!("{i}/3"), "--run-id", "r"], &[]).0;
    let parts: Vec<_> = (0..3).map(|i| chat(&plan(i)).to_string()).collect();
    assert_eq!(parts, ["1.666666666/s", "1.666666667/s", "1.666666667/s"]);
}

#[test]
fn per_user_settings_are_not_split() {
    let (plan, _) = resolve(&["--shard", "0/4", "--run-id", "r"], &[]);
    assert_eq!(plan.traffic.leave, Volume::PerUser(0.005));
    assert_eq!(plan.thresholds.max_lost, Some(0));
}

#[test]
fn a_shard_comes_from_a_variable_and_from_the_index_of_a_job() {
    let (by_flag, _) = resolve(&["--shard", "1/3", "--run-id", "r", "--seed", "1"], &[]);
    let common = ["--run-id", "r", "--seed", "1"];
    assert_eq!(resolve(&common, &[("SOAKRIG_SHARD", "1/3")]).0, by_flag);
    let job = [("JOB_COMPLETION_INDEX", "1")];
    assert_eq!(resolve(&[&common[..], &["--shards", "3"]].concat(), &job).0, by_flag);
    assert_eq!(resolve(&common, &[job[0], ("SOAKRIG_SHARDS", "3")]).0, by_flag);
    // The index alone proves nothing: every pod of every indexed job has one.
    assert_eq!(resolve(&common, &job).0.users.shard.to_string(), "0/1");
}

#[test]
fn more_than_one_shard_needs_a_run_id() {
    let code = |args: &[&str], variables: &[(&str, &str)]| {
        let environment =
            Environment::of([("HOME", "/h"), ("SOAKRIG_PASSWORD", "secret")].iter().chain(variables).copied());
        let args = [&["soakrig", "run", "http://h", "test"], args].concat();
        parse(args).unwrap().command().unwrap().resolve(&environment).map_err(|e| (e.code().number(), e.to_string()))
    };
    let (number, text) = code(&["--shard", "0/2"], &[]).unwrap_err();
    assert!(number == 2 && text.contains("--shard") && text.contains("--run-id"), "{number}: {text}");
    let (number, text) = code(&[], &[("SOAKRIG_SHARD", "0/2")]).unwrap_err();
    assert!(number == 104 && text.contains("SOAKRIG_SHARD"), "{number}: {text}");
    assert!(code(&["--shard", "0/2"], &[("SOAKRIG_RUN_ID", "night")]).is_ok());
    assert!(code(&["--shard", "0/1"], &[]).is_ok());
}

/// Otherwise `merge` would take the shards for parts of different runs.
#[test]
fn shards_with_the_same_run_id_have_the_same_seed() {
    let seed = |args: &[&str]| resolve(args, &[]).0.traffic.seed;
    let night = seed(&["--shard", "0/2", "--run-id", "night"]);
    assert_eq!(seed(&["--shard", "1/2", "--run-id", "night"]), night);
    assert_ne!(seed(&["--shard", "1/2", "--run-id", "morning"]), night);
    assert_eq!(seed(&["--shard", "1/2", "--run-id", "night", "--seed", "7"]), 7);
}

/// Commands on the whole range ignore the variable that splits `run`.
#[test]
fn a_cleanup_takes_the_whole_range() {
    let environment = Environment::of([("HOME", "/h"), ("SOAKRIG_SHARD", "1/3")]);
    let command = parse(["soakrig", "cleanup", "http://h", "--user-range-max", "9"]).unwrap().command().unwrap();
    match command.resolve(&environment).unwrap().task {
        Task::Cleanup(cleanup) => assert_eq!(cleanup.users[0].range.len(), 9),
        other => panic!("{other:?}"),
    }
}
