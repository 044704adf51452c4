//! One run, from the first user to the summary.
//!
//! The order of the stop: intents and starts of users end; outstanding deliveries settle, for at most
//! the grace; sockets close; the cache is written; the ledger is closed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::anomaly_log::AnomalyLog;
use super::background;
use super::clock_watch;
use super::delay_windows::Windows;
use super::marks::Marks;
use super::member_lists;
use super::output::Console;
use super::phases::Phases;
use super::reporter::{Reporter, RunParts};
use super::rulebook::Rulebook;
use super::session_cache::SessionCache;
use super::setup;
use super::supervise;
use super::timeline::{self, Recorder};
use super::watch::Watch;
use crate::config::plan::Plan;
use crate::error::StartError;
use crate::exposition::Readiness;
use crate::fleet::dispatch::Dispatcher;
use crate::fleet::ramp::Fleet;
use crate::fleet::workers::Workers;
use crate::model::{DropReason, Failure};
use crate::protocol::Driver;
use crate::report::end::End;
use crate::saturation::Judge;
use crate::schedule::alarm::Alarm;
use crate::schedule::pacer::Pacer;
use crate::schedule::set_rates::SetRates;
use crate::user::{CLOSE_TIMEOUT, RunContext};

/// Interval between two checks of whether deliveries have settled.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time for closing all sockets: the close timeout, and three seconds in which the tasks of
/// tens of thousands of users run once more.
const CLOSING: Duration = CLOSE_TIMEOUT.saturating_add(Duration::from_secs(3));

/// A run and its tasks.
pub(crate) struct Runner<D: Driver> {
    pub(crate) context: Arc<RunContext<D>>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) phases: Arc<Mutex<Phases>>,
    pub(crate) judge: Arc<Mutex<Judge>>,
    pub(crate) recorder: Recorder,
    /// The rates in force, which commands can change.
    pub(crate) rates: Arc<SetRates>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) rulebook: Rulebook,
    windows: Arc<Windows>,
    fleet: Fleet<D>,
    workers: Workers,
    /// Ends the background tasks, after the users.
    over: CancellationToken,
}

impl<D: Driver> Runner<D> {
    pub(crate) fn new(context: RunContext<D>, plan: Plan, workers: Workers) -> Self {
        if plan.tolerates_marked {
            context.ledger.lock().set_marked_aside();
        }
        let (context, judge) = (Arc::new(context), Arc::default());
        let rates = SetRates::new(setup::traffic(&plan.traffic), context.roster.all_able());
        let recorder = Recorder::new(context.clock, plan.users.shard, plan.timing.slice);
        Self {
            rates: Arc::new(rates),
            marks: Arc::new(Marks::new(plan.tolerates_marked)),
            windows: Arc::new(Windows::new(Arc::clone(&judge))),
            rulebook: Rulebook::of(&plan, &recorder, context.stopping.clone()),
            recorder,
            phases: Arc::new(Mutex::new(Phases::begin(&context, Duration::ZERO))),
            fleet: Fleet::new(Arc::clone(&context)).on(workers.clone()),
            workers,
            context,
            plan: Arc::new(plan),
            judge,
            over: CancellationToken::new(),
        }
    }

    /// The reporter of this run; `slug` is the room as typed, `several` whether others run beside it.
    pub(crate) fn reporter(&self, slug: Arc<str>, several: bool) -> Reporter<D> {
        let parts = RunParts {
            context: Arc::clone(&self.context),
            plan: Arc::clone(&self.plan),
            phases: Arc::clone(&self.phases),
            judge: Arc::clone(&self.judge),
            recorder: self.recorder.clone(),
            rates: Arc::clone(&self.rates),
            marks: Arc::clone(&self.marks),
            rulebook: self.rulebook.clone(),
        };
        Reporter::of(parts, slug, several)
    }

    /// What `/ready` answers.
    pub(crate) fn readiness(&self) -> impl Fn() -> Readiness + Send + Sync + 'static {
        let (context, ramped) = (Arc::clone(&self.context), self.fleet.ramped());
        move || match (context.stopping.is_cancelled(), ramped.load(Ordering::Relaxed), context.roster.connected()) {
            (true, ..) => Readiness::NotReady("stopping"),
            (_, false, _) => Readiness::NotReady("the ramp is not done"),
            (.., 0) => Readiness::NotReady("no user is connected"),
            _ => Readiness::Ready,
        }
    }

    /// Begins the run now, or at its set start. Its duration counts from there, whatever the server does.
    pub(crate) fn begin(&self) {
        let wait = self.plan.timing.start_at.and_then(|at| at.duration_since(SystemTime::now()).ok());
        let phases = Phases::begin(&self.context, wait.unwrap_or_default());
        self.recorder.begin(phases.started());
        *self.phases.lock() = phases;
        self.recorder.note("phase", "the ramp begins");
    }

    /// The result of `work`; `None` if the stop or the end of the duration comes first.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let started = self.phases.lock().started();
        let end = self.plan.timing.duration.map(|d| self.context.clock.instant(started.plus(d)));
        let over = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.context.stopping.cancelled() => None,
            () = self.rulebook.aborted() => None,
            () = over => None,
            done = work => Some(done),
        }
    }

    /// Runs to the end; returns how the run ended.
    pub(crate) async fn run(
        &self,
        cache: SessionCache,
        console: &Console,
        reporter: Reporter<D>,
    ) -> Result<End, StartError> {
        let background = self.background(console, reporter)?;
        let (context, over) = (Arc::clone(&self.context), self.over.clone());
        let cache = tokio::spawn(async move {
            supervise::caught(&context.metrics, "sessions", cache.keep(Arc::clone(&context), over)).await
        });
        self.wait_for_start().await;
        let first = self.within(self.fleet.first()).await;
        let refused = match first {
            Some(Ok(())) => {
                let room = self.context.capacity.load(Ordering::Relaxed);
                if let Some(warning) = over_capacity(u64::from(self.plan.division.largest()), room) {
                    tracing::warn!("{warning}");
                }
                self.load().await;
                None
            }
            Some(Err(failure)) => Some(failure),
            // The run was over before its first user had joined.
            None => None,
        };
        self.wind_up(refused.is_some()).await;
        self.over.cancel();
        for background_task in background {
            // Panics were caught and counted; the ledger is closed all the same.
            let _ = background_task.await;
        }
        if let Ok(Some(mut cache)) = cache.await {
            cache.save(&self.context).await;
        }
        Ok(refused.map_or(End::Settled, |failure| End::Refused(refusal(&failure))))
    }

    /// Starts the tasks beside the load.
    fn background(&self, console: &Console, reporter: Reporter<D>) -> Result<Vec<JoinHandle<()>>, StartError> {
        self.windows
            .begin(&self.context, self.workers.handles())
            .map_err(|e| StartError::environment("the read-delay probe", e.to_string()))?;
        let mut tasks = self.watchers();
        tasks.extend(self.reporters(console, &reporter));
        tasks.extend(self.anomaly_log(reporter.room())?);
        tasks.extend(self.watch()?);
        Ok(tasks)
    }

    /// Tasks that watch the run and the machine: verdicts, delays, member lists, clocks, the server's name.
    fn watchers(&self) -> Vec<JoinHandle<()>> {
        let parts = || (Arc::clone(&self.context), self.over.clone());
        let (w, o) = parts();
        let mut tasks = vec![self.background_task("verdicts", move || background::sweep(Arc::clone(&w), o.clone()))];
        let ((w, o), windows) = (parts(), Arc::clone(&self.windows));
        tasks.push(self.background_task("saturation", move || {
            let (context, until, windows) = (Arc::clone(&w), o.clone(), Arc::clone(&windows));
            async move { windows.watch(&context, until).await }
        }));
        if self.context.capabilities.member_lists {
            let (w, _) = parts();
            tasks.push(self.background_task("presence", move || member_lists::watch(Arc::clone(&w))));
        }
        let ((w, o), judge, recorder) = (parts(), Arc::clone(&self.judge), self.recorder.clone());
        tasks.push(self.background_task("clocks", move || {
            clock_watch::watch_clocks(Arc::clone(&w), Arc::clone(&judge), recorder.clone(), o.clone())
        }));
        let ((w, o), recorder) = (parts(), self.recorder.clone());
        tasks.push(
            self.background_task("name", move || clock_watch::watch_name(Arc::clone(&w), recorder.clone(), o.clone())),
        );
        let ((w, o), recorder, phases) = (parts(), self.recorder.clone(), Arc::clone(&self.phases));
        tasks.push(self.background_task("timeline", move || {
            timeline::record(recorder.clone(), Arc::clone(&w), Arc::clone(&phases), o.clone())
        }));
        tasks
    }

    /// Tasks that report on the run in progress: the log, the status line, checkpoints of the summary.
    fn reporters(&self, console: &Console, reporter: &Reporter<D>) -> Vec<JoinHandle<()>> {
        let (metrics, logs, o) = (Arc::clone(&self.context.metrics), console.logs.clone(), self.over.clone());
        let mut tasks = vec![self.background_task("log", move || {
            background::report_suppressed(Arc::clone(&metrics), logs.clone(), o.clone())
        })];
        let (shown, screen, o) = (reporter.clone(), console.screen.clone(), self.over.clone());
        tasks.push(self.background_task("status", move || shown.clone().show(screen.clone(), o.clone())));
        if !self.plan.rules.is_empty() {
            let (looking, o) = (reporter.clone(), self.over.clone());
            tasks.push(self.background_task("rules", move || looking.clone().watch_rules(o.clone())));
        }
        if self.plan.report.summary.is_some() {
            let (written, o) = (reporter.clone(), self.over.clone());
            tasks.push(self.background_task("checkpoints", move || written.clone().checkpoint(o.clone())));
        }
        tasks
    }

    /// Starts the anomaly log, if one was asked for.
    fn anomaly_log(&self, room: &str) -> Result<Option<JoinHandle<()>>, StartError> {
        let Some(path) = &self.plan.report.anomaly_log else { return Ok(None) };
        let log = AnomalyLog::open(path, room, self.plan.report.run_id.as_str())?;
        self.context.ledger.lock().keep_notes();
        let (context, over) = (Arc::clone(&self.context), self.over.clone());
        Ok(Some(tokio::spawn(async move {
            supervise::caught(&context.metrics, "anomaly log", log.keep(Arc::clone(&context), over)).await;
        })))
    }

    /// Starts reading the watched series of the server's own metrics, if there are any.
    fn watch(&self) -> Result<Option<JoinHandle<()>>, StartError> {
        let Some(watch) = Watch::new(&self.plan.report.watch, &self.plan.connection)? else { return Ok(None) };
        let (context, recorder, over) = (Arc::clone(&self.context), self.recorder.clone(), self.over.clone());
        Ok(Some(tokio::spawn(async move {
            let reading = watch.read(Arc::clone(&context.metrics), recorder, over);
            supervise::caught(&context.metrics, "watch", reading).await;
        })))
    }

    /// A task beside the load that starts again after a panic.
    fn background_task<F>(&self, name: &'static str, begin: impl FnMut() -> F + Send + 'static) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        supervise::spawn(&self.context.metrics, name, self.over.clone(), begin)
    }

    async fn wait_for_start(&self) {
        let (clock, started) = (self.context.clock, self.phases.lock().started());
        let wait = started.since(clock.now());
        if wait.is_zero() {
            return;
        }
        tracing::info!(seconds = wait.as_secs(), "waiting for the start");
        tokio::select! {
            () = self.context.stopping.cancelled() => {}
            () = tokio::time::sleep_until(clock.instant(started)) => {}
        }
    }

    /// Ramp and hold, until the duration is over or a stop is asked for.
    async fn load(&self) {
        let context = &self.context;
        let pacing = self.plan.traffic.pacing;
        let (rates, seed) = (Arc::clone(&self.rates), setup::shard_seed(&self.plan));
        let (sent_by, ramped) = (Arc::clone(context), self.fleet.ramped());
        let pacer = supervise::spawn(&context.metrics, "schedule", context.stopping.clone(), move || {
            let dispatcher = Dispatcher::new(Arc::clone(&sent_by), Arc::clone(&rates), Arc::clone(&ramped));
            // Without a timer of the system, the runtime's is a millisecond or two less exact.
            let alarm = Alarm::exact().unwrap_or_default();
            Pacer::new(sent_by.clock, pacing, seed, dispatcher).waking_by(alarm).run(sent_by.stopping.clone())
        });
        let holding = async {
            let ramp = self.plan.timing.ramp.per_second();
            self.fleet.others(ramp).await;
            self.hold_begins();
            self.fleet.follow(ramp).await;
        };
        self.within(holding).await;
        self.stop();
        // The pacer ends when the token is cancelled.
        let _ = pacer.await;
    }

    /// Begins the hold: all users have joined, or tried to.
    fn hold_begins(&self) {
        self.windows.cut(&self.context);
        self.recorder.look(&self.context, &self.phases);
        self.rates.hold_begins(self.phases.lock().ramped(&self.context));
        self.recorder.note("phase", "the hold begins");
    }

    /// Begins the stop: notes where the users are; no user starts or sends any more.
    pub(crate) fn stop(&self) {
        if !self.context.stopping.is_cancelled() {
            self.windows.cut(&self.context);
            self.recorder.note("phase", "the stop begins");
            if let Some((text, _)) = self.marks.end(&self.context) {
                self.recorder.note("mark_end", &format!("{text}: over at the stop"));
            }
            // Up to here users were where they are now; what follows is the stop's doing.
            self.recorder.mark(false, &self.context, &self.phases);
        }
        self.rates.hold_ends(self.phases.lock().stopped(&self.context));
        self.context.ledger.lock().stop();
        self.context.stopping.cancel();
    }

    /// Whether a user is about to send, or a delivery has no verdict yet, of any generator's message.
    fn is_outstanding(&self) -> bool {
        self.context.roster.is_any_busy() || !self.context.ledger.lock().is_settled()
    }

    async fn wind_up(&self, at_once: bool) {
        let context = &self.context;
        self.stop();
        for intent in context.roster.withdraw_intents() {
            context.metrics.dropped(intent.action, DropReason::Stopping);
        }
        if !at_once {
            let settled = async {
                while self.is_outstanding() {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            };
            // Deliveries that have not settled by then are reported as outstanding.
            let _ = tokio::time::timeout(self.plan.timing.grace, settled).await;
        }
        self.recorder
            .note("phase", if self.is_outstanding() { "the grace is over" } else { "every delivery has its verdict" });
        context.close();
        if !self.fleet.ended(CLOSING).await {
            tracing::warn!("some sockets were not closed in time");
        }
        context.sweep();
        context.chats.finish(context.clock.wall(context.clock.now()));
        self.recorder.note("phase", "the end");
    }
}

/// The warning if more users are configured than the room lets in; a `capacity` of 0 means no limit.
pub(crate) fn over_capacity(users: u64, capacity: u64) -> Option<String> {
    (capacity > 0 && users > capacity).then(|| {
        format!(
            "{users} users are configured, and the room lets about {capacity} in at a time: the others will be \
             refused; raise its limit, or take fewer users"
        )
    })
}

/// A refusal in words.
pub(crate) fn refusal(failure: &Failure) -> String {
    let what = failure.kind.as_str().replace('_', " ");
    if failure.detail.is_empty() { what } else { format!("{what} ({})", failure.detail) }
}
