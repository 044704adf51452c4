//! `soakrig ctl` against running generators: what each command does.

use std::path::Path;

use serde_json::Value;

use crate::steered::{QUICK, QUIET, Steered, ctl, steered};
use crate::support::{Ended, LENIENT, PATIENCE, Process, Rig, Target, balances, eventually, number, soakrig};

#[test]
fn rates_and_pauses_take_effect_and_the_books_stay_exact() {
    // A busy machine drops some of 40 messages per second: this test is about the counts.
    let run = steered("6", &["--chat-rate", "5/s", "--max-error-rate", "off"]).ready();
    let commands =
        |command: &str| run.rig.metric("soakrig_control_commands_total", &[&format!("command=\"{command}\"")]);
    assert!(run.rig.scrape().contains("soakrig_control_commands_total{command=\"users\"} 0"), "present at 0");
    let status = run.ctl(&["status"]);
    assert!(status.contains("6 of 6 users connected") && status.contains("chat 5/s"), "{status}");

    let said = run.ctl(&["rate", "chat=40/s", "leave=off"]);
    assert!(said.contains("chat: 40/s for the whole run, 40/s here (before 5/s)"), "{said}");
    eventually("the new rate is in force", || run.rate().to_bits() == 40.0_f64.to_bits());
    let sent = || run.rig.metric("soakrig_actions_total", &[r#"kind="chat""#]);
    let before = sent();
    eventually("many are sent", || sent() > before + 100.0);

    assert!(run.ctl(&["pause"]).contains("paused"));
    eventually("the rate is 0", || run.rate().to_bits() == 0);
    assert_eq!(run.status()["paused"], true);
    assert!(run.ctl(&["pause"]).contains("already"));
    let paused = sent();
    assert!(run.ctl(&["mark", "a", "remark"]).contains("marked: a remark"));
    assert!(run.ctl(&["resume"]).contains("resumed"));
    eventually("sent again", || sent() > paused + 10.0);
    assert_eq!((commands("rate"), commands("pause"), commands("mark")), (1.0, 2.0, 1.0));

    let (ended, summary) = run.settled();
    let chat = &summary["rates"]["chat"];
    let (set, hold) = (chat["set"].as_f64().unwrap(), summary["run"]["hold_seconds"].as_f64().unwrap());
    assert!(set > 5.0 && set < 40.0, "{set}: each rate counts as long as it was in force");
    // What was set was carried out, whatever the rate was at which time: but for what a busy machine dropped.
    let dropped: u64 = chat["dropped"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let off = set * hold - number(&summary, "/rates/chat/carried_out") as f64;
    assert!(off.abs() <= 3.0 + dropped as f64, "{off} off, {dropped} dropped\n{}", ended.stdout);
    let events = summary["timeline"]["events"].as_array().unwrap();
    let of_control: Vec<&str> =
        events.iter().filter(|event| event["kind"] == "control").filter_map(|event| event["text"].as_str()).collect();
    assert!(ended.stdout.contains("Z rate chat=40/s leave=off"), "{}", ended.stdout);
    assert_eq!(
        of_control,
        ["rate chat=40/s leave=off", "pause", "pause", "mark a remark", "resume", "stop"],
        "each command is an event"
    );
}

#[test]
fn a_run_that_was_paused_all_along_has_not_measured_nothing() {
    let run = steered("3", &["--chat-rate", "1/h"]).ready();
    run.ctl(&["pause"]);
    eventually("held for a while", || run.status()["held_seconds"].as_f64().unwrap() > 1.0);
    let (ended, _) = run.settled();
    assert!(!ended.stdout.contains("measured nothing"), "{}", ended.stdout);
}

#[test]
fn a_reconnect_storm_is_in_no_threshold_and_the_summary_says_how_long_it_took() {
    let run = steered("20", &["--chat-rate", "20/s", "--reconnect", "immediate"]).ready();
    let resets = |rig: &Rig| {
        rig.metric("soakrig_disconnects_total", &[r#"initiator="user""#, r#"reason="reset""#, r#"socket="plenary""#])
    };
    assert!(run.rig.scrape().contains(r#"initiator="user",reason="reset"} 0"#), "present at 0");
    let all_back = |run: &Steered, nth: usize| {
        eventually("all are back", || {
            let status = run.status();
            let recovery = &status["recoveries"][nth];
            recovery["back"] == recovery["users"] && status["users"]["connected"] == 20
        });
    };
    // Connections that have hardly begun are followed by the backoff.
    eventually("held for a while", || run.status()["held_seconds"].as_f64().unwrap() > 1.5);
    assert!(run.ctl(&["disconnect", "50%"]).contains("resetting 10 connections"));
    all_back(&run, 0);
    assert!(run.ctl(&["disconnect", "100%"]).contains("resetting 20 connections"));
    all_back(&run, 1);
    assert_eq!(resets(&run.rig).to_bits(), 30.0_f64.to_bits());
    let status = run.ctl(&["status"]);
    assert!(status.contains("disconnect 100%: 20 of 20 users back: half in"), "{status}");

    let (target, ended, summary) = run.stopped();
    let sent = number(&summary, "/messages/sent/chat");
    let received = number(&target.counts(), "/received/chats");
    assert!(received <= sent && sent - received <= 30, "{received} of {sent} came to the server");
    assert_eq!(number(&summary, "/connections/plenary/disconnects/user/reset"), 30);
    let recovery = &summary["recoveries"][1];
    assert_eq!(
        (&recovery["what"], &recovery["users"], &recovery["back"]),
        (&"disconnect 100%".into(), &20.into(), &20.into())
    );
    assert_eq!((&recovery["held"], recovery["curve"].as_array().unwrap().last()), (&20.into(), Some(&20.into())));
    assert_eq!(summary["recoveries"][0]["held"], 20, "half of them were reset");
    let seconds = |share: &str| recovery["seconds"][share].as_f64().unwrap();
    assert!(seconds("p50") <= seconds("p90") && seconds("p99") <= seconds("all"), "{recovery}");
    assert_eq!(summary.pointer("/rates/chat/dropped/not_connected"), None, "{}", ended.stdout);
    let cut = summary["verdict"]["thresholds"].as_array().unwrap().iter().find(|row| row["name"] == "cut").unwrap();
    assert_eq!(cut["value"], 0.0, "{cut}");
    assert!(ended.stdout.contains("recovery           disconnect 50% at "), "{}", ended.stdout);
}

#[test]
fn users_leave_and_come_in_as_their_number_says() {
    let run = steered("10", &["--chat-rate", "10/s"]).ready();
    let held = |users: u32| {
        eventually("so many are connected", || {
            let scrape = run.rig.scrape();
            let sum = |name, labels: &[&str]| crate::support::sum(&scrape, name, labels);
            let target = sum("soakrig_users_target", &[]);
            assert_eq!(sum("soakrig_users", &[]).to_bits(), target.to_bits(), "states sum to the target");
            target.to_bits() == f64::from(users).to_bits()
                && sum("soakrig_connections", &[r#"socket="plenary""#]).to_bits() == target.to_bits()
                && sum("soakrig_users", &[r#"state="connected""#]).to_bits() == target.to_bits()
        });
    };
    held(10);
    assert!(run.ctl(&["users", "4"]).contains("4 users for the whole run, 4 here: 6 leave"));
    held(4);
    let sent = || run.rig.metric("soakrig_actions_total", &[r#"kind="chat""#]);
    let before = sent();
    eventually("the rate is held by those who stay", || sent() > before + 10.0);
    assert!(run.ctl(&["users", "8"]).contains("4 more start"));
    held(8);
    let too_many = ctl(&run.socket, &["users", "11"]);
    assert_eq!(too_many.code, Some(2));
    assert!(too_many.stderr.contains("users 11: the range has 10"), "{}", too_many.stderr);
    run.ctl(&["users", "1"]);
    run.ctl(&["users", "10"]);
    held(10);
    let (ended, summary) = run.settled();
    assert_eq!((number(&summary, "/users/target"), number(&summary, "/users/states/connected")), (10, 10));
    assert!(number(&summary, "/connections/plenary/disconnects/user/left") >= 6, "{}", ended.stdout);
    assert_eq!(summary["connections"]["plenary"]["disconnects"].get("server"), None, "{}", ended.stdout);
}

/// A run whose server loses everything and drops everyone while that is marked as planned.
fn disrupted(args: &[&str]) -> (Option<i32>, Ended, Value) {
    let terms = ["--delivery-deadline", "1s", "--delivery-horizon", "3s", "--chat-rate", "20/s"];
    let run = steered("6", &[&terms[..], args].concat()).ready();
    let sent = || run.rig.metric("soakrig_actions_total", &[r#"kind="chat""#]);
    assert!(run.ctl(&["mark", "begin", "rolling", "deploy"]).contains("rolling deploy: what happens until mark end"));
    let again = ctl(&run.socket, &["mark", "begin", "another"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("rolling deploy goes on"), "{}", again.stderr);
    run.target.set_faults(r#"{"chat":{"drop":"100%"}}"#);
    let before = sent();
    eventually("some are dropped", || sent() > before + 20.0);
    run.target.set_faults(r#"{"chat":{"drop":"never"}}"#);
    // By their horizon: who is cut off before is excused.
    let lost = || run.rig.metric("soakrig_deliveries_total", &[r#"outcome="lost""#, r#"origin="local""#]);
    eventually("they are lost", || lost() > 60.0);
    run.target.act(r#"{"do":"close","code":1012,"share":1.0}"#);
    eventually("everyone was cut off and is back", || {
        let back = run.status()["recoveries"][0]["back"] == 6;
        back && run.status()["users"]["connected"] == 6
    });
    assert_eq!(run.status()["marked"], "rolling deploy");
    assert!(run.ctl(&["mark", "end"]).contains("rolling deploy: over after"));
    assert_eq!(ctl(&run.socket, &["mark", "end"]).code, Some(2), "it is over");
    run.ctl(&["stop"]);
    let (ended, summary) = run.rig.end(PATIENCE);
    assert!(balances(&summary), "{}", ended.stdout);
    let lost = number(&summary, "/deliveries/lost");
    assert!(lost > 60, "{}", ended.stdout);
    assert_eq!(number(&summary, "/marked/deliveries/lost"), lost, "{}", ended.stdout);
    assert_eq!(summary["recoveries"][0]["what"], "rolling deploy");
    let deploy = &summary["marked"]["each"][0];
    assert_eq!((&deploy["what"], number(deploy, "/lost"), number(deploy, "/cut")), (&"rolling deploy".into(), lost, 6));
    let began = |of: &Value| of["at"].as_f64().unwrap();
    assert!((began(deploy) - began(&summary["recoveries"][0])).abs() < 1.0, "{deploy}");
    assert!(deploy["seconds"].as_f64() == summary["marked"]["seconds"].as_f64() && deploy["open"] == false, "{deploy}");
    let held = |of: &Value| of["user_seconds"]["target"].as_f64().unwrap();
    assert!(held(&summary["marked"]) > 6.0 && held(&summary["marked"]) < held(&summary), "{}", summary["marked"]);
    let kinds: Vec<&str> =
        summary["timeline"]["events"].as_array().unwrap().iter().filter_map(|event| event["kind"].as_str()).collect();
    assert!(kinds.contains(&"mark_begin") && kinds.contains(&"mark_end"), "{kinds:?}");
    (ended.code, ended, summary)
}

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["verdict"]["thresholds"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn what_is_marked_as_planned_is_shown_and_fails_nothing_where_it_is_tolerated() {
    let (code, ended, summary) = disrupted(&["--tolerate-marked", "--fail-if", "users_held < 99%"]);
    assert!(matches!(code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!((&row(&summary, "lost")["value"], &row(&summary, "cut")["value"]), (&0.0.into(), &0.0.into()));
    assert_eq!(number(&summary, "/judged/lost"), 0);
    let held = &row(&summary, "users_held < 99%");
    assert!(held["result"] == "passed" && held["value"].as_f64().unwrap() > 0.999, "{held}");
    let first = ended.stdout.lines().next().unwrap();
    assert!(first.contains("Set aside as planned, ") && first.contains(" lost, 6 cut"), "{first}");
    assert!(ended.stdout.contains("marked             "), "{}", ended.stdout);
    // A merge of it comes to the same.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("night.json");
    std::fs::write(&file, summary.to_string()).unwrap();
    let mut merge = soakrig();
    merge.arg("merge").arg(&file);
    let merged = Process::command(merge).end(PATIENCE);
    assert_eq!(merged.code, code, "{}", merged.stdout);
}

#[test]
fn without_that_a_planned_disruption_is_judged_like_the_rest() {
    let (code, ended, summary) = disrupted(&[]);
    assert_eq!(code, Some(99), "{}", ended.stdout);
    assert_eq!(
        (&summary["marked"]["tolerated"], number(&summary, "/marked/disconnects/server/service_restart")),
        (&false.into(), 6)
    );
    assert!(!ended.stdout.lines().next().unwrap().contains("Set aside"), "{}", ended.stdout);
}

#[test]
fn an_abort_ends_at_once() {
    let run = steered("3", &["--chat-rate", "1/s"]).ready();
    run.ctl(&["abort"]);
    let (ended, summary) = run.rig.end(PATIENCE);
    assert_eq!(ended.code, Some(105), "{}", ended.stderr);
    assert_eq!(number(&summary, "/verdict/code"), 105);
}

#[test]
fn wrong_commands_are_refused_with_their_remedy() {
    let run = steered("3", &["--chat-rate", "1/s"]).ready();
    for (words, says) in [
        (&["rate", "chat=fast"][..], "chat=fast"),
        (&["rate", "chat=0/s"], "leave=off"),
        (&["users", "0"], "users 0"),
        (&["disconnect", "0%"], "disconnect 0%"),
        (&["mark", "a\u{7}b"], "control character"),
        (&["reboot"], "reboot"),
    ] {
        let ended = ctl(&run.socket, words);
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says) && !ended.stderr.contains('\u{7}'), "{words:?}: {}", ended.stderr);
    }
    let nowhere = ctl(Path::new("/nowhere/s.sock"), &["status"]);
    assert_eq!(nowhere.code, Some(104));
    assert!(nowhere.stderr.contains("/nowhere/s.sock") && nowhere.stderr.contains("remedy"), "{}", nowhere.stderr);
    run.settled();
}

#[test]
fn auto_is_found_by_run_and_a_shard_takes_its_part() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let start = |shard: &str| {
        let mut command = soakrig();
        command.env("XDG_RUNTIME_DIR", home.path()).env("SOAKRIG_PASSWORD", "a password of the test's own");
        command.args(["run", &target.url, "test", "--user-range-max", "4", "--run-id", "night", "--shard", shard]);
        command.args(["--cache-file"]).arg(home.path().join(format!("s{}.json", &shard[..1])));
        command.args(["--control-socket", "auto", "--metrics-listen", "127.0.0.1:0", "--chat-rate", "2/s"]);
        command.args(QUICK).args(QUIET).args(LENIENT);
        Process::command(command)
    };
    let processes = ["0/2", "1/2"].map(start);
    let ctl = |words: &[&str]| {
        let mut command = soakrig();
        command.env("XDG_RUNTIME_DIR", home.path()).arg("ctl").args(words);
        Process::command(command).end(PATIENCE)
    };
    eventually("both hold", || ctl(&["--run", "night", "status"]).stdout.matches("hold ").count() == 2);
    assert!(home.path().join("soakrig/night-1.sock").exists());
    let several = ctl(&["status"]);
    assert_eq!(several.code, Some(2), "{}", several.stderr);
    assert!(several.stderr.contains("night-0.sock") && several.stderr.contains("--run ID"), "{}", several.stderr);
    let said = ctl(&["--run", "night", "rate", "chat=31/s"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.stdout.matches("chat: 31/s for the whole run, 15.5/s here").count(), 2, "{}", said.stdout);
    assert_eq!(ctl(&["--run", "day", "status"]).code, Some(104));
    assert_eq!(ctl(&["--run", "night", "stop"]).code, Some(0));
    for process in processes {
        let ended = process.end(PATIENCE);
        assert!(matches!(ended.code, Some(0 | 106)), "{}", ended.stderr);
    }
}
