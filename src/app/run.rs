//! `soakrig run`: hold the load on a server until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::books::Books;
use super::keepers::Cache;
use super::rig::{Rig, refusal};
use super::signals::Signals;
use super::traces::Tracing;
use super::view::View;
use super::{assemble, limits, say, tell};
use crate::clock::Clock;
use crate::config::plan::{Logging, Plan, Run, Volume};
use crate::config::value::{self, TargetUrl};
use crate::drivers::Driver;
use crate::error::{ExitCode, StartError};
use crate::exposition::{self, Exposition};
use crate::fleet::ramp::is_hopeless;
use crate::metrics::Metrics;
use crate::report::forecast::{Forecast, Load};
use crate::report::machine::Machine;
use crate::report::summary::Summary;
use crate::report::verdict::End;
use crate::report::words;
use crate::telemetry::{self, Extra, LogOptions, Logs, Screen};

/// Runs to the end, prints the summary, and tells the exit code.
pub(super) async fn run(run: Run) -> Result<ExitCode, StartError> {
    let console = Console::traced(&run.plan)?;
    let held = hold(run.plan, &run.target, run.plenary.as_str(), &console).await;
    console.close().await;
    let summary = held?;
    tell(&words::render(&summary));
    Ok(code_of(&summary))
}

/// The exit code of a summary's verdict.
pub(super) fn code_of(summary: &Summary) -> ExitCode {
    ExitCode::ALL.into_iter().find(|code| code.number() == summary.verdict.code).unwrap_or(ExitCode::Threshold)
}

/// Where people look: the terminal, the log lines on it, and traces.
pub(super) struct Console {
    pub(super) screen: Screen,
    pub(super) logs: Logs,
    tracing: Tracing,
}

impl Console {
    /// Sets logging up, once a process.
    pub(super) fn open(logging: &Logging) -> Result<Self, StartError> {
        Self::with(logging, Tracing::default(), Vec::new())
    }

    /// Sets logging up with the traces that the plan asks for.
    pub(super) fn traced(plan: &Plan) -> Result<Self, StartError> {
        let (tracing, layers) = Tracing::start(plan)?;
        Self::with(&plan.logging, tracing, layers)
    }

    fn with(logging: &Logging, tracing: Tracing, layers: Vec<Extra>) -> Result<Self, StartError> {
        let (format, screen) = match logging.format {
            value::LogFormat::Human => (telemetry::LogFormat::Human, Screen::stderr()),
            value::LogFormat::Json => (telemetry::LogFormat::Json, Screen::plain()),
        };
        let directives = std::env::var(telemetry::FILTER_VARIABLE).ok();
        let options = LogOptions { format, verbose: logging.verbose, directives };
        let logs = telemetry::init(&options, &screen, layers)
            .map_err(|e| StartError::environment("logging", e.to_string()))?;
        Ok(Self { screen, logs, tracing })
    }

    /// Sends the last spans.
    pub(super) async fn close(self) {
        self.tracing.finish().await;
    }
}

/// Holds a load on a target until its end; the summary of it.
pub(super) async fn hold(plan: Plan, target: &TargetUrl, slug: &str, console: &Console) -> Result<Summary, StartError> {
    // First of all: from here on a signal is a wish, and not the end of the process.
    let mut signals = Signals::listen()?;
    limits::raise_open_files();
    let clock = Clock::start();
    let metrics = Arc::new(Metrics::new().map_err(|e| StartError::environment("the metrics", e.to_string()))?);
    metrics.run_info(plan.report.run_id.as_str(), slug, &plan.crowd.shard.to_string());
    let mut cache = Cache::open(plan.crowd.cache.clone(), target.to_string()).await?;
    let password = cache.password(plan.crowd.password.clone()).await?;
    let probe = Arc::clone(&metrics);
    console.tracing.watched_by(&metrics);
    let driver = assemble::driver(target, slug, &plan.connection, clock, probe, console.tracing.header())?;
    if plan.connection.insecure {
        tracing::warn!("--insecure-skip-verify: whoever stands between here and the server can read the passwords");
    }
    let chats = console.tracing.chats(assemble::shard_seed(&plan));
    let world = assemble::world(&plan, driver, clock, Arc::clone(&metrics), &mut cache, password, chats)?;
    let rig = Rig::new(world, plan);
    metrics.open_books(Arc::new(Books(Arc::clone(&rig.world))));
    let over = CancellationToken::new();
    let exposition = serve(&rig, over.clone()).await?;
    forecast(&rig.plan);
    announce(&rig.plan, exposition.addr(), target, slug);
    let view = View::new(
        Arc::clone(&rig.world),
        Arc::clone(&rig.plan),
        Arc::clone(&rig.course),
        Arc::clone(&rig.judge),
        slug.into(),
    );
    let end = until_the_end(&rig, &mut signals, cache, console, view.clone(), &exposition).await?;
    let summary = view.summary(end);
    if let Some(path) = rig.plan.report.summary.clone()
        && let Err(error) = view.write(path, summary.clone()).await
    {
        say(&format!("soakrig: --summary: {error}"));
    }
    over.cancel();
    exposition.stopped().await;
    Ok(summary)
}

async fn serve<D: Driver>(rig: &Rig<D>, stop: CancellationToken) -> Result<Exposition, StartError> {
    exposition::serve(rig.plan.report.metrics_listen, Arc::clone(&rig.world.metrics), rig.readiness(), stop)
        .await
        .map_err(|e| StartError::environment("--metrics-listen", e.to_string()))
}

/// Says what the run will cost, and what of it is more than the machine has.
fn forecast(plan: &Plan) {
    let (parts, room) = (f64::from(plan.crowd.shard.of()), plan.crowd.fleet_range.len());
    let whole = |volume: Volume| match volume {
        Volume::Total(rate) => rate.per_second() * parts,
        each => each.per_second(room as usize),
    };
    let stay = plan.traffic.breakout_stay;
    let load = Load {
        users: u64::from(plan.crowd.range.len()),
        room: u64::from(room),
        chats: whole(plan.traffic.chat),
        leaves: whole(plan.traffic.leave),
        breakouts: whole(plan.traffic.breakout),
        breakout_stay: (stay.min() + stay.max()).as_secs_f64() / 2.0,
        horizon: plan.terms.horizon.as_secs_f64(),
        sources: plan.connection.source_ips.len().max(1) as u64,
    };
    let forecast = Forecast::of(&load, &Machine::read());
    for line in forecast.to_string().lines() {
        say(line);
    }
}

fn announce(plan: &Plan, metrics: SocketAddr, target: &TargetUrl, slug: &str) {
    let range = plan.crowd.range;
    tracing::info!(
        run = plan.report.run_id.as_str(),
        seed = plan.traffic.seed,
        "holding {} users ({} to {}) on {target}, event {slug}; metrics on http://{metrics}/metrics",
        range.len(),
        plan.crowd.template.name(range.min()),
        plan.crowd.template.name(range.max() - 1),
    );
}

/// The preflight and the run, and what signals make of them.
async fn until_the_end<D: Driver>(
    rig: &Rig<D>,
    signals: &mut Signals,
    cache: Cache,
    console: &Console,
    view: View<D>,
    exposition: &Exposition,
) -> Result<End, StartError> {
    let second = async {
        signals.next().await;
        tracing::info!("stopping: deliveries settle, then the sockets close; a second signal ends at once");
        rig.stop();
        signals.next().await;
    };
    let running = async {
        if let Err(failure) = rig.world.driver.preflight().await {
            if is_hopeless(failure.kind) {
                return Ok(End::Refused(refusal(&failure)));
            }
            tracing::warn!(%failure, "the target is not well; starting all the same");
        }
        let end = rig.run(cache, console, view).await;
        exposition.last_look().await;
        end
    };
    tokio::select! {
        biased;
        () = second => Ok(End::Aborted),
        end = running => end,
    }
}
