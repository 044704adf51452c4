//! Records a run over time: cells of five seconds for rules and the live page, the summary's slices, and
//! events.

mod recording;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::background::ticks;
use super::phases::Phases;
use super::snapshots;
use crate::clock::{Clock, Stamp};
use crate::ledger::SETTLE;
use crate::metrics::ProcessFigures;
use crate::metrics::snapshot::LedgerSnapshot;
use crate::metrics::totals::Totals;
use crate::model::{Shard, UserState};
use crate::protocol::Driver;
use crate::report::timeline::{Counters, Timeline, TimelineEvent, UserSeconds};
use crate::user::RunContext;

pub(crate) use recording::{CELL_SECONDS, Cell};
use recording::{Hold, Recording, empty};

/// Interval between two readings of the users' states.
const LOOK: Duration = Duration::from_secs(1);
/// Longest text of an event, in characters.
const MOST_TEXT: usize = 200;
const MICROS: u64 = 1_000_000;

/// Records a run's timeline; clones share it.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Shared>);

struct Shared {
    clock: Clock,
    /// Index of this generator, if there are several.
    shard: Option<u32>,
    /// How long the machine slept, which is how far the wall clock went ahead of stamps.
    slept_micros: AtomicU64,
    /// The events, under a lock of their own, so that they can be noted whatever else is locked.
    events: Mutex<Timeline>,
    /// Locked before the ledger, never after it.
    recording: Mutex<Recording>,
}

/// The figures of one moment.
pub(crate) struct Reading {
    /// The moment.
    pub(crate) now: Stamp,
    /// The ledger's.
    pub(crate) ledger: LedgerSnapshot,
    /// The counters.
    pub(crate) totals: Totals,
    /// The kernel's, about this process.
    pub(crate) process: ProcessFigures,
}

impl Recorder {
    /// An empty timeline. Time counts from [`begin`](Self::begin).
    pub(crate) fn new(clock: Clock, shard: Shard, slice: Duration) -> Self {
        Self(Arc::new(Shared {
            clock,
            shard: shard.is_partial().then_some(shard.index),
            slept_micros: AtomicU64::new(0),
            events: Mutex::new(empty(slice)),
            recording: Mutex::new(Recording::new(slice)),
        }))
    }

    /// Begins the run at `at`: users' states count from then on.
    pub(crate) fn begin(&self, at: Stamp) {
        self.0.recording.lock().begin(at);
    }

    /// Notes an event now. Keeps the first 200 characters of its text, without control characters.
    pub(crate) fn note(&self, kind: &str, text: &str) {
        self.note_at(self.now(), kind, text);
    }

    /// The same at a moment in seconds since 1970.
    pub(crate) fn note_at(&self, at: f64, kind: &str, text: &str) {
        let text = text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect();
        self.0.events.lock().note(TimelineEvent { at, kind: kind.to_owned(), text, shard: self.0.shard });
    }

    /// Number of events so far.
    pub(crate) fn noted(&self) -> u64 {
        let events = self.0.events.lock();
        events.events_dropped.saturating_add(events.events.len() as u64)
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> f64 {
        Duration::from_micros(self.wall_micros(self.0.clock.now())).as_secs_f64()
    }

    /// Notes that the machine slept for `time`.
    pub(crate) fn slept(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.slept_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Keeps cells for at least `longest`.
    pub(crate) fn keep(&self, longest: Duration) {
        self.0.recording.lock().keep(longest);
    }

    /// The finished cells that are kept, oldest first. Their counters are complete; the outcomes of their
    /// deliveries are updated every five seconds.
    #[allow(dead_code, reason = "for rules and the live page")]
    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.0.recording.lock().cells().cloned().collect()
    }

    /// Those that begin at `from` or later, in seconds since 1970.
    pub(crate) fn cells_from(&self, from: u64) -> Vec<Cell> {
        let recording = self.0.recording.lock();
        recording.cells().filter(|cell| cell.slice.start >= from).cloned().collect()
    }

    /// The users' states in the hold so far, in user-seconds.
    pub(crate) fn user_seconds(&self) -> UserSeconds {
        self.0.recording.lock().user_seconds()
    }

    /// The part of it in planned disruptions.
    pub(crate) fn marked_user_seconds(&self) -> UserSeconds {
        self.0.recording.lock().marked_user_seconds()
    }

    /// Notes that a planned disruption begins now, or is over.
    pub(crate) fn mark<D: Driver>(&self, goes_on: bool, context: &RunContext<D>, phases: &Mutex<Phases>) {
        let mut recording = self.0.recording.lock();
        self.look_into(&mut recording, context, phases);
        recording.mark(goes_on);
    }

    /// Seconds since 1970.
    pub(crate) fn wall_seconds(&self) -> u64 {
        self.wall_micros(self.0.clock.now()) / MICROS
    }

    /// Notes a value of a watched series of the server's own metrics.
    pub(crate) fn watched(&self, name: &str, value: f64) {
        let now = self.wall_micros(self.0.clock.now());
        self.0.recording.lock().watched(name, value, now / MICROS);
    }

    /// Reads the users' states, and takes them to have held since the last reading.
    pub(crate) fn look<D: Driver>(&self, context: &RunContext<D>, phases: &Mutex<Phases>) {
        let mut recording = self.0.recording.lock();
        self.look_into(&mut recording, context, phases);
    }

    fn look_into<D: Driver>(
        &self,
        recording: &mut Recording,
        context: &RunContext<D>,
        phases: &Mutex<Phases>,
    ) -> Stamp {
        let (from, to) = phases.lock().held();
        let states = context.roster.counts();
        let of = |state: UserState| states[state as usize] as f64;
        let users = UserSeconds {
            target: context.roster.target() as f64,
            connected: of(UserState::Connected),
            away: of(UserState::Away),
        };
        let now = context.clock.now();
        recording.look(now, self.wall_micros(now), users, Hold { from, to });
        now
    }

    /// Reads the counters; their increase counts for the time since the last reading.
    pub(crate) fn read<D: Driver>(&self, context: &RunContext<D>, phases: &Mutex<Phases>) -> Reading {
        self.read_into(&mut self.0.recording.lock(), context, phases)
    }

    /// Like [`read`](Self::read), with the timeline whose sums these figures are.
    pub(crate) fn timeline<D: Driver>(&self, context: &RunContext<D>, phases: &Mutex<Phases>) -> (Reading, Timeline) {
        let mut recording = self.0.recording.lock();
        let reading = self.read_into(&mut recording, context, phases);
        let mut timeline = recording.timeline();
        timeline.merge(&self.0.events.lock());
        (reading, timeline)
    }

    fn read_into<D: Driver>(
        &self,
        recording: &mut Recording,
        context: &RunContext<D>,
        phases: &Mutex<Phases>,
    ) -> Reading {
        let now = self.look_into(recording, context, phases);
        let mut books = context.ledger.lock();
        let ledger = snapshots::snapshot(&books);
        let (closed, open, spoilt) = (books.take_closed_cells(now), books.open_cells(), books.spoilt().total);
        let verdict_age = books.terms().horizon + SETTLE;
        drop(books);
        let totals = context.metrics.totals(&ledger);
        let process = ProcessFigures::read();
        recording.count(Counters::of(&totals, &process), spoilt);
        recording.deliveries(closed, open, self.wall_micros(now.minus(verdict_age)) / MICROS);
        Reading { now, ledger, totals, process }
    }

    /// Microseconds since 1970 at a stamp.
    fn wall_micros(&self, at: Stamp) -> u64 {
        self.0.clock.unix_micros(at).saturating_add(self.0.slept_micros.load(Ordering::Relaxed))
    }

    /// Time until the next second begins.
    fn until_next_second(&self) -> Duration {
        let micros = self.wall_micros(self.0.clock.now()) % MICROS;
        LOOK.saturating_sub(Duration::from_micros(micros)).max(Duration::from_millis(1))
    }
}

/// Records until `until` is cancelled.
pub(crate) async fn record<D: Driver>(
    recorder: Recorder,
    context: Arc<RunContext<D>>,
    phases: Arc<Mutex<Phases>>,
    until: CancellationToken,
) {
    let mut counted = 0;
    loop {
        let goes_on = ticks(recorder.until_next_second(), &until).await;
        let cell = recorder.wall_micros(context.clock.now()) / (CELL_SECONDS * MICROS);
        if cell == counted {
            recorder.look(&context, &phases);
        } else {
            counted = cell;
            let _ = recorder.read(&context, &phases);
        }
        if !goes_on {
            return;
        }
    }
}
