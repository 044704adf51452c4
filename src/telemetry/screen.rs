//! The terminal shared by log lines and progress bars: writing a line removes the bars and redraws them.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

use super::stdio;

/// Maximum redraws per second.
const REFRESHES: u8 = 20;

/// Stderr, with or without bars; clones share the screen.
#[derive(Debug, Clone)]
pub struct Screen {
    bars: Option<MultiProgress>,
    terminal: Option<Term>,
    colours: bool,
}

impl Screen {
    /// Stderr as it is: bars if it is a terminal that can move its cursor, colours unless `NO_COLOR` forbids them.
    #[must_use]
    pub fn stderr() -> Self {
        let terminal = Term::read_write_pair(io::stdin(), stdio::stderr());
        let style = Style::of(terminal.is_term(), std::env::var_os("TERM"), std::env::var_os("NO_COLOR"));
        if !style.bars {
            return Self::plain();
        }
        let target = ProgressDrawTarget::term(terminal.clone(), REFRESHES);
        Self { terminal: Some(terminal), colours: style.colours, ..Self::with_bars(target) }
    }

    /// Without bars and colours, even on a terminal: for JSON logs.
    #[must_use]
    pub fn plain() -> Self {
        Self { bars: None, terminal: None, colours: false }
    }

    /// With bars on a given target.
    #[must_use]
    pub fn with_bars(target: ProgressDrawTarget) -> Self {
        Self { bars: Some(MultiProgress::with_draw_target(target)), terminal: None, colours: false }
    }

    /// Shows a bar, if the screen has bars; returns it either way.
    #[must_use]
    pub fn add(&self, bar: ProgressBar) -> ProgressBar {
        match &self.bars {
            Some(bars) => bars.add(bar),
            None => bar,
        }
    }

    /// Whether bars are shown.
    #[must_use]
    pub fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    /// Whether text may be coloured.
    #[must_use]
    pub fn has_colours(&self) -> bool {
        self.colours
    }

    /// The current width of the terminal in columns, if known.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.terminal.as_ref()?.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
    }

    /// Runs `write` while the bars are removed.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// What a terminal is able and allowed to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    bars: bool,
    colours: bool,
}

impl Style {
    /// From whether it is a terminal, `TERM`, and `NO_COLOR` (<https://no-color.org>: set and not empty).
    fn of(terminal: bool, term: Option<OsString>, no_color: Option<OsString>) -> Self {
        let is_able = term.is_some_and(|term| !term.is_empty() && term != OsStr::new("dumb"));
        let bars = terminal && is_able;
        Self { bars, colours: bars && no_color.is_none_or(|value| value.is_empty()) }
    }
}

/// Writes to stderr with the bars removed.
#[derive(Debug)]
pub struct ScreenWriter<'a>(&'a Screen);

impl Write for ScreenWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Whole lines: tracing's formatter writes each event at once.
        self.0.suspend(|| stdio::stderr().put(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = ScreenWriter<'a>;

    fn make_writer(&'a self) -> ScreenWriter<'a> {
        ScreenWriter(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(terminal: bool, term: Option<&str>, no_color: Option<&str>) -> (bool, bool) {
        let style = Style::of(terminal, term.map(Into::into), no_color.map(Into::into));
        (style.bars, style.colours)
    }

    #[test]
    fn a_dumb_terminal_gets_lines_without_colours() {
        for term in [Some("dumb"), Some(""), None] {
            assert_eq!(style(true, term, None), (false, false), "{term:?}");
        }
        assert_eq!(style(true, Some("xterm"), None), (true, true));
        assert_eq!(style(false, Some("xterm"), None), (false, false));
    }

    #[test]
    fn no_color_counts_where_it_is_not_empty() {
        assert_eq!(style(true, Some("xterm"), Some("")), (true, true));
        assert_eq!(style(true, Some("xterm"), Some("1")), (true, false));
    }
}
