//! What people see while a run goes on: a bar for the ramp and a status line after, refreshed each
//! second; or, where nobody watches a terminal, a log line now and then.
//!
//! Fed by the app with a [`Status`] each second; knows no clock and asks nobody.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

pub use crate::chat::RunPhase as Phase;
use crate::report::figures::{count, latency, rate, span};
use crate::telemetry::Screen;

/// Between log lines in the ramp and in the stop, where no terminal is.
const OFTEN: Duration = Duration::from_secs(10);
/// Between log lines at full load.
const SELDOM: Duration = Duration::from_secs(30);

/// A run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where in its course it is.
    pub phase: Phase,
    /// Since the start.
    pub elapsed: Duration,
    /// Until the end of the hold, if that is known.
    pub remaining: Option<Duration>,
    /// Users connected.
    pub connected: u64,
    /// Users to hold.
    pub target: u64,
    /// Users given up for good.
    pub failed: u64,
    /// Chats a second, lately.
    pub chats: f64,
    /// Chats a second, set.
    pub chats_target: f64,
    /// Deliveries so far, local and remote.
    pub on_time: u64,
    /// Late ones.
    pub late: u64,
    /// Lost ones.
    pub lost: u64,
    /// Excused for another reason than that their user left.
    pub cut_off: u64,
    /// Without a verdict yet.
    pub outstanding: u64,
    /// Half of the deliveries were faster, in seconds from the intended time.
    pub p50: Option<f64>,
    /// 99 % were faster.
    pub p99: Option<f64>,
    /// Errors of all stages but deliveries.
    pub errors: u64,
    /// Whether the generator is saturated now.
    pub saturated: bool,
}

/// The status in one line.
#[must_use]
pub fn line(status: &Status) -> String {
    let mut parts = vec![format!("{}/{} connected", count(status.connected), count(status.target))];
    if status.failed > 0 {
        parts.push(format!("{} given up", count(status.failed)));
    }
    if status.phase != Phase::Settle {
        parts.push(format!("chats {} of {}", rate(status.chats), rate(status.chats_target)));
    }
    parts.push(format!("{} on time, {} late, {} lost", count(status.on_time), count(status.late), count(status.lost)));
    if status.cut_off > 0 {
        parts.push(format!("{} cut off", count(status.cut_off)));
    }
    if status.phase == Phase::Settle {
        parts.push(format!("{} outstanding", count(status.outstanding)));
    }
    if let (Some(p50), Some(p99)) = (status.p50, status.p99) {
        parts.push(format!("p50 {} p99 {}", latency(p50), latency(p99)));
    }
    parts.push(if status.errors == 1 { "1 error".to_owned() } else { format!("{} errors", count(status.errors)) });
    if status.saturated {
        parts.push("SATURATED".to_owned());
    }
    parts.join(" · ")
}

/// When the run began and when it will end, in front of the status.
fn course(status: &Status) -> String {
    let word = match status.phase {
        Phase::Ramp => "ramp",
        Phase::Hold => "hold",
        Phase::Settle => "settling",
    };
    match (status.phase, status.remaining) {
        (Phase::Settle, _) => word.to_owned(),
        (_, Some(left)) => format!("{word} {} (-{})", span(status.elapsed.as_secs_f64()), span(left.as_secs_f64())),
        (_, None) => format!("{word} {}", span(status.elapsed.as_secs_f64())),
    }
}

/// Shows the status, on a terminal or in the log.
#[derive(Debug)]
pub struct Progress {
    /// In front of the status, with a colon; empty where there is only one run.
    title: String,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar { bar: ProgressBar, phase: Option<Phase> },
    Lines { last: Option<(Phase, Duration)> },
}

impl Progress {
    /// A bar where the screen has bars, log lines else; with a title where there are several.
    #[must_use]
    pub fn on(screen: &Screen, title: Option<String>) -> Self {
        let shown = if screen.has_bars() {
            Shown::Bar { bar: screen.add(ProgressBar::no_length()), phase: None }
        } else {
            Shown::Lines { last: None }
        };
        Self { title: title.map_or_else(String::new, |title| format!("{title}: ")), shown }
    }

    /// Shows this; to be called each second.
    pub fn tick(&mut self, status: &Status) {
        match &mut self.shown {
            Shown::Bar { bar, phase } => {
                if *phase != Some(status.phase) {
                    bar.set_style(style(status.phase));
                    *phase = Some(status.phase);
                }
                bar.set_length(status.target);
                bar.set_position(status.connected.min(status.target));
                bar.set_prefix(format!("{}{}", self.title, course(status)));
                bar.set_message(line(status));
                bar.tick();
            }
            Shown::Lines { last } => {
                if is_due(*last, status) {
                    *last = Some((status.phase, status.elapsed));
                    log(&self.title, status);
                }
            }
        }
    }

    /// Takes the bar off the terminal, before the summary.
    pub fn finish(&self) {
        if let Shown::Bar { bar, .. } = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Whether a log line is due: at the begin of a phase, and then at its intervals.
fn is_due(last: Option<(Phase, Duration)>, status: &Status) -> bool {
    let Some((phase, at)) = last else { return true };
    let interval = if status.phase == Phase::Hold { SELDOM } else { OFTEN };
    // Ticks come a little early or late.
    let slack = Duration::from_millis(500);
    phase != status.phase || status.elapsed.saturating_sub(at) + slack >= interval
}

fn log(title: &str, status: &Status) {
    tracing::info!(
        connected = status.connected,
        users = status.target,
        lost = status.lost,
        errors = status.errors,
        "{title}{}: {}",
        course(status),
        line(status)
    );
}

fn style(phase: Phase) -> ProgressStyle {
    let template = match phase {
        Phase::Ramp => "{prefix} [{bar:24}] {wide_msg}",
        Phase::Hold | Phase::Settle => "{prefix}  {wide_msg}",
    };
    // The templates are constants; a test holds them to what indicatif accepts.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;

    fn holding() -> Status {
        Status {
            phase: Phase::Hold,
            elapsed: Duration::from_secs(75),
            remaining: None,
            connected: 198,
            target: 200,
            failed: 0,
            chats: 19.98,
            chats_target: 20.0,
            on_time: 239_000,
            late: 0,
            lost: 0,
            cut_off: 0,
            outstanding: 400,
            p50: Some(0.0021),
            p99: Some(0.0122),
            errors: 1,
            saturated: false,
        }
    }

    #[test]
    fn a_quiet_hold_in_one_line() {
        assert_eq!(
            line(&holding()),
            "198/200 connected · chats 20/s of 20/s · 239,000 on time, 0 late, 0 lost · p50 2.1 ms p99 12.2 ms · 1 error"
        );
        assert_eq!(course(&holding()), "hold 1m 15s");
    }

    #[test]
    fn trouble_shows() {
        let status = Status { failed: 2, lost: 7, cut_off: 90, errors: 1_200, saturated: true, p50: None, ..holding() };
        assert_eq!(
            line(&status),
            "198/200 connected · 2 given up · chats 20/s of 20/s · 239,000 on time, 0 late, 7 lost · 90 cut off · \
             1,200 errors · SATURATED"
        );
    }

    #[test]
    fn the_stop_shows_what_is_still_out() {
        let status = Status { phase: Phase::Settle, remaining: Some(Duration::from_secs(9)), ..holding() };
        assert!(line(&status).contains("400 outstanding") && !line(&status).contains("chats"));
        assert_eq!(course(&status), "settling");
    }

    #[test]
    fn log_lines_are_seldom_and_never_miss_a_phase() {
        let mut last = None;
        let mut due = Vec::new();
        for second in 0..100 {
            let phase = if second < 25 { Phase::Ramp } else { Phase::Hold };
            let status = Status { phase, elapsed: Duration::from_secs(second), ..holding() };
            if is_due(last, &status) {
                due.push(second);
                last = Some((phase, status.elapsed));
            }
        }
        assert_eq!(due, [0, 10, 20, 25, 55, 85]);
    }

    #[test]
    fn templates_are_accepted() {
        for template in ["{prefix} [{bar:24}] {wide_msg}", "{prefix}  {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn a_bar_goes_through_all_phases() {
        let mut progress = Progress::on(&Screen::with_bars(ProgressDrawTarget::hidden()), None);
        for phase in [Phase::Ramp, Phase::Hold, Phase::Settle] {
            progress.tick(&Status { phase, ..holding() });
        }
        let Shown::Bar { bar, .. } = &progress.shown else { panic!("no bar") };
        assert_eq!((bar.position(), bar.length()), (198, Some(200)));
        assert!(bar.message().contains("outstanding"));
        progress.finish();
        assert!(bar.is_finished());
    }
}
