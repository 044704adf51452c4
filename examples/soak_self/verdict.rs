//! The verdict on the looks: a table for people, JSON for comparing runs, the exit code.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};
use soakrig::stats::{Point, Slope};

use super::look::{Look, UNITS, WATCHED, by_cycle};
use super::pair::Ended;
use super::{Options, Trouble};

/// Allowed growth of open files and of tasks, per hour.
const FLOOR_OF_COUNTS: f64 = 30.0;
/// Index in [`WATCHED`] of the first figure of the target, which is not under test.
const FIRST_OF_TARGET: usize = 3;

pub struct Verdict {
    options: Options,
    cycles: Vec<(f64, [f64; 4])>,
    /// Growth per hour, by [`WATCHED`].
    slopes: [Option<Slope>; 4],
    looks: usize,
    missed: u32,
    ended: Ended,
}

impl Verdict {
    pub fn of(options: &Options, looks: &[Look], missed: u32, ended: Ended) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "at most 600")]
        let cycles = by_cycle(looks, options.cycle as f64, options.warm_up * 60.0);
        let slopes = std::array::from_fn(|i| {
            let points: Vec<Point> =
                cycles.iter().map(|(at, means)| Point { hours: at / 3600.0, value: means[i] }).collect();
            // Rounds of faults are the blocks already.
            Slope::of(&points, 1)
        });
        Self { options: options.clone(), cycles, slopes, looks: looks.len(), missed, ended }
    }

    /// The mean of a figure over the rounds.
    fn mean(&self, i: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
        let n = self.cycles.len() as f64;
        self.cycles.iter().map(|(_, means)| means[i]).sum::<f64>() / n
    }

    /// Whether any of the rig's figures grows beyond its floor, with the whole interval above it.
    pub fn grows(&self) -> bool {
        (0..FIRST_OF_TARGET).any(|i| self.is_growing(i))
    }

    fn floor(&self, i: usize) -> f64 {
        if i == 0 { self.options.floor } else { FLOOR_OF_COUNTS }
    }

    /// Without an interval nothing is proved, which counts as growth.
    fn is_growing(&self, i: usize) -> bool {
        self.slopes[i].is_none_or(|slope| slope.low > 0.0 && slope.per_hour > self.floor(i))
    }

    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(&self.json())?)?;
        Ok(())
    }

    fn json(&self) -> Value {
        let slopes: serde_json::Map<String, Value> = WATCHED
            .iter()
            .zip(UNITS)
            .zip(&self.slopes)
            .enumerate()
            .map(|(i, ((name, unit), slope))| {
                ((*name).to_owned(), slope.map_or(Value::Null, |slope| of_slope(&slope, self.mean(i), unit)))
            })
            .collect();
        let cycles: Vec<Value> = self.cycles.iter().map(|(at, means)| json!({"seconds": at, "means": means})).collect();
        json!({
            "command": self.ended.command,
            "minutes": self.options.minutes,
            "warm_up_minutes": self.options.warm_up,
            "cycle_seconds": self.options.cycle,
            "looks": self.looks,
            "looks_missed": self.missed,
            "watched": WATCHED,
            "cycles": cycles,
            "growth": slopes,
            "grows": self.grows(),
            "rig": {
                "exit_code": self.ended.exit_code,
                "verdict": self.ended.summary["verdict"],
                "deliveries": self.ended.summary["deliveries"],
                "users": self.ended.summary["users"],
                "errors": self.ended.summary["errors"],
                "generator": self.ended.summary["generator"],
            },
            "target": self.ended.target["injected"],
        })
    }
}

fn of_slope(slope: &Slope, mean: f64, unit: &str) -> Value {
    json!({
        "unit": format!("{unit} an hour"),
        "slope": slope.per_hour,
        "low": finite(slope.low),
        "high": finite(slope.high),
        "mean": mean,
        "autocorrelation": slope.autocorrelation,
        "effective_points": slope.effective,
    })
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cycles, warm_up) = (self.cycles.len(), self.options.warm_up);
        writeln!(
            f,
            "\n{} looks ({} missed), {cycles} cycles of {} s after {warm_up} min of warm-up; 95 % intervals\n",
            self.looks, self.missed, self.options.cycle
        )?;
        writeln!(f, "{:<16} {:>10} {:>14} {:>24}  ", "", "mean", "growth an hour", "between")?;
        for i in 0..WATCHED.len() {
            let verdict = match (i < FIRST_OF_TARGET, self.is_growing(i)) {
                (false, _) => "not under test",
                (true, true) => "GROWS",
                (true, false) => "does not grow",
            };
            match self.slopes[i] {
                Some(Slope { per_hour, low, high, .. }) => writeln!(
                    f,
                    "{:<16} {:>10.1} {per_hour:>+8.2} {:<5} {low:>+11.2} and {high:>+8.2}  {verdict}",
                    WATCHED[i],
                    self.mean(i),
                    UNITS[i]
                )?,
                None => writeln!(f, "{:<16} too few cycles", WATCHED[i])?,
            }
        }
        writeln!(f)?;
        writeln!(f, "the rig ended with {}: {}", code(self.ended.exit_code), self.ended.summary["verdict"]["reason"])?;
        writeln!(f, "deliveries: {}", self.ended.summary["deliveries"])?;
        writeln!(f, "injected: {}", self.ended.target["injected"])?;
        write!(f, "{}", if self.grows() { "GROWS, or cannot be judged" } else { "does not grow" })
    }
}

fn code(code: Option<i32>) -> String {
    code.map_or("a signal".to_owned(), |code| format!("exit code {code}"))
}
