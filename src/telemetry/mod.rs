//! Logs: their filter, format and rate limit, without tearing the progress bar; and [`traces`].
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

/// The content and format of logs.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// The format of lines.
    pub format: LogFormat,
    /// Whether to log debug lines.
    pub verbose: bool,
    /// Filter directives, from [`FILTER_VARIABLE`]; they outrank `verbose`.
    pub directives: Option<String>,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error("{FILTER_VARIABLE} is not a filter: {reason}; an example is {FILTER_VARIABLE}=info,soakrig::drivers=debug")]
    Filter {
        /// The reason.
        reason: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    SetUpBefore,
}

/// A handle on the running logs.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    limiter: Limiter,
}

impl Logs {
    /// Logs one line per place whose lines were suppressed since the last call, and returns the number of suppressed
    /// lines. Call it every ten seconds or so, and at the end.
    pub fn report_suppressed(&self) -> u64 {
        let suppressed = self.limiter.drain();
        for place in &suppressed {
            tracing::warn!(lines = place.lines, level = %place.level, at = %place.place, "similar lines were suppressed");
        }
        let unread = stdio::stderr().take_left_out();
        if unread > 0 {
            tracing::warn!(lines = unread, "log lines were lost: standard error was not read for too long");
        }
        suppressed.iter().map(|place| place.lines).sum::<u64>() + unread
    }
}

/// Sets up logging for the process: to stderr through `screen`, with `extra` layers.
///
/// # Errors
/// If the filter is not understood (exit code 104), or logging is set up already.
pub fn init(options: &LogOptions, screen: &Screen, extra: Vec<Extra>) -> Result<Logs, TelemetryError> {
    let logs = Logs::default();
    // Use one list: an empty second one would turn off every line, since its level is "none".
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
    // The spans of traces are neither lines nor prefixes of lines.
    let no_spans = Targets::new().with_default(LevelFilter::TRACE).with_target(SPANS, LevelFilter::OFF);
    let filter = filter(options)?.and(no_spans).and(logs.limiter.clone());
    // Do not log failures to write a log line.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    Ok(match options.format {
        LogFormat::Json => {
            layer.json().flatten_event(true).map_event_format(lines::WithIds).with_filter(filter).boxed()
        }
        LogFormat::Human => layer.with_target(false).with_ansi(colours).compact().with_filter(filter).boxed(),
    })
}

/// The filter: soakrig's lines from info or debug; other crates' one level less, since their debug lines cover every
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
