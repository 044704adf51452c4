//! Whether soakrig's own figures are right: the number and the spacing of its chats, its times to
//! delivery beside the target's record, the cost of the ramp and of a scrape.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use soakrig::server::{self, Options, PresenceMode};

use super::{Scale, keep};
use crate::Outcome;
use crate::lab::{Reader, Server, cache_file};
use crate::process::{eventually, get_with, metric};

/// What a schedule achieved.
#[derive(Debug, Serialize)]
struct Pace {
    rate: f64,
    seconds: f64,
    intents: f64,
    expected: f64,
    /// Share of intents issued within one and within two milliseconds of their time.
    within_1_ms: f64,
    within_2_ms: f64,
}

/// Intents at rates from 1 to 10,000 per second.
pub fn pace(scale: Scale) -> Outcome<()> {
    let (rates, time): (&[f64], _) =
        if scale.quick { (&[10.0, 1_000.0], 5) } else { (&[1.0, 10.0, 100.0, 1_000.0, 10_000.0], 60) };
    let mut lines = Vec::new();
    for rate in rates {
        let directory = tempfile::tempdir()?;
        let server = Server::bare()?;
        let reader = Reader::rig(&server, 20, *rate, &cache_file(&directory, "sessions"), &[])?;
        std::thread::sleep(Duration::from_secs(3));
        let (begin, before) = (Instant::now(), reader.metrics()?);
        std::thread::sleep(Duration::from_secs(time));
        let (seconds, after) = (begin.elapsed().as_secs_f64(), reader.metrics()?);
        let grown = |name: &str, labels: &[&str]| metric(&after, name, labels) - metric(&before, name, labels);
        let intents = grown("soakrig_operations_total", &["stage=\"send\""]);
        let within = |bound: &str| {
            grown("soakrig_schedule_lag_seconds_bucket", &[&format!("le=\"{bound}\"")])
                / grown("soakrig_schedule_lag_seconds_count", &[])
        };
        let line = Pace {
            rate: *rate,
            seconds,
            intents,
            expected: rate * seconds,
            within_1_ms: within("0.001"),
            within_2_ms: within("0.002"),
        };
        println!(
            "{rate}/s for {seconds:.3} s: {intents} intents of {:.1}; {:.3} within 1 ms, {:.3} within 2 ms",
            line.expected, line.within_1_ms, line.within_2_ms
        );
        lines.push(line);
    }
    keep("pace", &lines)
}

/// Times between the arrivals of chats at the target, in milliseconds.
#[derive(Debug, Serialize)]
struct Gaps {
    rate: f64,
    chats: usize,
    even_ms: f64,
    one_percent_ms: f64,
    median_ms: f64,
    ninety_nine_percent_ms: f64,
    longest_ms: f64,
}

/// How evenly chats leave: the times between them, by the target's record of when it wrote
/// the first copy of each.
pub fn gaps(scale: Scale) -> Outcome<()> {
    let (rates, seconds): (&[f64], _) = if scale.quick { (&[100.0], 4) } else { (&[10.0, 100.0, 1_000.0], 30) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut lines = Vec::new();
    for rate in rates {
        let options = Options { presence: PresenceMode::Off, record: 4_000_000, ..Options::default() };
        let server = runtime.block_on(server::serve(options))?;
        let directory = tempfile::tempdir()?;
        let outside = Server::at(&server.addr().to_string());
        let mut reader = Reader::rig(&outside, 20, *rate, &cache_file(&directory, "sessions"), &[])?;
        std::thread::sleep(Duration::from_secs(seconds + 3));
        reader.process.interrupt()?;
        let mut first: HashMap<u64, u64> = HashMap::new();
        for written in server.written() {
            first.entry(written.chat).and_modify(|at| *at = written.at.min(*at)).or_insert(written.at);
        }
        let mut times: Vec<u64> = first.into_values().collect();
        times.sort_unstable();
        // Without the first seconds, while users were joining.
        let begin = times.last().ok_or("the target recorded nothing")?.saturating_sub(seconds * 1_000_000);
        times.retain(|at| *at >= begin);
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e3).collect();
        gaps.sort_by(f64::total_cmp);
        let at = |share: f64| gaps.get((share * (gaps.len() - 1) as f64) as usize).copied().unwrap_or(f64::NAN);
        let line = Gaps {
            rate: *rate,
            chats: times.len(),
            even_ms: 1e3 / rate,
            one_percent_ms: at(0.01),
            median_ms: at(0.5),
            ninety_nine_percent_ms: at(0.99),
            longest_ms: at(1.0),
        };
        println!("{line:?}");
        lines.push(line);
    }
    keep("gaps", &lines)
}

/// Both sides' medians, in milliseconds.
#[derive(Debug, Serialize)]
struct Delivery {
    users: usize,
    deliveries: usize,
    /// From the intended time to the moment when the target had written the frame.
    written_ms: f64,
    /// From the intended time to the moment when soakrig had read it.
    read_ms: f64,
}

/// Time to delivery beside the target's own record of when it wrote each frame.
pub fn delivery(scale: Scale) -> Outcome<()> {
    let (users, seconds) = if scale.quick { (200, 8) } else { (1_000, 40) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = Options { presence: PresenceMode::Off, record: 4_000_000, ..Options::default() };
    let server = runtime.block_on(server::serve(options))?;
    let address = server.addr().to_string();
    let directory = tempfile::tempdir()?;
    let (cache, summary) = (cache_file(&directory, "sessions"), directory.path().join("summary.json"));
    let summary_flag = summary.display().to_string();
    let outside = Server::at(&address);
    let mut reader = Reader::rig(&outside, users, 20.0, &cache, &["--summary", &summary_flag])?;
    let mut intended = HashMap::new();
    let cookie = eventually("a saved session", || cookie(&cache).ok())?;
    let until = Instant::now() + Duration::from_secs(seconds);
    // The page shows the last hundred chats; it is read often enough to miss none.
    while Instant::now() < until {
        std::thread::sleep(Duration::from_secs(2));
        note_chats(&address, &cookie, &mut intended)?;
    }
    reader.process.interrupt()?;
    let record = server.written();
    let mut ages: Vec<f64> =
        record.iter().filter_map(|written| Some((written.at as f64 - intended.get(&written.chat)?) / 1e3)).collect();
    ages.sort_by(f64::total_cmp);
    let written_ms = ages.get(ages.len() / 2).copied().ok_or("the target recorded nothing")?;
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary)?)?;
    let read = summary.pointer("/delivery_seconds/intended/p50").and_then(serde_json::Value::as_f64);
    let read_ms = read.ok_or("no median in the summary")? * 1e3;
    println!("{users} users, {} deliveries: written after {written_ms:.3} ms, read after {read_ms:.3} ms", ages.len());
    keep("delivery", &[Delivery { users, deliveries: ages.len(), written_ms, read_ms }])
}

/// A signed-in user's cookies, from the cache file.
fn cookie(cache: &std::path::Path) -> Outcome<String> {
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(cache)?)?;
    let cookies = saved.pointer("/sessions/loadtest0/cookies").and_then(serde_json::Value::as_array);
    let pairs = cookies.ok_or("no session in the cache file")?.iter();
    let pairs: Vec<String> =
        pairs.filter_map(|pair| Some(format!("{}={}", pair.get(0)?.as_str()?, pair.get(1)?.as_str()?))).collect();
    Ok(pairs.join("; "))
}

/// Notes when the chats on the event page were intended, in microseconds since the Unix epoch.
fn note_chats(address: &str, cookie: &str, intended: &mut HashMap<u64, f64>) -> Outcome<()> {
    let page = get_with(address, "/event/test/", &format!("Cookie: {cookie}\r\n"))?;
    let state = page.split_once("window.__INITIAL_STATE__ = ").ok_or("no state on the event page")?.1;
    let mut values = serde_json::Deserializer::from_str(state).into_iter::<serde_json::Value>();
    let state = values.next().ok_or("an empty state")??;
    for chat in state.get("chat_messages").and_then(serde_json::Value::as_array).into_iter().flatten() {
        let message = chat.get("message").and_then(serde_json::Value::as_str).unwrap_or_default();
        let time = message.split('-').nth(4).and_then(|digits| u64::from_str_radix(digits, 36).ok());
        if let (Some(id), Some(time)) = (chat.get("id").and_then(serde_json::Value::as_u64), time) {
            intended.insert(id, time as f64);
        }
    }
    Ok(())
}

/// CPU seconds of the generator until all users have joined.
#[derive(Debug, Serialize)]
struct Ramp {
    users: usize,
    signed_up_cpu: f64,
    returned_cpu: f64,
}

/// Signing many users up, and connecting many whose sessions are saved.
pub fn ramp(scale: Scale) -> Outcome<()> {
    let users = if scale.quick { 200 } else { 1_000 };
    let directory = tempfile::tempdir()?;
    let server = Server::target(&["--presence", "off"])?;
    let cache = cache_file(&directory, "sessions");
    let mut first = Reader::rig(&server, users, 0.001, &cache, &[])?;
    let signed_up_cpu = first.process.cpu()?;
    first.process.interrupt()?;
    let second = Reader::rig(&server, users, 0.001, &cache, &[])?;
    let returned_cpu = second.process.cpu()?;
    println!("{users} users: {signed_up_cpu:.2} CPU s to sign up and get in, {returned_cpu:.2} to come back");
    keep("ramp", &[Ramp { users, signed_up_cpu, returned_cpu }])
}

/// How long a scrape takes, in milliseconds.
#[derive(Debug, Serialize)]
struct Scrape {
    users: usize,
    deliveries_a_second: f64,
    took_ms: crate::stats::Spread,
    bytes: usize,
}

/// `/metrics` at full load.
pub fn scrape(scale: Scale) -> Outcome<()> {
    let users = if scale.quick { 500 } else { 5_000 };
    let directory = tempfile::tempdir()?;
    let server = Server::bare()?;
    let reader = Reader::rig(&server, users, 50_000.0 / users as f64, &cache_file(&directory, "sessions"), &[])?;
    std::thread::sleep(Duration::from_secs(3));
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..50 {
        let begin = Instant::now();
        bytes = reader.metrics()?.len();
        took.push(begin.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(100));
    }
    let line = Scrape { users, deliveries_a_second: 50_000.0, took_ms: crate::stats::Spread::of(took), bytes };
    println!("{users} users: a scrape of {bytes} bytes took {} ms", line.took_ms);
    keep("scrape", &[line])
}
