//! The rules of a run in progress: notes when one begins to hold, and ends the run for those of
//! `--abort-if`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::timeline::{Cell, Recorder};
use crate::config::plan::Plan;
use crate::model::{Rule, RuleOption, Rules, WINDOW_STEP};
use crate::report::judgement::{EndedBy, RuleWindows, moment};
use crate::report::rules::{self, Crossing, Watch};
use crate::report::summary::Summary;

/// Kind of the events of rules.
const EVENT: &str = "rule";

/// The rules of a run and their findings so far; clones share them.
#[derive(Clone)]
pub(crate) struct Rulebook(Arc<Shared>);

struct Shared {
    rules: Rules,
    shard: u32,
    horizon: Duration,
    recorder: Recorder,
    watch: Mutex<Watch>,
    ended_by: Mutex<Option<EndedBy>>,
    /// Planned disruptions left out of thresholds: start and end, in seconds since 1970.
    planned: Mutex<Vec<(f64, f64)>>,
    /// Cancelled when the run is about to end.
    stopping: CancellationToken,
    /// Cancelled by a rule, to end the run.
    abort: CancellationToken,
}

impl Rulebook {
    /// The rules of a plan, none of which holds yet; the recorder keeps the cells that their windows need.
    pub(crate) fn of(plan: &Plan, recorder: &Recorder, stopping: CancellationToken) -> Self {
        // Room for messages that wait for verdicts, and for two sweeps.
        let waiting = plan.terms.horizon + 4 * WINDOW_STEP;
        if plan.rules.longest_window().is_some() {
            recorder.keep(waiting);
        }
        Self(Arc::new(Shared {
            rules: plan.rules.clone(),
            shard: plan.users.shard.index,
            horizon: plan.terms.horizon,
            recorder: recorder.clone(),
            watch: Mutex::new(Watch::new(&plan.rules)),
            ended_by: Mutex::default(),
            planned: Mutex::default(),
            stopping,
            abort: CancellationToken::new(),
        }))
    }

    /// Returns when a rule asks for the end of the run.
    pub(crate) async fn aborted(&self) {
        self.0.abort.cancelled().await;
    }

    /// Notes the start of a planned disruption that is left out of thresholds.
    pub(crate) fn planned_begins(&self) {
        let (now, until) = (self.0.recorder.now(), self.0.watch.lock().until());
        let mut planned = self.0.planned.lock();
        // Windows already judged are not judged again.
        planned.retain(|(_, to)| *to >= until as f64);
        planned.push((now, f64::INFINITY));
    }

    /// Notes the end of the planned disruption.
    pub(crate) fn planned_ends(&self) {
        if let Some((_, to)) = self.0.planned.lock().last_mut() {
            *to = to.min(self.0.recorder.now());
        }
    }

    /// What the windows showed so far.
    pub(crate) fn findings(&self) -> Vec<RuleWindows> {
        self.0.watch.lock().findings()
    }

    /// The rule that ended the run.
    pub(crate) fn ended_by(&self) -> Option<EndedBy> {
        self.0.ended_by.lock().clone()
    }

    /// Ends the run if a rule without windows holds for the run so far.
    pub(crate) fn look_at(&self, summary: &Summary) {
        let held = self.whole_run().find_map(|rule| Some((rule, rules::beyond(summary, rule)?)));
        if let Some((rule, (value, n))) = held {
            self.abort(rule, value, n);
        }
    }

    /// Whether a rule without windows may end the run.
    pub(crate) fn looks_at_the_whole_run(&self) -> bool {
        self.whole_run().next().is_some()
    }

    fn whole_run(&self) -> impl Iterator<Item = &Rule> {
        self.0.rules.abort_if.iter().filter(|rule| rule.window.is_none())
    }

    /// Judges the cells that are over; at the end also those whose deliveries never got a verdict.
    pub(crate) fn look(&self, chats_set: f64, at_the_end: bool) {
        let shared = &self.0;
        let mut watch = shared.watch.lock();
        if watch.is_empty() {
            return;
        }
        let (cells, now) = (shared.recorder.cells_from(watch.until()), shared.recorder.now());
        let seconds = WINDOW_STEP.as_secs();
        let (horizon, planned) = (shared.horizon.as_secs_f64(), shared.planned.lock().clone());
        // A cell's last second is counted during the next one.
        let is_over = |cell: &&Cell| at_the_end || (cell.slice.start + seconds + 1) as f64 <= now;
        let shown = cells.iter().filter(is_over).map(|Cell { slice, judged }| {
            let age = (now - slice.start.saturating_add(seconds) as f64).max(0.0);
            let (start, end) = (slice.start as f64, slice.start.saturating_add(seconds) as f64);
            let planned = planned.iter().any(|(from, to)| *from < end && start < *to);
            (slice, rules::Cell { seconds, chats_set, horizon, age, planned }, *judged || at_the_end)
        });
        let crossings = watch.look(shown);
        drop(watch);
        crossings.iter().for_each(|crossing| self.tell(crossing));
    }

    /// Notes an event, logs it, and ends the run if the rule asks for that.
    fn tell(&self, crossing: &Crossing) {
        self.0.recorder.note_at(crossing.at as f64, EVENT, &crossing.text);
        if crossing.holds {
            tracing::warn!("{}", crossing.text);
        } else {
            tracing::info!("{}", crossing.text);
        }
        if let (RuleOption::AbortIf, true, Some((value, n))) = (crossing.option, crossing.holds, crossing.found) {
            self.abort(&crossing.rule, value, n);
        }
    }

    /// Ends the run, for the first rule that asks for it.
    fn abort(&self, rule: &Rule, value: f64, n: u64) {
        let shared = &self.0;
        let at = moment(Duration::try_from_secs_f64(shared.recorder.now()).unwrap_or_default().as_secs());
        let mut ended_by = shared.ended_by.lock();
        // A rule does not end a run that is already ending.
        if ended_by.is_some() || shared.stopping.is_cancelled() {
            return;
        }
        let text = format!("--abort-if {rule} ends the run: {}", rules::in_words(rule, value));
        shared.recorder.note(EVENT, &text);
        tracing::error!("{text}");
        *ended_by = Some(EndedBy { rule: rule.clone(), at, value, n, shard: shared.shard });
        shared.abort.cancel();
    }
}
