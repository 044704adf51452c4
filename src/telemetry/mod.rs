//! Logs: what is said, in which form, how much of it, and without tearing the progress bar; and
//! [`traces`].
//!
//! Set up once by `run`; the rest of soakrig only uses `tracing`'s macros. Knows nothing of the run.

pub mod limit;
mod lines;
pub mod screen;
pub mod stdio;
pub mod traces;

use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

pub use self::limit::{Limiter, PROGRESS, Suppressed};
pub use self::screen::Screen;
pub use self::traces::Extra;
use crate::model::{LogFormat, SPANS};

/// The environment variable with filter directives, which outrank `--verbose`.
pub const FILTER_VARIABLE: &str = "SOAKRIG_LOG";

/// What is logged and how.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// The lines' form.
    pub format: LogFormat,
    /// Whether debug lines are wanted.
    pub verbose: bool,
    /// Filter directives, of [`FILTER_VARIABLE`]; they outrank `verbose`.
    pub directives: Option<String>,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error("{FILTER_VARIABLE} is not a filter: {reason}; an example is {FILTER_VARIABLE}=info,soakrig::drivers=debug")]
    Filter {
        /// What is wrong with it.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    SetUpBefore,
}

/// A handle on the logs that run.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    limiter: Limiter,
}

impl Logs {
    /// Logs one line for each place whose lines were left out since the last call, and returns
    /// how many lines that were. To be called every ten seconds or so, and at the end.
    pub fn report_suppressed(&self) -> u64 {
        let suppressed = self.limiter.drain();
        for place in &suppressed {
            tracing::warn!(lines = place.lines, level = %place.level, at = %place.place, "similar lines were left out");
        }
        let unread = stdio::stderr().take_left_out();
        if unread > 0 {
            tracing::warn!(lines = unread, "log lines were left out: standard error was not read for too long");
        }
        suppressed.iter().map(|place| place.lines).sum::<u64>() + unread
    }
}

/// Sets up logging for the process: to stderr, through `screen`, with `extra` layers beside.
///
/// # Errors
/// Where the filter is not understood (exit code 104), or logging is set up already.
pub fn init(options: &LogOptions, screen: &Screen, extra: Vec<Extra>) -> Result<Logs, TelemetryError> {
    let logs = Logs::default();
    // One list: an empty one of its own would turn every line off, its level being "none".
    let mut layers = extra;
    layers.push(lines(options, &logs, screen.clone(), screen.has_colours())?);
    tracing::subscriber::set_global_default(Registry::default().with(layers))
        .map_err(|_| TelemetryError::SetUpBefore)?;
    Ok(logs)
}

/// The layer that writes lines: filtered, limited, in the form asked for.
fn lines<S, W>(
    options: &LogOptions,
    logs: &Logs,
    writer: W,
    colours: bool,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The spans of traces are no lines, nor do they stand in front of any.
    let no_spans = Targets::new().with_default(LevelFilter::TRACE).with_target(SPANS, LevelFilter::OFF);
    let filter = filter(options)?.and(no_spans).and(logs.limiter.clone());
    // A line that cannot be written is no reason to write another.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    Ok(match options.format {
        LogFormat::Json => {
            layer.json().flatten_event(true).map_event_format(lines::WithIds).with_filter(filter).boxed()
        }
        LogFormat::Human => layer.with_target(false).with_ansi(colours).compact().with_filter(filter).boxed(),
    })
}

/// Ours from info on, or debug; other crates' a level less, since their debug lines tell of every
/// frame.
fn filter(options: &LogOptions) -> Result<EnvFilter, TelemetryError> {
    let directives = match (&options.directives, options.verbose) {
        (Some(directives), _) => directives.as_str(),
        (None, false) => "warn,soakrig=info",
        (None, true) => "info,soakrig=debug",
    };
    EnvFilter::builder().parse(directives).map_err(|error| TelemetryError::Filter { reason: error.to_string() })
}

#[cfg(test)]
mod tests;
