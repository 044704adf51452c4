//! CPU per frame: soakrig's whole path beside a raw reader, on the same frames, in turn.

use std::time::Duration;

use serde::Serialize;

use super::{Scale, keep};
use crate::Outcome;
use crate::lab::{Cost, Reader, Server, cache_file, watch};
use crate::stats::Spread;

const WARM_UP: Duration = Duration::from_secs(3);

/// One line of figures: CPU seconds per million frames.
#[derive(Debug, Serialize)]
struct Line {
    users: usize,
    frames_a_second: f64,
    frame_bytes: f64,
    raw: Spread,
    soakrig: Spread,
    /// Of the pairs.
    ratio: Spread,
    /// Microseconds per frame above the raw reader, of the pairs.
    above: Spread,
}

/// The kind of frames and how they arrive.
#[derive(Clone, Copy)]
enum Traffic {
    /// Chats, several written at once.
    Chats { a_second: f64, at_once: usize },
    /// Member lists.
    Lists { a_second: f64, bytes: usize },
}

impl Traffic {
    fn orders(self, raw: bool) -> Vec<String> {
        match self {
            Self::Chats { a_second, at_once } if raw => vec![format!("drive {a_second} {at_once}")],
            Self::Chats { at_once, .. } => vec![format!("gather {at_once}")],
            Self::Lists { a_second, bytes } => vec![format!("lists {bytes} {a_second}")],
        }
    }

    fn chats(self) -> f64 {
        match self {
            Self::Chats { a_second, .. } => a_second,
            // A run needs some chat; this little does not show.
            Self::Lists { .. } => 0.001,
        }
    }
}

/// One chat per read.
pub fn deliveries(scale: Scale) -> Outcome<()> {
    let (users, pairs, seconds): (&[usize], _, _) =
        if scale.quick { (&[2_000], 3, 5) } else { (&[5_000, 10_000], 9, 8) };
    let lines = users.iter().map(|users| {
        let a_second = 50_000.0 / *users as f64;
        compare(*users, pairs, seconds, Traffic::Chats { a_second, at_once: 1 })
    });
    keep("deliveries", &lines.collect::<Outcome<Vec<Line>>>()?)
}

/// Sixteen chats per read.
pub fn batches(scale: Scale) -> Outcome<()> {
    let (users, pairs, seconds) = if scale.quick { (500, 3, 4) } else { (2_000, 9, 6) };
    let traffic = Traffic::Chats { a_second: 200_000.0 / users as f64, at_once: 16 };
    keep("batches", &[compare(users, pairs, seconds, traffic)?])
}

/// Member lists of 200 kB.
pub fn lists(scale: Scale) -> Outcome<()> {
    let (users, pairs, seconds) = if scale.quick { (400, 2, 4) } else { (500, 9, 6) };
    keep("lists", &[compare(users, pairs, seconds, Traffic::Lists { a_second: 6.0, bytes: 200_000 })?])
}

fn compare(users: usize, pairs: usize, seconds: u64, traffic: Traffic) -> Outcome<Line> {
    let directory = tempfile::tempdir()?;
    let cache = cache_file(&directory, "sessions");
    let mut server = Server::bare()?;
    let mut costs: Vec<(Cost, Cost)> = Vec::new();
    for pair in 0..pairs {
        let reader = Reader::raw(&server, users, "/event/test/", "sessionid=1")?;
        let raw = measure(&mut server, reader, traffic.orders(true), seconds)?;
        let reader = Reader::rig(&server, users, traffic.chats(), &cache, &[])?;
        let rig = measure(&mut server, reader, traffic.orders(false), seconds)?;
        println!(
            "{users} users, pair {}: raw {:.3}, soakrig {:.3} CPU s a million frames ({:.0} and {:.0} frames/s)",
            pair + 1,
            raw.per_million(),
            rig.per_million(),
            raw.frames / raw.seconds,
            rig.frames / rig.seconds,
        );
        costs.push((raw, rig));
    }
    let line = Line {
        users,
        frames_a_second: Spread::of(costs.iter().map(|(_, rig)| rig.frames / rig.seconds)).median,
        frame_bytes: Spread::of(costs.iter().map(|(_, rig)| rig.bytes / rig.frames)).median,
        raw: Spread::of(costs.iter().map(|(raw, _)| raw.per_million())),
        soakrig: Spread::of(costs.iter().map(|(_, rig)| rig.per_million())),
        ratio: Spread::of(costs.iter().map(|(raw, rig)| rig.per_million() / raw.per_million())),
        above: Spread::of(costs.iter().map(|(raw, rig)| rig.per_million() - raw.per_million())),
    };
    println!("{users} users: ratio {}, above raw {} µs a frame", line.ratio, line.above);
    Ok(line)
}

fn measure(server: &mut Server, mut reader: Reader, orders: Vec<String>, seconds: u64) -> Outcome<Cost> {
    for order in orders {
        server.process.order(&order)?;
    }
    let cost = watch(server, &mut reader, WARM_UP, Duration::from_secs(seconds))?;
    server.process.order("rest")?;
    drop(reader);
    server.wait_until_empty()?;
    Ok(cost)
}
