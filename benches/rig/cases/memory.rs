//! Memory per user: idle, after traffic, after a large member list to all users.

use std::time::Duration;

use serde::Serialize;

use super::{Scale, keep};
use crate::Outcome;
use crate::lab::{Reader, Server, cache_file};

/// Resident memory that is the process's own, in kB.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    users: usize,
    total: f64,
    /// What each user adds to a run of ten.
    each: f64,
}

/// All stages of one number of users.
pub fn memory(scale: Scale) -> Outcome<()> {
    let (users, minutes) = if scale.quick { (2_000, 0.2) } else { (10_000, 10.0) };
    let directory = tempfile::tempdir()?;
    let mut server = Server::bare()?;
    // The part that needs no users.
    let few = Reader::rig(&server, 10, 0.1, &cache_file(&directory, "few"), &[])?;
    std::thread::sleep(Duration::from_secs(5));
    let base = few.process.memory()?;
    drop(few);
    server.wait_until_empty()?;
    let mut lines = Vec::new();
    let mut note = |what: &str, reader: &Reader| -> Outcome<()> {
        lines.push(line(what, users, base, reader)?);
        Ok(())
    };
    let cache = cache_file(&directory, "many");
    let rate = 20_000.0 / users as f64;
    let reader = Reader::rig(&server, users, 0.001, &cache, &[])?;
    std::thread::sleep(Duration::from_secs(15));
    note("idle", &reader)?;
    drop(reader);
    server.wait_until_empty()?;
    let reader = Reader::rig(&server, users, rate, &cache, &[])?;
    std::thread::sleep(Duration::from_secs_f64(minutes * 60.0));
    note(&format!("after {minutes} minutes of {rate} chats/s to all"), &reader)?;
    server.process.order("lists 200000 0.2")?;
    std::thread::sleep(Duration::from_secs(if scale.quick { 15 } else { 40 }));
    server.process.order("rest")?;
    std::thread::sleep(Duration::from_secs(5));
    note("and after lists of 200 kB to all", &reader)?;
    drop(reader);
    server.wait_until_empty()?;
    let (users, front) = (users / 5, server.behind_tls()?);
    let cache = cache_file(&directory, "tls");
    let reader = Reader::rig(&front, users, 20_000.0 / users as f64, &cache, &["--insecure-skip-verify"])?;
    std::thread::sleep(Duration::from_secs(20));
    lines.push(line("over TLS, with traffic", users, base, &reader)?);
    keep("memory", &lines)
}

fn line(what: &str, users: usize, base: u64, reader: &Reader) -> Outcome<Line> {
    let total = reader.process.memory()? as f64 / 1024.0;
    let each = (total - base as f64 / 1024.0) / users as f64;
    println!("{users} users, {what}: {total:.0} kB in all, {each:.2} kB per user");
    Ok(Line { what: what.to_owned(), users, total, each })
}
