//! The progress of a run: a bar during the ramp and a status line after it, refreshed every second; or,
//! without a terminal, a log line from time to time.
//!
//! `run` feeds it a [`Status`] every second; it has no clock.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::status::{Phase, Status, line, phase_times, rows};
use crate::telemetry::{PROGRESS, Screen};

/// Interval of log lines during the ramp and the stop, without a terminal.
const OFTEN: Duration = Duration::from_secs(10);
/// Interval of log lines at full load.
const SELDOM: Duration = Duration::from_secs(30);
/// Assumed width of a terminal that does not report one, in columns.
const WIDTH: usize = 80;
/// Smallest width of a terminal for a bar, and width of the bar with its surroundings, in columns.
const WITH_BAR: usize = 100;
const BAR: usize = 24 + 4;

/// Shows the status, on a terminal or in the log.
#[derive(Debug)]
pub struct Progress {
    /// Prefix of the status, with a colon; empty if there is only one run.
    title: String,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar { bar: ProgressBar, screen: Screen, template: &'static str },
    Lines { last: Option<(Phase, Duration)> },
}

impl Progress {
    /// A bar if the screen has bars, else log lines; with a title if there are several runs.
    #[must_use]
    pub fn on(screen: &Screen, title: Option<String>) -> Self {
        let shown = if screen.has_bars() {
            Shown::Bar { bar: screen.add(ProgressBar::no_length()), screen: screen.clone(), template: "" }
        } else {
            Shown::Lines { last: None }
        };
        Self { title: title.map_or_else(String::new, |title| format!("{title}: ")), shown }
    }

    /// Shows the status; call it every second.
    pub fn tick(&mut self, status: &Status) {
        match &mut self.shown {
            Shown::Bar { bar, screen, template } => {
                // Leave the last column free: some terminals wrap after it.
                let width = screen.width().unwrap_or(WIDTH).saturating_sub(1);
                let wanted = self::template(status.phase, width);
                if *template != wanted {
                    bar.set_style(style(wanted));
                    *template = wanted;
                }
                let prefix: String = format!("{}{}", self.title, phase_times(status)).chars().take(width).collect();
                let drawn = if wanted == WITH_BAR_IN_FRONT { BAR } else { 2 };
                let first = width.saturating_sub(prefix.chars().count() + drawn);
                bar.set_length(status.target);
                bar.set_position(status.connected.min(status.target));
                bar.set_prefix(prefix);
                bar.set_message(rows(status, first, width, screen.has_colours()).join("\n"));
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

/// Whether a log line is due: at the start of a phase, then at the phase's interval.
fn is_due(last: Option<(Phase, Duration)>, status: &Status) -> bool {
    let Some((phase, at)) = last else { return true };
    let interval = if status.phase == Phase::Hold { SELDOM } else { OFTEN };
    // Ticks may be a little early or late.
    let slack = Duration::from_millis(500);
    phase != status.phase || status.elapsed.saturating_sub(at) + slack >= interval
}

fn log(title: &str, status: &Status) {
    // These lines are rare enough; with many plenaries they must not be suppressed as similar.
    tracing::info!(
        target: PROGRESS,
        connected = status.connected,
        users = status.target,
        lost = status.lost,
        errors = status.errors,
        "{title}{}: {}",
        phase_times(status),
        line(status)
    );
}

const WITH_BAR_IN_FRONT: &str = "{prefix} [{bar:24}] {msg}";
const WITHOUT_BAR: &str = "{prefix}  {msg}";

fn template(phase: Phase, width: usize) -> &'static str {
    if phase == Phase::Ramp && width >= WITH_BAR { WITH_BAR_IN_FRONT } else { WITHOUT_BAR }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a test checks that indicatif accepts them.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::status::tests::holding;
    use indicatif::ProgressDrawTarget;

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
    fn lines_of_many_plenaries_are_not_similar_lines() {
        use crate::telemetry::Limiter;
        use std::io::{Read as _, Seek as _};
        use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

        let mut file = tempfile::tempfile().unwrap();
        let lines = tracing_subscriber::fmt::layer().with_writer(std::sync::Arc::new(file.try_clone().unwrap()));
        let limited = tracing_subscriber::registry().with(lines.with_filter(Limiter::default()));
        tracing::subscriber::with_default(limited, || {
            for plenary in 0..25 {
                Progress::on(&Screen::plain(), Some(format!("room{plenary}"))).tick(&holding());
            }
        });
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text.matches("0 lost, 0 late").count(), 25, "{text}");
    }

    #[test]
    fn templates_are_accepted() {
        for template in [WITH_BAR_IN_FRONT, WITHOUT_BAR] {
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
