//! The load on one room, from preparation to summary, and the tasks that observe it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::control;
use super::halt::Halt;
use super::live::LiveRun;
use super::output::Console;
use super::reporter::Reporter;
use super::runner::{Runner, refusal};
use super::session_cache::SessionCache;
use super::setup::{Asked, ProcessContext};
use super::snapshots::Snapshots;
use super::{setup, source_addresses, thresholds};
use crate::config::plan::{Plan, Run};
use crate::config::value::{Rate, TargetUrl};
use crate::error::{ExitCode, StartError};
use crate::exposition::{self, Exposition};
use crate::fleet::workers::Workers;
use crate::metrics::Metrics;
use crate::model::{FailureKind, FrameSizes, Stage, Volume};
use crate::protocol::{Driver, Protocol};
use crate::report::end::End;
use crate::report::file::{Earlier, OutputError, OutputFile};
use crate::report::forecast::{Forecast, Load, Shortage};
use crate::report::junit;
use crate::report::machine::Machine;
use crate::report::numbers::plain;
use crate::report::summary::Summary;
use crate::telemetry::stdio::say;
use crate::user::RunContext;

/// A load that is ready to begin, running, or over.
pub(crate) struct RoomRun<D: Driver> {
    pub(crate) runner: Arc<Runner<D>>,
    target: TargetUrl,
    slug: Arc<str>,
    /// Sizes of the protocol's frames, for the forecast.
    sizes: FrameSizes,
    /// The cache, until the run takes it.
    cache: Option<SessionCache>,
    reporter: Reporter<D>,
    /// Destination of the table of thresholds, once it has been checked.
    junit: Option<OutputFile>,
    live: LiveRun<D>,
    /// The server of metrics and the live page, until the end.
    exposition: Option<Exposition>,
    /// The task that takes commands, if there is a socket for them.
    control: Option<JoinHandle<()>>,
    over: CancellationToken,
    /// How it ended, once it has.
    end: Option<End>,
    /// The outcome, once its summary is written.
    held: Option<Held>,
}

/// The outcome of a load.
#[derive(Debug)]
pub struct Held {
    /// The summary.
    pub summary: Summary,
    /// Whether a file was asked for that could not be written.
    pub unwritten: bool,
}

impl Held {
    /// The exit code: the verdict's, or 104 for a good run whose summary could not be written.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match ExitCode::from_number(self.summary.verdict.code).unwrap_or(ExitCode::Threshold) {
            ExitCode::Ok if self.unwritten => ExitCode::Environment,
            code => code,
        }
    }
}

impl<D: Driver> RoomRun<D> {
    /// Prepares everything up to the first connection. `several`: whether other rooms run beside it;
    /// `halt` stops all of them.
    pub(crate) async fn prepare<P: Protocol<Driver = D>>(
        protocol: &P,
        run: Run,
        process: ProcessContext,
        workers: Workers,
        console: &Console,
        (several, halt): (bool, &Halt),
    ) -> Result<Self, StartError> {
        let Run { target, plenary, plan } = run;
        let slug: Arc<str> = plenary.as_str().into();
        let capabilities = setup::capabilities(protocol, &plan.protocol, &plan.users)?;
        let metrics = metrics(protocol, &plan, &slug, &workers)?;
        let mut cache = SessionCache::open(plan.users.cache.clone(), target.to_string()).await?;
        let password = cache.password(plan.users.password.clone()).await?;
        console.tracing.watched_by(&metrics);
        let first =
            plan.division.of(&slug, plan.users.range).into_iter().next().map_or_else(String::new, |room| room.0);
        let asked = Asked {
            target: &target,
            room: &first,
            connection: &plan.connection,
            secrets: vec![password.clone()],
            clock: process.clock,
        };
        let driver = setup::driver(protocol, asked, Arc::clone(&metrics) as _, console.tracing.header())?;
        let chats = console.tracing.chats(setup::shard_seed(&plan));
        let m = Arc::clone(&metrics);
        let parts = setup::parts(&plan, capabilities, &slug, process, m, &mut cache, password, chats)?;
        let context = RunContext::new(driver, process.clock, parts);
        let runner = Arc::new(Runner::new(context, plan, workers));
        metrics.read_from(Arc::new(Snapshots(Arc::clone(&runner.context))));
        let sizes = setup::frame_sizes(protocol);
        Self::exposed(runner, metrics, (target, slug, sizes), cache, (several, halt)).await
    }

    /// Starts serving the load's metrics and taking commands.
    async fn exposed(
        runner: Arc<Runner<D>>,
        metrics: Arc<Metrics>,
        (target, slug, sizes): (TargetUrl, Arc<str>, FrameSizes),
        cache: SessionCache,
        (several, halt): (bool, &Halt),
    ) -> Result<Self, StartError> {
        let over = CancellationToken::new();
        let reporter = runner.reporter(Arc::clone(&slug), several);
        let live = LiveRun::new(reporter.clone(), runner.recorder.clone());
        let listen = runner.plan.report.metrics_listen;
        let exposition = exposition::serve(listen, metrics, runner.readiness(), Some(live.page()), over.clone())
            .await
            .map_err(|e| StartError::environment("--metrics-listen", e.to_string()))?;
        let control = runner
            .plan
            .report
            .control_socket
            .as_ref()
            .map(|path| control::listen(path, Arc::clone(&runner), reporter.clone(), halt.clone(), over.clone()));
        let (control, cache, exposition) = (control.transpose()?, Some(cache), Some(exposition));
        Ok(Self {
            runner,
            target,
            slug,
            sizes,
            cache,
            reporter,
            junit: None,
            live,
            exposition,
            control,
            over,
            end: None,
            held: None,
        })
    }

    /// Takes over the summary's path, and says what was there.
    pub(crate) async fn take_over(&mut self) -> Result<(), StartError> {
        let report = &self.runner.plan.report;
        let unwritable = |option, e: OutputError| {
            StartError::environment(option, plain(&e.to_string())).remedy("give a path that can be written")
        };
        if let Some(path) = &report.page {
            self.reporter.take_page(path).map_err(|e| unwritable("--report", e))?;
        }
        let junit = report.junit.as_deref().map(OutputFile::at).transpose();
        self.junit = junit.map_err(|e| unwritable("--junit", e))?;
        let Some(path) = self.runner.plan.report.summary.clone() else { return Ok(()) };
        let shown = path.display().to_string();
        let earlier = self.reporter.take_over(path).await.map_err(|e| {
            StartError::environment("--summary", plain(&e.to_string())).remedy("give a path that can be written")
        })?;
        match earlier {
            Earlier::Nothing => {}
            Earlier::SameRun { kept, .. } => say(&format!(
                "soakrig: warning: --summary: {shown} is of an earlier start of this generator in the same run; it \
                 is kept as {}, for soakrig merge",
                kept.display()
            )),
            Earlier::Other { kept, what } => {
                say(&format!("soakrig: warning: --summary: {shown} was {what}; it is kept as {}", kept.display()))
            }
        }
        Ok(())
    }

    /// Prints the forecast and warns of what exceeds the machine; takes the run's needs off `machine`.
    ///
    /// # Errors
    /// If the machine cannot carry the load at all.
    pub(crate) async fn forecast(&self, machine: &mut Machine) -> Result<(), StartError> {
        // If the name is not found, the preflight will say so.
        let addresses = self.runner.context.driver.addresses().await.unwrap_or_default();
        source_addresses::reach(&self.runner.plan.connection.source_ips, &addresses)?;
        let forecast = Forecast::of(&load(&self.runner.plan, self.sizes), machine);
        if let Some(Shortage { what, why, remedy }) = forecast.shortage(machine, addresses.len() as u64) {
            return Err(StartError::environment(what, why).remedy(remedy));
        }
        for line in forecast.to_string().lines() {
            say(line);
        }
        *machine = forecast.leaves(*machine);
        Ok(())
    }

    pub(crate) fn announce(&self) {
        let plan = &self.runner.plan;
        if plan.connection.tls.insecure_skip_verify {
            tracing::warn!("--insecure-skip-verify: anyone between here and the server can read the passwords");
        }
        let (range, metrics) = (plan.users.range, self.exposition.as_ref().map(Exposition::addr));
        tracing::info!(
            run = plan.report.run_id.as_str(),
            seed = plan.traffic.seed,
            "holding {} users ({} to {}) on {}, room {}; metrics on http://{}/metrics",
            range.len(),
            plan.users.username(range.min()),
            plan.users.username(range.max() - 1),
            self.target,
            self.slug,
            metrics.unwrap_or(plan.report.metrics_listen),
        );
    }

    /// Makes the preflight and the run; then writes the summary and closes the metrics, even while other
    /// rooms go on.
    pub(crate) async fn run(&mut self, console: &Console) -> Result<(), StartError> {
        let Some(cache) = self.cache.take() else { return Ok(()) };
        self.runner.begin();
        match self.runner.within(self.runner.context.driver.preflight()).await {
            Some(Ok(())) => {}
            Some(Err(failure)) if failure.class.refuses_run() => {
                tracing::error!(plenary = &*self.slug, %failure, "the target refused");
                self.end = Some(End::Refused(refusal(&failure)));
                self.conclude().await;
                return Ok(());
            }
            Some(Err(failure)) => tracing::warn!(%failure, "the target looks unhealthy; starting anyway"),
            None => {
                // Asking for the room counts as an operation, as for any user.
                self.runner.context.metrics.operation(Stage::Room);
                self.runner.context.metrics.error(Stage::Room, FailureKind::Stopping);
                tracing::warn!("the run was over before the target answered");
            }
        }
        self.end = Some(self.runner.run(cache, console, self.reporter.clone()).await?);
        if let Some(exposition) = &self.exposition {
            let now = self.runner.context.clock.now();
            let stopping = self.runner.phases.lock().stopping(now);
            exposition.last_look(stopping).await;
        }
        self.conclude().await;
        Ok(())
    }

    /// The outcome; concludes the run first if a second signal kept it from doing so.
    pub(crate) async fn close(mut self) -> Held {
        if self.held.is_none() {
            self.conclude().await;
        }
        self.held.unwrap_or_else(|| Held { summary: self.reporter.summary(End::Aborted), unwritten: false })
    }

    /// Makes the summary and writes it if a file was asked for; then waits for the last scrape of the
    /// metrics.
    async fn conclude(&mut self) {
        // After a second signal the last lines of the anomaly log are not waited for.
        self.runner.context.ledger.lock().close_log();
        let summary = self.reporter.summary(self.end.clone().unwrap_or(End::Aborted));
        let written = self.reporter.write(summary.clone()).await;
        if let Err(error) = &written {
            say(&format!("soakrig: --summary: {}", plain(error)));
        }
        let page = self.reporter.write_page(summary.clone()).await;
        if let Err(error) = &page {
            say(&format!("soakrig: --report: {}", plain(error)));
        }
        let junit = self.write_junit(summary.clone()).await;
        if let Err(error) = &junit {
            say(&format!("soakrig: --junit: {}", plain(error)));
        }
        self.live.ended(&summary);
        self.held = Some(Held { summary, unwritten: [written, page, junit].iter().any(Result::is_err) });
        if let (Some(exposition), Some(End::Settled | End::Refused(_))) = (&self.exposition, &self.end) {
            exposition.last_watch().await;
        }
        self.over.cancel();
        if let Some(exposition) = self.exposition.take() {
            exposition.stopped().await;
        }
        if let Some(control) = self.control.take() {
            // The panic hook has logged any panic.
            let _ = control.await;
        }
    }
}

impl<D: Driver> RoomRun<D> {
    /// Writes the table of thresholds if a file was asked for.
    async fn write_junit(&mut self, summary: Summary) -> Result<(), String> {
        let Some(file) = self.junit.take() else { return Ok(()) };
        let write = move || junit::write(&file, &summary).map_err(|e| e.to_string());
        tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?
    }
}

/// The metrics of a room, with everything known before it starts.
fn metrics<P: Protocol>(protocol: &P, plan: &Plan, slug: &str, workers: &Workers) -> Result<Arc<Metrics>, StartError> {
    let metrics = Metrics::of(protocol.vocabulary(), &runtimes(workers))
        .map_err(|e| StartError::environment("the metrics", e.to_string()))?;
    metrics.generators(plan.users.shard.count);
    thresholds::show(&plan.thresholds, &plan.rules, &metrics);
    let (terms, p99) = (&plan.terms, plan.thresholds.max_p99_seconds.map(Duration::from_secs_f64));
    metrics.delivery_bounds([Some(terms.deadline), Some(terms.horizon), p99].into_iter().flatten());
    metrics.run_info(plan.report.run_id.as_str(), slug, &plan.users.shard.to_string(), protocol.name());
    Ok(Arc::new(metrics))
}

/// The current runtime and the users' runtimes.
fn runtimes(workers: &Workers) -> Vec<Handle> {
    Handle::try_current().into_iter().chain(workers.handles().iter().cloned()).collect()
}

/// The load that a plan puts on the machine, given the sizes of the protocol's frames.
pub(super) fn load(plan: &Plan, sizes: FrameSizes) -> Load {
    let (parts, room) = (f64::from(plan.users.shard.count), plan.users.fleet_range.len());
    let whole = |volume: Volume<Rate>| volume.map(|rate| rate.per_second() * parts).per_second(room as usize);
    let stay = plan.traffic.side_room_stay;
    Load {
        users: u64::from(plan.users.range.len()),
        room: u64::from(room),
        rooms: u64::from(plan.division.rooms()),
        chats: plan.traffic.fleet_chat,
        leaves: whole(plan.traffic.leave),
        side_rooms: whole(plan.traffic.side_room),
        side_room_stay: (stay.min() + stay.max()).as_secs_f64() / 2.0,
        horizon: plan.terms.horizon.as_secs_f64(),
        sources: plan.connection.source_ips.len().max(1) as u64,
        sizes,
    }
}
