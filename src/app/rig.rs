//! One run, from the first user to the summary.
//!
//! The order of the stop: no more intents and nobody starts; what is outstanding settles, at
//! most for the grace; sockets close; the cache is written; the books are closed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::anomaly_log::AnomalyLog;
use super::assemble;
use super::attendance;
use super::course::Course;
use super::guard;
use super::keepers::{self, Cache};
use super::run::Console;
use super::timekeeping;
use super::view::View;
use super::windows::Windows;
use crate::chat::{DropReason, Failure};
use crate::config::plan::Plan;
use crate::config::value::Pacing;
use crate::drivers::Driver;
use crate::error::StartError;
use crate::exposition::Readiness;
use crate::fleet::dispatch::Dispatcher;
use crate::fleet::lanes::Lanes;
use crate::fleet::ramp::Fleet;
use crate::report::verdict::End;
use crate::saturation::Judge;
use crate::schedule::alarm::Alarm;
use crate::schedule::pacer::Pacer;
use crate::schedule::timetable::Spacing;
use crate::user::World;

/// Between two looks at whether deliveries have settled.
const LOOK: Duration = Duration::from_millis(50);
/// How long closing all sockets may take, beyond their own patience.
const CLOSING: Duration = Duration::from_secs(8);

/// A run and what keeps it.
pub(super) struct Rig<D: Driver> {
    pub(super) world: Arc<World<D>>,
    pub(super) plan: Arc<Plan>,
    pub(super) course: Arc<Mutex<Course>>,
    pub(super) judge: Arc<Mutex<Judge>>,
    windows: Arc<Windows>,
    fleet: Fleet<D>,
    lanes: Lanes,
    /// Ends the keepers, after the users.
    over: CancellationToken,
}

impl<D: Driver> Rig<D> {
    pub(super) fn new(world: World<D>, plan: Plan, lanes: Lanes) -> Self {
        let (world, judge) = (Arc::new(world), Arc::default());
        Self {
            windows: Arc::new(Windows::new(Arc::clone(&judge))),
            course: Arc::new(Mutex::new(Course::begin(&world, Duration::ZERO))),
            fleet: Fleet::new(Arc::clone(&world)).on(lanes.clone()),
            lanes,
            world,
            plan: Arc::new(plan),
            judge,
            over: CancellationToken::new(),
        }
    }

    /// What `/ready` answers.
    pub(super) fn readiness(&self) -> impl Fn() -> Readiness + Send + Sync + 'static {
        let (world, ramped) = (Arc::clone(&self.world), self.fleet.ramped());
        move || match (world.stopping.is_cancelled(), ramped.load(Ordering::Relaxed), world.roster.connected()) {
            (true, ..) => Readiness::NotReady("stopping"),
            (_, false, _) => Readiness::NotReady("the ramp is not done"),
            (.., 0) => Readiness::NotReady("nobody is connected"),
            _ => Readiness::Ready,
        }
    }

    /// The run begins now, or at its set start: its duration counts from there, whatever the server does.
    pub(super) fn begin(&self) {
        let wait = self.plan.timing.start_at.and_then(|at| at.duration_since(SystemTime::now()).ok());
        *self.course.lock() = Course::begin(&self.world, wait.unwrap_or_default());
    }

    /// What comes of `work`; `None` where the stop or the end of the duration comes first.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let started = self.course.lock().started();
        let end = self.plan.timing.duration.map(|d| self.world.clock.instant(started.plus(d)));
        let over = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.world.stopping.cancelled() => None,
            () = over => None,
            done = work => Some(done),
        }
    }

    /// Runs to the end: how it ended.
    pub(super) async fn run(&self, cache: Cache, console: &Console, view: View<D>) -> Result<End, StartError> {
        let keepers = self.keepers(console, view)?;
        let (world, over) = (Arc::clone(&self.world), self.over.clone());
        let cache = tokio::spawn(async move {
            guard::caught(&world.metrics, "sessions", cache.keep(Arc::clone(&world), over)).await
        });
        self.wait_for_start().await;
        let first = self.within(self.fleet.first()).await;
        let refused = match first {
            Some(Ok(())) => {
                let room = self.world.capacity.load(Ordering::Relaxed);
                if let Some(warning) = over_capacity(u64::from(self.plan.crowd.fleet_range.len()), room) {
                    tracing::warn!("{warning}");
                }
                self.load().await;
                None
            }
            Some(Err(failure)) => Some(failure),
            // The run was over before its first user was in.
            None => None,
        };
        self.wind_up(refused.is_some()).await;
        self.over.cancel();
        for keeper in keepers {
            // Panics were caught and counted; the books are closed all the same.
            let _ = keeper.await;
        }
        if let Ok(Some(mut cache)) = cache.await {
            cache.save(&self.world).await;
        }
        Ok(refused.map_or(End::Settled, |failure| End::Refused(refusal(&failure))))
    }

    fn keepers(&self, console: &Console, view: View<D>) -> Result<Vec<JoinHandle<()>>, StartError> {
        let world = || Arc::clone(&self.world);
        self.windows
            .begin(&self.world, self.lanes.handles())
            .map_err(|e| StartError::environment("the read-delay probe", e.to_string()))?;
        let over = self.over.clone();
        let (metrics, logs) = (Arc::clone(&self.world.metrics), console.logs.clone());
        let (w, o) = (world(), over.clone());
        let mut tasks = vec![self.keeper("verdicts", move || keepers::sweep(Arc::clone(&w), o.clone()))];
        let (w, o, windows) = (world(), over.clone(), Arc::clone(&self.windows));
        tasks.push(self.keeper("saturation", move || {
            let (world, until, windows) = (Arc::clone(&w), o.clone(), Arc::clone(&windows));
            async move { windows.watch(&world, until).await }
        }));
        let w = world();
        tasks.push(self.keeper("presence", move || attendance::watch(Arc::clone(&w))));
        let (w, o, judge) = (world(), over.clone(), Arc::clone(&self.judge));
        tasks.push(
            self.keeper("clocks", move || timekeeping::watch_clocks(Arc::clone(&w), Arc::clone(&judge), o.clone())),
        );
        let (w, o) = (world(), over.clone());
        tasks.push(self.keeper("name", move || timekeeping::watch_name(Arc::clone(&w), o.clone())));
        let o = over.clone();
        tasks.push(
            self.keeper("log", move || keepers::report_suppressed(Arc::clone(&metrics), logs.clone(), o.clone())),
        );
        let (shown, screen, o) = (view.clone(), console.screen.clone(), over.clone());
        tasks.push(self.keeper("status", move || shown.clone().show(screen.clone(), o.clone())));
        let room = view.room().to_owned();
        if self.plan.report.summary.is_some() {
            let o = over.clone();
            tasks.push(self.keeper("checkpoints", move || view.clone().checkpoint(o.clone())));
        }
        if let Some(path) = &self.plan.report.anomaly_log {
            let log = AnomalyLog::open(path, &room, self.plan.report.run_id.as_str())?;
            self.world.ledger.lock().keep_notes();
            let world = world();
            tasks.push(tokio::spawn(async move {
                guard::caught(&world.metrics, "anomaly log", log.keep(Arc::clone(&world), over)).await;
            }));
        }
        Ok(tasks)
    }

    /// A task beside the load that begins anew after a defect.
    fn keeper<F>(&self, name: &'static str, begin: impl FnMut() -> F + Send + 'static) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        guard::spawn(&self.world.metrics, name, self.over.clone(), begin)
    }

    async fn wait_for_start(&self) {
        let (clock, started) = (self.world.clock, self.course.lock().started());
        let wait = started.since(clock.now());
        if wait.is_zero() {
            return;
        }
        tracing::info!(seconds = wait.as_secs(), "waiting for the start");
        tokio::select! {
            () = self.world.stopping.cancelled() => {}
            () = tokio::time::sleep_until(clock.instant(started)) => {}
        }
    }

    /// Ramp and hold, until the duration is over or somebody asks for the stop.
    async fn load(&self) {
        let world = &self.world;
        let spacing = match self.plan.traffic.pacing {
            Pacing::Even => Spacing::Even,
            Pacing::Poisson => Spacing::Poisson,
        };
        let (traffic, seed) = (assemble::traffic(&self.plan.traffic), assemble::shard_seed(&self.plan));
        let (sent_by, ramped) = (Arc::clone(world), self.fleet.ramped());
        let pacer = guard::spawn(&world.metrics, "schedule", world.stopping.clone(), move || {
            let dispatcher = Dispatcher::new(Arc::clone(&sent_by), traffic, Arc::clone(&ramped));
            // Where the system has no timer to give, the runtime's is a millisecond or two less exact.
            let alarm = Alarm::exact().unwrap_or_default();
            Pacer::new(sent_by.clock, spacing, seed, dispatcher).waking_by(alarm).run(sent_by.stopping.clone())
        });
        let holding = async {
            self.fleet.others(self.plan.timing.ramp.per_second()).await;
            self.hold_begins();
            world.stopping.cancelled().await;
        };
        self.within(holding).await;
        self.stop();
        // The pacer ends at the token.
        let _ = pacer.await;
    }

    /// Everybody has come, or tried to: from now on the load is held.
    fn hold_begins(&self) {
        self.windows.cut(&self.world);
        self.course.lock().ramped(&self.world);
    }

    /// Begins the stop: notes where everybody is, and lets nobody start or send any more.
    pub(super) fn stop(&self) {
        if !self.world.stopping.is_cancelled() {
            self.windows.cut(&self.world);
        }
        self.course.lock().stopped(&self.world);
        self.world.ledger.lock().stop();
        self.world.stopping.cancel();
    }

    /// Whether a user is about to send, or a delivery has no verdict yet, of any generator's message.
    fn is_outstanding(&self) -> bool {
        self.world.roster.is_anybody_busy() || !self.world.ledger.lock().is_settled()
    }

    async fn wind_up(&self, at_once: bool) {
        let world = &self.world;
        self.stop();
        for intent in world.roster.withdraw_intents() {
            world.metrics.dropped(intent.action, DropReason::Stopping);
        }
        if !at_once {
            let settled = async {
                while self.is_outstanding() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            // What has not settled by then is outstanding, and told as that.
            let _ = tokio::time::timeout(self.plan.terms.grace, settled).await;
        }
        world.close();
        if !self.fleet.ended(CLOSING).await {
            tracing::warn!("some sockets were not closed in time");
        }
        world.sweep();
        world.chats.finish(world.clock.wall(world.clock.now()));
    }
}

/// What is to be said where more users are configured than the event lets in; `room` is 0 where
/// it has no limit.
pub(super) fn over_capacity(users: u64, room: u64) -> Option<String> {
    (room > 0 && users > room).then(|| {
        format!(
            "{users} users are configured, and the event lets about {room} in at a time (max_participants): the \
             others will be refused; raise its limit, or take fewer users"
        )
    })
}

/// A refusal in words.
pub(super) fn refusal(failure: &Failure) -> String {
    let what = failure.kind.as_str().replace('_', " ");
    if failure.detail.is_empty() { what } else { format!("{what} ({})", failure.detail) }
}
