//! One look at both processes.

use std::fmt;
use std::time::Duration;

use super::Trouble;
use super::pair::Pair;

/// What is looked at, in the order of [`Look::figures`].
pub const WATCHED: [&str; 4] = ["resident memory", "open files", "tasks", "target's memory"];
/// The units of their growth.
pub const UNITS: [&str; 4] = ["MiB", "files", "tasks", "MiB"];

#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Seconds since the start.
    pub at: f64,
    pub connected: f64,
    /// By [`WATCHED`].
    pub figures: [f64; 4],
}

const MIB: f64 = 1_048_576.0;

impl Look {
    pub fn at(pair: &Pair, at: Duration) -> Result<Self, Trouble> {
        let page = pair.scrape()?;
        let figure = |name: &str| sample(&page, name).ok_or_else(|| format!("no {name} in the rig's metrics"));
        Ok(Self {
            at: at.as_secs_f64(),
            connected: figure("soakrig_users{state=\"connected\"}")?,
            figures: [
                figure("process_resident_memory_bytes")? / MIB,
                figure("process_open_fds")?,
                figure("tokio_alive_tasks")?,
                resident(pair.target_pid())? / MIB,
            ],
        })
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [memory, files, tasks, target] = self.figures;
        write!(
            f,
            "{:>6.0} s  {:>5} connected  {memory:>6.1} MiB  {files:>5} files  {tasks:>5} tasks  target {target:>6.1} MiB",
            self.at, self.connected
        )
    }
}

/// The value of a series, named with its labels.
fn sample(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Resident bytes of a process.
fn resident(pid: u32) -> Result<f64, Trouble> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// Means over whole cycles after the warm-up, as (seconds, figures).
pub fn by_cycle(looks: &[Look], cycle: f64, warm_up: f64) -> Vec<(f64, [f64; 4])> {
    let Some(last) = looks.last() else { return Vec::new() };
    let mut means = Vec::new();
    let mut from = (warm_up / cycle).ceil() * cycle;
    // The last look of a cycle comes up to two seconds before its end.
    while from + cycle <= last.at + 2.0 {
        let of_cycle: Vec<&Look> = looks.iter().filter(|look| (from..from + cycle).contains(&look.at)).collect();
        if !of_cycle.is_empty() {
            #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
            let n = of_cycle.len() as f64;
            let mean = |of: &dyn Fn(&Look) -> f64| of_cycle.iter().map(|look| of(look)).sum::<f64>() / n;
            let figures = std::array::from_fn(|i| mean(&|look| look.figures[i]));
            means.push((mean(&|look| look.at), figures));
        }
        from += cycle;
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_by_its_whole_name() {
        let page = "# HELP a b\na_total 3\na 7\na{x=\"1\"} 5\n";
        assert_eq!(sample(page, "a"), Some(7.0));
        assert_eq!(sample(page, "a{x=\"1\"}"), Some(5.0));
        assert_eq!(sample(page, "b"), None);
    }

    #[test]
    fn whole_cycles_after_the_warm_up_count() {
        let look = |second: u32| {
            let at = f64::from(second);
            Look { at, connected: 0.0, figures: [at, 1.0, 2.0, 3.0] }
        };
        let looks: Vec<Look> = (0..125).map(look).collect();
        let means = by_cycle(&looks, 30.0, 31.0);
        let times: Vec<f64> = means.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [74.5, 104.5]);
        assert_eq!(means[0].1, [74.5, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn this_process_has_a_size() {
        assert!(resident(std::process::id()).unwrap() > 100_000.0);
    }
}
