//! A long run of the rig against itself: do its memory, open files or tasks grow?
//!
//! Starts the embedded target and a run against it as processes, makes the target misbehave in a
//! cycle, looks at the rig every second, and says at the end how fast it grows, with a confidence
//! interval. Exit code 0: it does not grow; 1: it grows; 2: the run itself failed.
//! `just soak-self` runs it; docs/endurance.md has the method and figures.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `cycle` | what goes wrong when |
//! | `pair` | the two processes |
//! | `look` | one look at each of them, and looks by cycle |
//! | `verdict` | the table, the JSON, the exit code |

#![allow(clippy::print_stdout, clippy::print_stderr, unreachable_pub, missing_docs)]

mod cycle;
mod look;
mod pair;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use cycle::Cycle;
use look::Look;
use pair::Pair;
use soakrig::stats::Slope;
use verdict::Verdict;

/// Anything that prevents a result.
type Trouble = Box<dyn std::error::Error>;

/// Holds the demo load under cycling faults and reports whether the rig grows.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// How long, warm-up included.
    #[arg(long, default_value_t = 20.0, value_parser = minutes)]
    minutes: f64,
    /// Minutes at the start that do not count; rounded up to whole cycles.
    #[arg(long, default_value_t = 5.0, value_parser = minutes)]
    warm_up: f64,
    /// Seconds of one round of faults, 20 to 600.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(20..=600))]
    cycle: u64,
    /// Users.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    users: u32,
    /// Chats of all users together.
    #[arg(long, default_value = "20/s")]
    chat_rate: String,
    /// Allowed growth of memory, in MiB per hour.
    #[arg(long, default_value_t = 1.0)]
    floor: f64,
    /// The binary under test; by default the one built beside this program.
    #[arg(long)]
    soakrig: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/soak-self.json")]
    json: PathBuf,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.5..=1440.0).contains(&minutes) => Ok(minutes),
        _ => Err("give minutes from 0.5 to 1440".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match soak(&options) {
        Ok(verdict) => {
            println!("{verdict}");
            if let Err(trouble) = verdict.write(&options.json) {
                eprintln!("soak_self: {}: {trouble}", options.json.display());
                return ExitCode::from(2);
            }
            ExitCode::from(u8::from(verdict.grows()))
        }
        Err(trouble) => {
            eprintln!("soak_self: {trouble}");
            ExitCode::from(2)
        }
    }
}

fn soak(options: &Options) -> Result<Verdict, Trouble> {
    let (whole, warm_up) = (from_minutes(options.minutes), from_minutes(options.warm_up));
    let round = Duration::from_secs(options.cycle);
    let rounds = whole.saturating_sub(warm_up).as_secs() / options.cycle;
    if rounds < Slope::FEWEST as u64 {
        let fewest = Slope::FEWEST;
        return Err(format!(
            "{rounds} cycles of {round:?} remain after the warm-up, {fewest} are needed; give more --minutes, or a shorter --cycle"
        )
        .into());
    }
    let mut pair = Pair::start(options, whole)?;
    let begin = Instant::now();
    let mut cycle = Cycle::of(round);
    let mut looks = Vec::new();
    let mut missed = 0_u32;
    while begin.elapsed() < whole && pair.goes_on()? {
        let at = begin.elapsed();
        cycle.act(at, &pair)?;
        match Look::at(&pair, at) {
            Ok(look) => {
                if looks.len() % 30 == 0 {
                    println!("{look}  last fault: {}", cycle.last());
                }
                looks.push(look);
            }
            Err(_) => missed += 1,
        }
        // The next whole second; a late one is not made up for.
        let next = Duration::from_secs(begin.elapsed().as_secs() + 1);
        std::thread::sleep(next.saturating_sub(begin.elapsed()));
    }
    pair.calm()?;
    let ended = pair.end()?;
    Ok(Verdict::of(options, &looks, missed, ended))
}

fn from_minutes(minutes: f64) -> Duration {
    Duration::from_secs_f64(minutes * 60.0)
}
