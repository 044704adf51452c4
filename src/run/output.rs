//! What a person watches: the terminal, its log lines, and traces.

use super::traces::Tracing;
use crate::config::plan::{Logging, Plan};
use crate::error::StartError;
use crate::model::LogFormat;
use crate::telemetry::{self, Extra, LogOptions, Logs, Screen};

/// What a person watches: the terminal, its log lines, and traces.
pub(crate) struct Console {
    pub(crate) screen: Screen,
    pub(crate) logs: Logs,
    pub(super) tracing: Tracing,
}

impl Console {
    /// Sets up logging; call it once per process.
    pub(crate) fn open(logging: &Logging) -> Result<Self, StartError> {
        Self::with(logging, Tracing::default(), Vec::new())
    }

    /// Sets up logging with the traces that the plan asks for.
    pub(crate) fn traced(plan: &Plan) -> Result<Self, StartError> {
        let (tracing, layers) = Tracing::start(plan)?;
        Self::with(&plan.logging, tracing, layers)
    }

    fn with(logging: &Logging, tracing: Tracing, layers: Vec<Extra>) -> Result<Self, StartError> {
        let format = logging.format;
        let screen = match format {
            LogFormat::Human => Screen::stderr(),
            LogFormat::Json => Screen::plain(),
        };
        let directives = std::env::var(telemetry::FILTER_VARIABLE).ok();
        let options = LogOptions { format, verbose: logging.verbose, directives };
        let logs = telemetry::init(&options, &screen, layers)
            .map_err(|e| StartError::environment("logging", e.to_string()))?;
        Ok(Self { screen, logs, tracing })
    }

    /// Exports the last spans.
    pub(crate) async fn close(self) {
        self.tracing.finish().await;
    }
}
