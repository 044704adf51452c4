//! What a person sees of a run: the status while it runs, and summaries.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::background::ticks;
use super::marks::Marks;
use super::phases::Phases;
use super::rulebook::Rulebook;
use super::snapshots;
use super::timeline::{Reading, Recorder};
use crate::clock::Stamp;
use crate::config::plan::Plan;
use crate::model::{Action, WINDOW_STEP};
use crate::protocol::Driver;
use crate::report::end::End;
use crate::report::file::{Earlier, FileError, OutputError, OutputFile, SummaryFile};
use crate::report::inputs::{Measurements, RunInputs, summarise};
use crate::report::marked::Marked;
use crate::report::page;
use crate::report::progress::Progress;
use crate::report::rates::{Moment, RateMeter};
use crate::report::recoveries::RecoveryFigures;
use crate::report::status::Status;
use crate::report::summary::Summary;
use crate::report::timeline::Timeline;
use crate::saturation::Judge;
use crate::schedule::set_rates::SetRates;
use crate::telemetry::Screen;
use crate::user::RunContext;

/// Interval between two status lines.
const TICK: Duration = Duration::from_secs(1);
/// Interval between two checkpoints of the summary.
const CHECKPOINT: Duration = Duration::from_secs(60);

/// The parts of a run that its reports read.
pub(super) struct RunParts<D: Driver> {
    pub(super) context: Arc<RunContext<D>>,
    pub(super) plan: Arc<Plan>,
    pub(super) phases: Arc<Mutex<Phases>>,
    pub(super) judge: Arc<Mutex<Judge>>,
    pub(super) recorder: Recorder,
    pub(super) rates: Arc<SetRates>,
    pub(super) marks: Arc<Marks>,
    pub(super) rulebook: Rulebook,
}

/// Everything needed to report on a run.
pub(crate) struct Reporter<D: Driver> {
    context: Arc<RunContext<D>>,
    plan: Arc<Plan>,
    phases: Arc<Mutex<Phases>>,
    judge: Arc<Mutex<Judge>>,
    recorder: Recorder,
    rates: Arc<SetRates>,
    marks: Arc<Marks>,
    rulebook: Rulebook,
    slug: Arc<str>,
    /// The status last shown.
    latest: Arc<Mutex<Option<Status>>>,
    /// Whether there are several plenaries, so that the status must name its own.
    several: bool,
    /// Number of earlier starts of this generator in the same run.
    earlier_lives: u32,
    /// Destination of the summary, once it is open.
    file: Option<SummaryFile>,
    /// Destination of the report.
    page: Option<OutputFile>,
}

impl<D: Driver> Clone for Reporter<D> {
    fn clone(&self) -> Self {
        Self {
            context: Arc::clone(&self.context),
            plan: Arc::clone(&self.plan),
            phases: Arc::clone(&self.phases),
            judge: Arc::clone(&self.judge),
            recorder: self.recorder.clone(),
            rates: Arc::clone(&self.rates),
            marks: Arc::clone(&self.marks),
            latest: Arc::clone(&self.latest),
            rulebook: self.rulebook.clone(),
            slug: Arc::clone(&self.slug),
            several: self.several,
            earlier_lives: self.earlier_lives,
            file: self.file.clone(),
            page: self.page.clone(),
        }
    }
}

impl<D: Driver> Reporter<D> {
    pub(super) fn of(parts: RunParts<D>, slug: Arc<str>, several: bool) -> Self {
        let RunParts { context, plan, phases, judge, recorder, rates, marks, rulebook } = parts;
        Self {
            context,
            plan,
            phases,
            judge,
            recorder,
            rates,
            marks,
            rulebook,
            slug,
            latest: Arc::default(),
            several,
            earlier_lives: 0,
            file: None,
            page: None,
        }
    }

    /// The status now, with the rates and quantiles of the last second.
    pub(crate) fn status_now(&self) -> Status {
        let now = self.status(&mut RateMeter::default());
        match &*self.latest.lock() {
            Some(Status { chats, p50, p99, .. }) => Status { chats: *chats, p50: *p50, p99: *p99, ..now },
            None => now,
        }
    }

    /// The status last shown; `None` before the first.
    pub(crate) fn status_shown(&self) -> Option<Status> {
        self.latest.lock().clone()
    }

    /// How users came back so far.
    pub(crate) fn recoveries(&self) -> Vec<RecoveryFigures> {
        snapshots::recoveries(&self.context)
    }

    /// The planned disruptions of the run.
    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The room as typed.
    pub(crate) fn room(&self) -> &str {
        &self.slug
    }

    /// The summary as of now.
    pub(crate) fn summary(&self, end: End) -> Summary {
        if end != End::Running {
            // Read once more, so that the summary includes everything up to now.
            let _ = self.recorder.read(&self.context, &self.phases);
            self.rulebook.look(self.chats_set(), true);
        }
        let (reading, timeline) = self.recorder.timeline(&self.context, &self.phases);
        self.summary_of(end, reading, Some(timeline))
    }

    fn summary_of(&self, end: End, reading: Reading, timeline: Option<Timeline>) -> Summary {
        let Reading { now, ledger, totals, process } = reading;
        let users = self.phases.lock().users(self.context.metrics.users());
        let presence = self.context.metrics.presence();
        let losses =
            snapshots::loss_groups(&self.context.ledger.lock().loss_groups(), &self.context.credentials.usernames);
        let before_hold = self.phases.lock().before_hold.clone();
        let rooms = snapshots::rooms(&self.context, &self.plan.division);
        let recoveries = snapshots::recoveries(&self.context);
        let marked = self.marks.counted(&totals, self.context.clock.now());
        let marked = marked.map(|marked| Marked { user_seconds: self.recorder.marked_user_seconds(), ..marked });
        let figures = Measurements {
            ledger,
            before_hold,
            users,
            presence,
            totals,
            process,
            rooms,
            losses,
            timeline,
            recoveries,
            marked,
        };
        summarise(&self.facts(end, now), &figures)
    }

    /// The rate of chats that is set, per second.
    fn chats_set(&self) -> f64 {
        self.rates.now()[Action::Chat as usize]
    }

    /// Checks the rules until the run is over.
    pub(crate) async fn watch_rules(self, until: CancellationToken) {
        let (every, whole_run) = (WINDOW_STEP.as_secs() / TICK.as_secs(), self.rulebook.looks_at_the_whole_run());
        for look in 1_u64.. {
            if !ticks(TICK, &until).await {
                return;
            }
            self.rulebook.look(self.chats_set(), false);
            if whole_run && look.is_multiple_of(every) {
                let reading = self.recorder.read(&self.context, &self.phases);
                self.rulebook.look_at(&self.summary_of(End::Running, reading, None));
            }
        }
    }

    fn facts(&self, end: End, now: Stamp) -> RunInputs {
        let (context, plan, phases) = (&self.context, &self.plan, self.phases.lock().clone());
        let (hold, carried_out) = phases.hold(context, now);
        let (spoilt, judge) = (context.ledger.lock().spoilt(), self.judge.lock());
        RunInputs {
            id: plan.report.run_id.as_str().to_owned(),
            seed: plan.traffic.seed,
            plenary: self.slug.to_string(),
            shard: plan.users.shard,
            users: u64::from(plan.users.range.min())..u64::from(plan.users.range.max()),
            started: context.clock.wall(phases.started()),
            took: phases.elapsed(now),
            hold,
            set_rates: self.rates.mean(context.clock.now()),
            carried_out,
            saturated: judge.saturated(),
            saturated_by: judge.saturated_by(),
            spoilt: spoilt.total,
            spoilt_by: spoilt.by,
            configuration: plan
                .options
                .iter()
                .filter(|o| o.value != "-")
                .map(|o| (o.name.clone(), o.value.clone()))
                .collect(),
            thresholds: plan.thresholds,
            rules: plan.rules.clone(),
            windows: self.rulebook.findings(),
            ended_by: self.rulebook.ended_by(),
            user_seconds: Some(self.recorder.user_seconds()),
            hold_began: phases.held().0.map(|at| context.clock.wall(at)),
            horizon: plan.terms.horizon,
            end,
            earlier_lives: self.earlier_lives,
        }
    }

    /// Takes over the summary's path before anything is sent: keeps what an earlier run left there, and
    /// proves with a first checkpoint that the path is writable.
    pub(crate) async fn take_over(&mut self, path: PathBuf) -> Result<Earlier, FileError> {
        let file = SummaryFile::at(path)?;
        let earlier = file.keep_earlier(&self.summary(End::Running))?;
        if let Earlier::SameRun { lives, .. } = &earlier {
            self.earlier_lives = *lives;
            self.recorder
                .note("restart", &format!("the generator started again, after {lives} earlier starts in this run"));
        }
        if file.takes_checkpoints() {
            file.write(&self.summary(End::Running))?;
        }
        self.file = Some(file);
        Ok(earlier)
    }

    /// Checks the report's path before anything is sent.
    pub(crate) fn take_page(&mut self, path: &Path) -> Result<(), OutputError> {
        self.page = Some(OutputFile::at(path)?);
        Ok(())
    }

    /// Writes the report if one was asked for.
    pub(crate) async fn write_page(&self, summary: Summary) -> Result<(), String> {
        let Some(file) = self.page.clone() else { return Ok(()) };
        let write = move || file.write(&page::report(&summary)).map_err(|error| error.to_string());
        tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?
    }

    /// Writes the summary to its file every minute, so that a kill loses at most one minute.
    pub(crate) async fn checkpoint(self, until: CancellationToken) {
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

    /// Writes a summary if one was asked for; outputs that take no checkpoints get only the last one.
    pub(crate) async fn write(&self, summary: Summary) -> Result<(), String> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        if !summary.run.complete && !file.takes_checkpoints() {
            return Ok(());
        }
        let write = move || file.write(&summary).map_err(|error| format!("{error}; {}", file.what_is_there(&summary)));
        tokio::task::spawn_blocking(write).await.map_err(|e| e.to_string())?
    }

    /// Shows the status every second.
    pub(crate) async fn show(self, screen: Screen, until: CancellationToken) {
        let title = self.several.then(|| self.slug.to_string());
        let mut progress = Progress::on(&screen, title);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut meter = RateMeter::default();
        loop {
            tokio::select! {
                () = until.cancelled() => break,
                _ = ticks.tick() => {
                    let status = self.status(&mut meter);
                    progress.tick(&status);
                    *self.latest.lock() = Some(status);
                }
            }
        }
        progress.finish();
    }

    fn status(&self, meter: &mut RateMeter) -> Status {
        let (context, phases) = (&self.context, self.phases.lock().clone());
        let ledger = context.metrics.ledger();
        let totals = context.metrics.totals(&ledger);
        let now = context.clock.now();
        let elapsed = phases.elapsed(now);
        let moment = Moment {
            phase: phases.phase(),
            elapsed,
            held: phases.hold(context, now).0,
            remaining: self.plan.timing.duration.map(|d| d.saturating_sub(elapsed)),
            chats_target: self.chats_set(),
            saturated: self.judge.lock().is_saturated(),
            closing: context.closing.is_cancelled(),
        };
        meter.status(moment, &ledger, &context.metrics.users(), &totals)
    }
}
