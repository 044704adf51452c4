//! A made summary of eight hours on a server that slows down, restarts twice and leaks, as JSON on
//! standard output: for tests and pictures of the report.
//!
//! `cargo run --example made_night -- [hostile]`; `hostile` puts markup where a server's or a user's texts
//! can be.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs, unreachable_pub)]

mod night;

fn main() {
    let hostile = std::env::args().nth(1).is_some_and(|arg| arg == "hostile");
    let summary = if hostile { night::hostile() } else { night::night() };
    println!("{}", serde_json::to_string(&summary).expect("a summary is JSON"));
}
