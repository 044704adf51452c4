//! A merged summary agrees with its parts, in whatever order they are merged.

mod timelines;
mod verdicts;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::error::ExitCode;
use crate::model::{
    Action, Basis, EndReason, FailureKind, FrameKind, Initiator, Origin, Outcome, SentKind, SocketKind, Stage,
};
use crate::report::end::End;
use crate::report::inputs::tests::{facts, figures};
use crate::report::inputs::{Measurements, RunInputs, summarise};
use crate::report::losses::OtherLosses;
use crate::report::sections::{listed, missing};
use crate::report::summary::{Deliveries, Mismatches, Shard};

/// What one generator saw.
#[derive(Debug, Clone)]
struct Seen {
    users: u64,
    outcomes: [Vec<(usize, u64)>; 2],
    chats: u64,
    errors: u64,
    offset: Option<f64>,
}

fn seen() -> impl Strategy<Value = Seen> {
    let outcomes = || proptest::collection::vec((0_usize..7, 1_u64..60_000_000), 0..40);
    (1_u64..500, [outcomes(), outcomes()], 0_u64..10_000, 0_u64..50, proptest::option::of(-0.5..0.5_f64))
        .prop_map(|(users, outcomes, chats, errors, offset)| Seen { users, outcomes, chats, errors, offset })
}

fn added(figures: &mut Measurements, seen: &Seen) {
    for (origin, arrivals) in [Origin::Local, Origin::Remote].into_iter().zip(&seen.outcomes) {
        let books = &mut figures.ledger.by_origin[origin as usize];
        for (outcome, micros) in arrivals {
            books.expected += 1;
            books.outcomes[*outcome] += 1;
            if [Outcome::OnTime as usize, Outcome::Late as usize].contains(outcome) {
                figures.ledger.durations[origin as usize][Basis::Intended as usize].saturating_record(*micros);
            }
        }
        books.expected += seen.errors;
        books.outstanding += seen.errors;
        books.anomalies[0] += seen.chats;
    }
    figures.ledger.judged = figures.ledger.by_origin;
    let totals = &mut figures.totals;
    totals.operations[Stage::Connect as usize] += seen.users;
    more(&mut totals.sent, SentKind::Chat, seen.chats);
    more(&mut totals.received, FrameKind::Presence, seen.chats * seen.users);
    totals.received_bytes += seen.chats * 97;
    totals.connect_attempts[SocketKind::Room as usize] += seen.users;
    figures.users.target += seen.users;
    figures.users.states[3] += seen.users;
    more(&mut totals.errors, (Stage::Connect, FailureKind::Timeout), seen.errors + 1);
    more(&mut totals.disconnects, (SocketKind::Room, Initiator::Server, EndReason::Left), seen.chats + 1);
}

fn more<K: PartialEq>(counts: &mut Vec<(K, u64)>, kind: K, n: u64) {
    match counts.iter_mut().find(|(other, _)| *other == kind) {
        Some((_, sum)) => *sum += n,
        None => counts.push((kind, n)),
    }
}

/// What generators saw together, as the summary of one.
fn told(seen: &[&Seen], shard: Shard, first_user: u64) -> Summary {
    let mut figures = Measurements {
        ledger: crate::metrics::snapshot::LedgerSnapshot::empty(),
        users: Default::default(),
        totals: Default::default(),
        ..figures()
    };
    seen.iter().for_each(|seen| added(&mut figures, seen));
    let users: u64 = seen.iter().map(|seen| seen.users).sum();
    if let [only] = seen {
        figures.timeline = Some(timelines::of(only, shard));
        figures.ledger.clock_offset = only.offset;
    }
    let chats: u64 = seen.iter().map(|seen| seen.chats).sum();
    let set = users as f64 / 20.0;
    summarise(
        &RunInputs {
            shard,
            users: first_user..first_user + users,
            set_rates: [set, 1.0 / f64::from(shard.count), 0.0],
            carried_out: [chats, 0, 0],
            ..facts()
        },
        &figures,
    )
}

fn split(seen: &[Seen]) -> Vec<Source> {
    let count = u32::try_from(seen.len()).unwrap();
    let mut first_user = 7;
    let mut sources = Vec::new();
    for (index, seen) in (0..).zip(seen) {
        let summary = told(&[seen], Shard { index, count }, first_user);
        sources.push(Source { name: format!("{index}.json"), summary });
        first_user += seen.users;
    }
    sources
}

fn again(name: &str, sources: &[Source]) -> Source {
    Source { name: name.to_owned(), summary: merge(sources).unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_sum_to_the_whole(seen in proptest::collection::vec(seen(), 1..6)) {
        let merged = merge(&split(&seen)).unwrap();
        let whole = told(&seen.iter().collect::<Vec<_>>(), Shard { index: 0, count: 1 }, 7);
        prop_assert_eq!(&merged.deliveries, &whole.deliveries);
        prop_assert_eq!(merged.anomalies, whole.anomalies);
        prop_assert_eq!(&merged.delivery_seconds, &whole.delivery_seconds);
        prop_assert_eq!(&merged.remote.deliveries, &whole.remote.deliveries);
        prop_assert_eq!(&merged.remote.delivery_seconds, &whole.remote.delivery_seconds);
        prop_assert_eq!(&merged.operations, &whole.operations);
        prop_assert_eq!(&merged.errors, &whole.errors);
        prop_assert_eq!(&merged.messages, &whole.messages);
        prop_assert_eq!(&merged.connections, &whole.connections);
        prop_assert_eq!(&merged.users, &whole.users);
        prop_assert_eq!(merged.rates["chat"].clone(), whole.rates["chat"].clone());
        prop_assert_eq!(merged.rates["leave"].set, 1.0, "to the last digit");
        prop_assert_eq!(&merged.verdict, &whole.verdict);
        let timeline = merged.timeline.unwrap();
        prop_assert_eq!(timeline.total().deliveries, whole.deliveries);
        let events = seen.iter().map(|seen| seen.users * 2).sum::<u64>();
        prop_assert_eq!(timeline.events.len() as u64 + timeline.events_dropped, events);
    }

    #[test]
    fn neither_order_nor_grouping_matters(
        (seen, order) in proptest::collection::vec(seen(), 3..6).prop_flat_map(|seen| {
            let order: Vec<usize> = (0..seen.len()).collect();
            (Just(seen), Just(order).prop_shuffle())
        })
    ) {
        let sources = split(&seen);
        let at_once = merge(&sources).unwrap();
        let shuffled: Vec<Source> = order.iter().map(|i| sources[*i].clone()).collect();
        prop_assert_eq!(&merge(&shuffled).unwrap(), &at_once);
        for cut in 1..sources.len() {
            let groups = [again("left.json", &shuffled[..cut]), again("right.json", &shuffled[cut..])];
            prop_assert_eq!(&merge(&groups).unwrap(), &at_once);
        }
        prop_assert_eq!(&merge(&[again("whole.json", &sources)]).unwrap(), &at_once);
    }
}

/// Three clean minutes of one run.
fn three() -> Vec<Source> {
    let part = |index: u32| {
        let users = u64::from(index) * 200..u64::from(index) * 200 + 200;
        let summary = summarise(&RunInputs { shard: Shard { index, count: 3 }, users, ..facts() }, &figures());
        Source { name: format!("{}.json", ["a", "b", "c"][index as usize]), summary }
    };
    (0..3).map(part).collect()
}

fn merged(change: impl FnOnce(&mut Vec<Source>)) -> Summary {
    let mut sources = three();
    change(&mut sources);
    merge(&sources).unwrap()
}

#[test]
fn foreign_messages_mismatches_of_lists_and_what_happened_to_time_add_up() {
    let whole = merged(|sources| {
        for (source, episodes) in sources.iter_mut().zip([5, 0, 4]) {
            source.summary.presence.ghost = Mismatches { at_end: 1, most: 2, episodes };
            source.summary.clock.events.insert("stall".into(), 2);
            source.summary.clock.seconds.insert("stall".into(), 2.5);
            source.summary.clock.dns_changes = 1;
            source.summary.foreign = 3;
        }
    });
    assert_eq!(whole.presence.ghost, Mismatches { at_end: 3, most: 6, episodes: 9 });
    assert_eq!(whole.foreign, 9);
    assert_eq!((whole.presence.missing, whole.presence.lists["judged"]), (Mismatches::default(), 180));
    let clock = whole.clock;
    assert_eq!((clock.events["stall"], clock.seconds["stall"], clock.dns_changes), (6, 7.5, 3));
}

#[test]
fn a_refusal_names_the_files_and_what_differs() {
    type Change = fn(&mut Vec<Source>);
    let table: &[(Change, &[&str])] = &[
        (|s| s.clear(), &["no summary"]),
        (|s| s[1].summary.run.id = "other".into(), &["b.json", "a.json", "run id is other, not soak-7f3a"]),
        (|s| s[2].summary.run.seed = 43, &["c.json", "a.json", "seed is 43, not 42"]),
        (|s| s[1].summary.run.plenary = "small".into(), &["b.json", "a.json", "plenary is small, not test"]),
        (|s| s[1].summary.run.shard.count = 4, &["b.json", "a.json", "number of shards is 4, not 3"]),
        (|s| s[2].summary.run.shard.index = 0, &["a.json and c.json", "shard 0/3"]),
        (|s| s.extend(three().drain(1..2)), &["b.json and b.json", "shard 1/3"]),
        (|s| s[1].summary.users.min = 199, &["a.json and b.json overlap", "0..200 and 199..400"]),
        (|s| s[2].summary.users = s[0].summary.users.clone(), &["a.json and c.json overlap"]),
        (
            |s| s[1].summary.deliveries.expected = 1,
            &["b.json is damaged", "expected 1, but on time 239000 +", "= 240000"],
        ),
        (|s| s[1].summary.remote.deliveries.lost = 1, &["b.json is damaged", "remote deliveries do not balance"]),
        (|s| s[1].summary.judged.as_mut().unwrap().deliveries.late = 1, &["b.json is damaged", "judged deliveries"]),
        (|s| swap(&mut judged(s).deliveries, 1), &["b.json is damaged", "judged deliveries do not fit: lost 1 of 0"]),
        (|s| swap(&mut s[1].summary.deliveries, 1), &["b.json is damaged", "fit: on time 239000 of 238999"]),
        (
            |s| {
                swap(&mut s[1].summary.deliveries, 4);
                judged(s).deliveries =
                    Deliveries { expected: 239_996, on_time: 238_996, ..judged(s).deliveries.clone() };
                s[1].summary.loss_groups.rest = OtherLosses { messages: 1, deliveries: 3 };
            },
            &["b.json is damaged", "its groups of losses have 3 deliveries, and 4 were lost"],
        ),
        (
            |s| s[1].summary.loss_groups.rest = OtherLosses { messages: 1, deliveries: 3 },
            &["b.json is damaged", "its groups of losses have 3 deliveries, and 0 were lost"],
        ),
        (|s| judged(s).anomalies.corrupt = 7, &["b.json is damaged", "judged deliveries do not fit: corrupt 7 of 0"]),
        (
            |s| {
                let remote = s[1].summary.remote.judged.as_mut().unwrap();
                (remote.deliveries.expected, remote.deliveries.outstanding) = (2, 2);
            },
            &["b.json is damaged", "judged remote deliveries do not fit: outstanding 2 of 0"],
        ),
        (|s| s[1].summary.deliveries.excused.left = 0, &["b.json is damaged", "excused 1000, but 10 by reason"]),
        (|s| s[1].summary.users.max = s[1].summary.users.min, &["b.json is damaged", "users 200..200"]),
        (|s| s[1].summary.run.shard.index = 3, &["b.json is damaged", "no shard 3/3"]),
        (|s| s[1].summary.run.started = "noon".into(), &["b.json is damaged", "times"]),
        (|s| s[1].summary.run.duration_seconds = -1.0, &["b.json is damaged", "duration_seconds is -1"]),
        (|s| histogram(s).histogram = "AAAA".into(), &["b.json is damaged", "not a histogram"]),
        (|s| histogram(s).count = 5, &["b.json is damaged", "5 deliveries, 239000 in the histogram"]),
    ];
    for (change, said) in table {
        let mut sources = three();
        change(&mut sources);
        let text = merge(&sources).expect_err("refused").to_string();
        assert!(said.iter().all(|part| text.contains(part)), "{text} for {said:?}");
    }
}

fn judged(sources: &mut [Source]) -> &mut crate::report::summary::Judged {
    sources[1].summary.judged.as_mut().unwrap()
}

/// Turns deliveries on time into lost ones.
fn swap(deliveries: &mut Deliveries, lost: u64) {
    (deliveries.lost, deliveries.on_time) = (deliveries.lost + lost, deliveries.on_time - lost);
}

fn histogram(sources: &mut [Source]) -> &mut crate::report::durations::Durations {
    sources[1].summary.delivery_seconds.get_mut("intended").unwrap()
}

/// The same, but the second generator was killed after half a minute and started again.
fn restarted() -> Vec<Source> {
    let mut sources = three();
    let mut second = sources[1].clone();
    second.name = "b.json.life-1".into();
    second.summary.run = Run { duration_seconds: 30.0, hold_seconds: 20.0, complete: false, ..second.summary.run };
    let began = humantime::parse_rfc3339(&second.summary.run.started).unwrap() + Duration::from_secs(40);
    let run = &mut sources[1].summary.run;
    (run.earlier_lives, run.started) = (1, humantime::format_rfc3339_millis(began).to_string());
    sources.push(second);
    sources
}

#[test]
fn the_lives_of_a_generator_add_up_and_count_once_as_users() {
    let sources = restarted();
    let whole = merge(&sources).unwrap();
    assert_eq!(whole.deliveries.expected, 4 * 240_000);
    assert_eq!((whole.users.target, whole.rates["chat"].set), (600, 60.0));
    assert_eq!(whole.run.hold_seconds, 80.0);
    assert_eq!(whole.verdict.code, ExitCode::Threshold.number());
    assert!(whole.verdict.reason.contains("shard 1/3 life 1 did not finish"), "{}", whole.verdict.reason);
    let grouped = [again("ab.json", &sources[..2]), again("rest.json", &sources[2..])];
    assert_eq!(merge(&grouped).unwrap(), whole);
    let mut twice = restarted();
    twice.push(twice[3].clone());
    assert!(merge(&twice).unwrap_err().to_string().contains("at the same time"));
}

#[test]
fn a_life_that_is_missing_fails_the_run() {
    let mut sources = restarted();
    sources.pop();
    let reason = merge(&sources).unwrap().verdict.reason;
    assert!(reason.contains("shard 1/3 was started again, and 1 earlier summary (FILE.life-N) is missing"), "{reason}");
}

#[test]
fn a_start_long_after_the_others_is_reported() {
    let mut sources = three();
    assert!(late_starts(&merge(&sources).unwrap()).is_empty());
    sources[2].summary.run.started = "2026-11-05T12:00:00.000Z".into();
    let told = late_starts(&merge(&sources).unwrap());
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("shard 2/3 began 2h after the first generator"), "{told:?}");
}

#[test]
fn generators_with_ranges_instead_of_shards_are_parts_of_a_whole() {
    let whole = merged(|s| {
        s.iter_mut().for_each(|s| s.summary.run.shard = Shard { index: 0, count: 1 });
        s[1].summary.run.seed = 43;
    });
    assert_eq!((whole.verdict.code, whole.users.target, whole.users.max), (ExitCode::Ok.number(), 600, 600));
    let page = crate::report::text::render(&whole);
    assert!(page.contains("3 ranges of users") && page.contains("users 200 to 399"), "{page}");
}

#[test]
fn nothing_from_a_file_reaches_a_terminal_raw() {
    let whole = merged(|s| {
        for source in s.iter_mut() {
            let summary = &mut source.summary;
            summary.run.plenary = "x\u{1b}[2J".into();
            summary.run.id = "y\u{9b}2J".into();
            summary.run.version = "\u{7}".into();
            summary.operations.insert("a\u{1b}]0;t\u{7}".into(), 1);
        }
    });
    let page = crate::report::text::render(&whole);
    assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
    assert!(page.contains("x\\u{1b}[2J"), "{page}");
}

#[test]
fn a_part_of_a_merged_summary_counts_once() {
    let sources = three();
    let both = [again("ab.json", &sources[..2]), sources[1].clone()];
    let error = merge(&both).unwrap_err().to_string();
    assert!(error.contains("ab.json and b.json are both of shard 1/3"), "{error}");
}

#[test]
fn the_run_lasts_from_the_first_start_to_the_last_end() {
    let whole = merged(|s| {
        s[1].summary.run.started = "2026-11-05T09:59:50.000Z".into();
        s[2].summary.run.duration_seconds = 80.5;
        s[2].summary.run.version = "0.0.9".into();
    });
    assert_eq!(whole.run.started, "2026-11-05T09:59:50.000Z");
    assert_eq!(whole.run.duration_seconds, 90.5);
    assert!(whole.run.version.starts_with("0.0.9, "), "{}", whole.run.version);
}

#[test]
fn a_count_that_overflows_stops_at_the_top() {
    let whole = merged(|s| {
        for source in s {
            for deliveries in [&mut source.summary.deliveries, &mut source.summary.judged.as_mut().unwrap().deliveries]
            {
                (deliveries.expected, deliveries.on_time) = (u64::MAX, u64::MAX - 1_000);
            }
        }
    });
    assert_eq!(whole.deliveries.expected, u64::MAX);
}

/// Shows a merged summary as text.
#[test]
fn a_fleet_in_words() {
    let whole = merged(|s| {
        s.remove(0);
        s[0].summary.remote.clock_offset_seconds = Some(-0.002);
        s[1].summary.run.complete = false;
    });
    insta::assert_snapshot!(crate::report::text::render(&whole));
}

#[test]
fn every_key_of_a_part_is_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/summary.md")).unwrap();
    let whole = serde_json::to_value(merged(|_| {})).unwrap();
    let keys: Vec<&String> = whole["parts"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 7);
    assert!(page.contains("`parts`"));
    let line = page.lines().find(|line| line.starts_with("- `parts`")).unwrap();
    keys.iter().for_each(|key| assert!(line.contains(&format!("`{key}`")), "{key} in {line}"));
}

#[test]
fn actions_are_those_of_the_rates() {
    assert_eq!(merged(|_| {}).rates.len(), Action::ALL.len());
}
