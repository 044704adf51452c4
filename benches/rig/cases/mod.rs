//! The cases, each a question that figures answer.

mod accuracy;
mod cpu;
mod memory;
mod peers;
mod scale;
mod tables;

use std::path::PathBuf;

use serde::Serialize;

use super::Outcome;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// A short run, to see whether it works; the figures are worth little.
    pub quick: bool,
}

type Case = (&'static str, fn(Scale) -> Outcome<()>);

const CASES: &[Case] = &[
    ("deliveries", cpu::deliveries),
    ("batches", cpu::batches),
    ("lists", cpu::lists),
    ("memory", memory::memory),
    ("growth", scale::growth),
    ("processes", scale::processes),
    ("target", scale::target),
    ("pace", accuracy::pace),
    ("gaps", accuracy::gaps),
    ("delivery", accuracy::delivery),
    ("ramp", accuracy::ramp),
    ("scrape", accuracy::scrape),
    ("peers", peers::peers),
    ("tables", tables::tables),
];

/// Runs the named cases, or all.
pub fn run(words: &[&str]) -> Outcome<()> {
    let scale = Scale { quick: words.contains(&"--quick") };
    let wanted: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    if let Some(unknown) = wanted.iter().find(|word| !CASES.iter().any(|(name, _)| name == *word)) {
        let known: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no case {unknown:?}; there are {}", known.join(", ")).into());
    }
    for (name, case) in CASES.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        println!("== {name}");
        case(scale)?;
    }
    Ok(())
}

/// Saves a case's figures.
pub fn keep(name: &str, figures: &impl Serialize) -> Outcome<()> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&directory)?;
    Ok(std::fs::write(directory.join(format!("{name}.json")), serde_json::to_vec_pretty(figures)?)?)
}
