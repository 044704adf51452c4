//! How the cost grows: with users, with rate, with processes; and the cost of the target itself.

use std::time::Duration;

use serde::Serialize;

use super::{Scale, keep};
use crate::Outcome;
use crate::lab::{Cost, Reader, Server, cache_file, watch};

const WARM_UP: Duration = Duration::from_secs(3);
/// The target for many users.
const TARGET: &[&str] = &["--presence", "off"];

/// One point of a curve.
#[derive(Debug, Serialize)]
struct Point {
    users: usize,
    deliveries_a_second: f64,
    /// CPU seconds of the generators per million deliveries.
    cpu_per_million: f64,
    /// CPU seconds of the generators per second, deliveries included.
    cores: f64,
    /// Resident memory of the generators per user, in kB, everything included.
    memory_each: f64,
    processes: usize,
}

impl Point {
    fn of(users: usize, processes: usize, costs: &[Cost], memory: u64) -> Self {
        let deliveries: f64 = costs.iter().map(|cost| cost.frames).fold(0.0, f64::max);
        let seconds = costs.iter().map(|cost| cost.seconds).fold(0.0, f64::max);
        let cpu: f64 = costs.iter().map(|cost| cost.reader).sum();
        let point = Self {
            users,
            deliveries_a_second: deliveries / seconds,
            cpu_per_million: cpu / deliveries * 1e6,
            cores: cpu / seconds,
            memory_each: memory as f64 / 1024.0 / users as f64,
            processes,
        };
        println!(
            "{users} users in {processes} process(es), {:.0} deliveries/s: {:.3} CPU s per million, {:.3} cores, {:.2} kB per user",
            point.deliveries_a_second, point.cpu_per_million, point.cores, point.memory_each
        );
        point
    }
}

/// Users on a target of its own.
fn point(users: usize, deliveries: f64, seconds: u64) -> Outcome<Point> {
    let directory = tempfile::tempdir()?;
    let mut server = Server::target(TARGET)?;
    let cache = cache_file(&directory, "sessions");
    let mut reader = Reader::rig(&server, users, deliveries / users as f64, &cache, &[])?;
    let cost = watch(&mut server, &mut reader, WARM_UP, Duration::from_secs(seconds))?;
    Ok(Point::of(users, 1, &[cost], reader.process.memory()?))
}

/// Users from 100 to 18,000 at the same number of deliveries; deliveries from 1 to 50,000 a
/// second at the same number of users.
pub fn growth(scale: Scale) -> Outcome<()> {
    let (sizes, rates, seconds): (&[usize], &[f64], _) = if scale.quick {
        (&[100, 1_000], &[10.0, 1_000.0], 4)
    } else {
        (&[100, 300, 1_000, 3_000, 10_000, 18_000], &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 50_000.0], 10)
    };
    let by_users = sizes.iter().map(|users| point(*users, 20_000.0, seconds)).collect::<Outcome<Vec<_>>>()?;
    keep("growth-users", &by_users)?;
    let by_rate = rates.iter().map(|rate| point(20, *rate, seconds)).collect::<Outcome<Vec<_>>>()?;
    keep("growth-rate", &by_rate)
}

/// One process of 18,000 users beside two of 9,000, in turn; of each the run with the median CPU.
pub fn processes(scale: Scale) -> Outcome<()> {
    let (users, turns, seconds) = if scale.quick { (2_000, 1, 4) } else { (18_000, 5, 15) };
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        one.push(point(users, 36_000.0, seconds)?);
        two.push(halves(users, 36_000.0, seconds)?);
    }
    keep("processes", &[median(one)?, median(two)?])
}

/// The point with the median CPU.
fn median(mut points: Vec<Point>) -> Outcome<Point> {
    points.sort_by(|a, b| a.cpu_per_million.total_cmp(&b.cpu_per_million));
    let middle = points.len() / 2;
    points.into_iter().nth(middle).ok_or_else(|| "nothing was measured".into())
}

/// The same users, half of them in each of two processes.
fn halves(users: usize, deliveries: f64, seconds: u64) -> Outcome<Point> {
    let chats = deliveries / users as f64;
    let directory = tempfile::tempdir()?;
    let mut server = Server::target(TARGET)?;
    let secret = directory.path().join("password");
    std::fs::write(&secret, "a password of the bench")?;
    let secret = secret.display().to_string();
    let part = |shard: &str| {
        let cache = cache_file(&directory, &shard.replace('/', "-"));
        let range = users.to_string();
        let flags = ["--shard", shard, "--password-file", &secret, "--run-id", "bench", "--user-range-max", &range];
        Reader::rig_of(&server, users / 2, chats, &cache, &flags)
    };
    let mut halves = [part("0/2")?, part("1/2")?];
    std::thread::sleep(WARM_UP);
    let begin = std::time::Instant::now();
    let before = (server.frames()?, halves[0].process.cpu()?, halves[1].process.cpu()?);
    std::thread::sleep(Duration::from_secs(seconds));
    let after = (server.frames()?, halves[0].process.cpu()?, halves[1].process.cpu()?);
    let cost = Cost {
        reader: after.1 - before.1 + after.2 - before.2,
        server: 0.0,
        frames: after.0 - before.0,
        bytes: 0.0,
        seconds: begin.elapsed().as_secs_f64(),
    };
    let memory = halves[0].process.memory()? + halves[1].process.memory()?;
    for half in &mut halves {
        half.process.interrupt()?;
    }
    Ok(Point::of(users, 2, &[cost], memory))
}

/// CPU of a server per million frames written.
#[derive(Debug, Serialize)]
struct Writing {
    users: usize,
    bare: crate::stats::Spread,
    target: crate::stats::Spread,
    ratio: crate::stats::Spread,
}

/// The embedded target beside the bare broadcaster, read by soakrig.
pub fn target(scale: Scale) -> Outcome<()> {
    let (users, pairs, seconds) = if scale.quick { (1_000, 2, 4) } else { (5_000, 5, 8) };
    let directory = tempfile::tempdir()?;
    let mut costs = Vec::new();
    for pair in 0..pairs {
        let mut both = [0.0; 2];
        for (cost, mut server) in both.iter_mut().zip([Server::bare()?, Server::target(TARGET)?]) {
            let cache = cache_file(&directory, &server.address.replace(':', "-"));
            let mut reader = Reader::rig(&server, users, 50_000.0 / users as f64, &cache, &[])?;
            *cost = watch(&mut server, &mut reader, WARM_UP, Duration::from_secs(seconds))?.server_per_million();
        }
        println!(
            "{users} users, pair {}: bare {:.3}, target {:.3} CPU s per million frames",
            pair + 1,
            both[0],
            both[1]
        );
        costs.push(both);
    }
    let spread = |of: fn(&[f64; 2]) -> f64| crate::stats::Spread::of(costs.iter().map(of));
    let line = Writing { users, bare: spread(|c| c[0]), target: spread(|c| c[1]), ratio: spread(|c| c[1] / c[0]) };
    println!("target to bare: {}", line.ratio);
    keep("target", &[line])
}
