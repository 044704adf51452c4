//! What people get to see of a run: the status while it goes on, and summaries.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strum::EnumCount;
use tokio_util::sync::CancellationToken;

use super::assemble;
use super::course::Course;
use super::losses;
use super::thresholds;
use crate::chat::Action;
use crate::config::plan::Plan;
use crate::drivers::Driver;
use crate::fleet::dispatch::full_rate;
use crate::metrics::ProcessFigures;
use crate::report::facts::{Figures, RunFacts, summarise};
use crate::report::file::{Earlier, FileError, SummaryFile};
use crate::report::progress::Progress;
use crate::report::pulse::{Moment, Pulse};
use crate::report::status::Status;
use crate::report::summary::{ShardOf, Summary};
use crate::report::verdict::End;
use crate::saturation::Judge;
use crate::telemetry::Screen;
use crate::user::World;

/// Between two status lines.
const TICK: Duration = Duration::from_secs(1);
/// Between two checkpoints of the summary.
const CHECKPOINT: Duration = Duration::from_secs(60);

/// Everything that is needed to tell how a run goes.
pub(super) struct View<D: Driver> {
    world: Arc<World<D>>,
    plan: Arc<Plan>,
    course: Arc<Mutex<Course>>,
    judge: Arc<Mutex<Judge>>,
    slug: Arc<str>,
    /// Whether the status has to say which plenary it is of.
    several: bool,
    /// How often this generator was started before in the same run.
    earlier_lives: u32,
    /// Where the summary goes, once its place was taken.
    file: Option<SummaryFile>,
}

impl<D: Driver> Clone for View<D> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            plan: Arc::clone(&self.plan),
            course: Arc::clone(&self.course),
            judge: Arc::clone(&self.judge),
            slug: Arc::clone(&self.slug),
            several: self.several,
            earlier_lives: self.earlier_lives,
            file: self.file.clone(),
        }
    }
}

impl<D: Driver> View<D> {
    pub(super) fn new(
        world: Arc<World<D>>,
        plan: Arc<Plan>,
        course: Arc<Mutex<Course>>,
        judge: Arc<Mutex<Judge>>,
        slug: Arc<str>,
        several: bool,
    ) -> Self {
        Self { world, plan, course, judge, slug, several, earlier_lives: 0, file: None }
    }

    /// The room as typed.
    pub(super) fn room(&self) -> &str {
        &self.slug
    }

    /// The summary as of now.
    pub(super) fn summary(&self, end: End) -> Summary {
        let ledger = self.world.metrics.ledger();
        let totals = self.world.metrics.totals(&ledger);
        let users = self.course.lock().users(self.world.metrics.users());
        let presence = self.world.metrics.presence();
        let losses = losses::told(&self.world.ledger.lock().loss_groups(), &self.world.crowd.usernames);
        let before_hold = self.course.lock().before_hold.clone();
        let process = ProcessFigures::read();
        let figures = Figures { ledger, before_hold, users, presence, totals, process, losses };
        summarise(&self.facts(end), &figures)
    }

    fn facts(&self, end: End) -> RunFacts {
        let (world, plan, course) = (&self.world, &self.plan, self.course.lock().clone());
        let (hold, carried_out) = course.hold(world);
        let (spoilt, judge) = (world.ledger.lock().spoilt(), self.judge.lock());
        RunFacts {
            id: plan.report.run_id.as_str().to_owned(),
            seed: plan.traffic.seed,
            plenary: self.slug.to_string(),
            shard: ShardOf { index: plan.crowd.shard.index(), count: plan.crowd.shard.of() },
            users: u64::from(plan.crowd.range.min())..u64::from(plan.crowd.range.max()),
            started: world.clock.wall(course.started()),
            took: course.elapsed(world.clock.now()),
            hold,
            set_rates: set_rates(plan, world.roster.len()),
            carried_out,
            saturated: judge.saturated(),
            saturated_by: judge.saturated_by(),
            spoilt: spoilt.total,
            spoilt_by: spoilt.by,
            thresholds: thresholds::of(&plan.thresholds),
            end,
            earlier_lives: self.earlier_lives,
        }
    }

    /// Takes the summary's place before anything is sent: keeps what an earlier run left there, and
    /// proves by a first checkpoint that it can be written.
    pub(super) async fn take_over(&mut self, path: PathBuf) -> Result<Earlier, FileError> {
        let file = SummaryFile::at(path)?;
        let earlier = file.keep_earlier(&self.summary(End::Running))?;
        if let Earlier::Life { lives, .. } = &earlier {
            self.earlier_lives = *lives;
        }
        if file.takes_checkpoints() {
            file.write(&self.summary(End::Running))?;
        }
        self.file = Some(file);
        Ok(earlier)
    }

    /// Writes the summary to a file every minute, so that a kill loses one minute.
    pub(super) async fn checkpoint(self, until: CancellationToken) {
        loop {
            tokio::select! {
                () = until.cancelled() => return,
                () = tokio::time::sleep(CHECKPOINT) => {}
            }
            if let Err(error) = self.write(self.summary(End::Running)).await {
                tracing::error!(%error, "summary not written");
            }
        }
    }

    /// Writes a summary where that is wanted; to what takes no checkpoints only the last one.
    pub(super) async fn write(&self, summary: Summary) -> Result<(), String> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        if !summary.run.complete && !file.takes_checkpoints() {
            return Ok(());
        }
        let write = move || file.write(&summary).map_err(|error| format!("{error}; {}", file.what_is_there(&summary)));
        tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?
    }

    /// Shows the status every second.
    pub(super) async fn show(self, screen: Screen, until: CancellationToken) {
        let title = self.several.then(|| self.slug.to_string());
        let mut progress = Progress::on(&screen, title);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pulse = Pulse::default();
        loop {
            tokio::select! {
                () = until.cancelled() => break,
                _ = ticks.tick() => progress.tick(&self.status(&mut pulse)),
            }
        }
        progress.finish();
    }

    fn status(&self, pulse: &mut Pulse) -> Status {
        let (world, course) = (&self.world, self.course.lock().clone());
        let ledger = world.metrics.ledger();
        let totals = world.metrics.totals(&ledger);
        let elapsed = course.elapsed(world.clock.now());
        let moment = Moment {
            phase: course.phase(),
            elapsed,
            held: course.hold(world).0,
            remaining: self.plan.timing.duration.map(|d| d.saturating_sub(elapsed)),
            chats_target: set_rates(&self.plan, world.roster.len())[Action::Chat as usize],
            saturated: self.judge.lock().is_saturated(),
            closing: world.closing.is_cancelled(),
        };
        pulse.status(moment, &ledger, &world.metrics.users(), &totals)
    }
}

/// The rates that were set, once every user is connected.
fn set_rates(plan: &Plan, users: usize) -> [f64; Action::COUNT] {
    assemble::traffic(&plan.traffic).map(|pace| full_rate(pace, users))
}
