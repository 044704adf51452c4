//! A made summary of eight hours on a server that slows down, restarts twice and leaks, as JSON on
//! standard output: for tests and pictures of the report.
//!
//! `cargo run --example made_night -- [hostile | cost]`; `hostile` puts markup where a server's or a user's
//! texts can be, `cost` prints what a checkpoint of it costs instead.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs, unreachable_pub)]

mod night;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use soakrig::report::summary::Summary;

fn main() {
    let summary = match std::env::args().nth(1).as_deref() {
        Some("hostile") => night::hostile(),
        Some("cost") => return cost(&night::night()),
        _ => night::night(),
    };
    println!("{}", serde_json::to_string(&summary).expect("a summary is JSON"));
}

/// CPU time of a copy of a summary and its text, as each checkpoint makes them: the median of 101.
fn cost(summary: &Summary) {
    let cpu = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock is always there"));
    let one = || {
        let begun = cpu();
        let text = serde_json::to_vec_pretty(&summary.clone()).expect("a summary is JSON");
        (cpu() - begun, text.len())
    };
    let mut costs: Vec<_> = (0..101).map(|_| one()).collect();
    costs.sort();
    let (took, bytes) = costs[50];
    println!("{:.1} ms of CPU, {bytes} bytes", took.as_secs_f64() * 1e3);
}
