//! The terminal as both log lines and progress bars need it: a line takes the bars off, is written,
//! and puts them back.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

/// Stderr, with or without bars; clones are the same screen.
#[derive(Debug, Clone)]
pub struct Screen {
    bars: Option<MultiProgress>,
}

impl Screen {
    /// Stderr as it is: bars where it is a terminal.
    #[must_use]
    pub fn stderr() -> Self {
        if io::stderr().is_terminal() { Self::with_bars(ProgressDrawTarget::stderr()) } else { Self::plain() }
    }

    /// Without bars, even on a terminal: for JSON logs.
    #[must_use]
    pub fn plain() -> Self {
        Self { bars: None }
    }

    /// With bars on a target of one's own.
    #[must_use]
    pub fn with_bars(target: ProgressDrawTarget) -> Self {
        Self { bars: Some(MultiProgress::with_draw_target(target)) }
    }

    /// Shows a bar, where there are any; gives it back either way.
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

    /// Does something to the terminal while the bars are off it.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// Writes to stderr with the bars off.
#[derive(Debug)]
pub struct ScreenWriter<'a>(&'a Screen);

impl Write for ScreenWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Whole lines: tracing's formatter writes each event at once.
        self.0.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = ScreenWriter<'a>;

    fn make_writer(&'a self) -> ScreenWriter<'a> {
        ScreenWriter(self)
    }
}
