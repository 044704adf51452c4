//! Single losses and anomalies for the anomaly log: compact notes of bounded memory, which become lines only
//! when they are written.
//!
//! A message that many receivers missed is one note with a set of receivers. Notes that do not fit are
//! counted, so that lines and dropped lines sum to the figures.

use super::user_set::UserGroup;
use crate::clock::Stamp;
use crate::marker::Marker;
use crate::model::{Anomaly, Origin, SenderId, UserIndex};

/// Maximum number of notes between two calls that take them.
const NOTE_LIMIT: usize = 1 << 18;
/// Maximum memory of a note besides its set of receivers, in bytes.
const NOTE_BYTES: usize = 96;
/// Maximum number of 64-bit words in sets of receivers between two calls that take them: 8 MiB.
const WORD_LIMIT: usize = 1 << 20;

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A user of this generator.
    User(UserIndex),
    /// Any other sender, by the server's id.
    Id(SenderId),
}

/// The message that a note is about, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Who sent it.
    pub sender: Option<Sender>,
    /// Its marker; `None` if the text could not be read.
    pub marker: Option<Marker>,
    /// Whether the intended time in `marker` is known. It is not for another generator's message that no
    /// connection here has read.
    pub intended_known: bool,
    /// Whether any connection of this generator has read it.
    pub read: bool,
}

impl Subject {
    /// The subject of a damaged text, with what can be read of its marker; an unreadable intended time is 0.
    #[must_use]
    pub fn damaged(sender: Option<Sender>, marker: Option<Marker>) -> Self {
        let intended_known = marker.is_some_and(|marker| marker.intended_micros != 0);
        Self { sender, marker, intended_known, read: true }
    }

    /// The subject of a message whose marker was read here.
    #[must_use]
    pub fn read(sender: Sender, marker: Marker) -> Self {
        Self { sender: Some(sender), marker: Some(marker), intended_known: true, read: true }
    }

    /// The intended time, in microseconds since the Unix epoch.
    #[must_use]
    pub fn intended_micros(&self) -> Option<u64> {
        self.marker.filter(|_| self.intended_known).map(|marker| marker.intended_micros)
    }
}

/// The kind of a note about a single delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// It was lost.
    Lost,
    /// Its arrival was an anomaly.
    Anomaly(Anomaly),
}

/// A single loss or anomaly: one line of the anomaly log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub kind: NoteKind,
    /// The origin of the message.
    pub origin: Origin,
    /// The user on whose connection it happened.
    pub receiver: UserIndex,
    /// The message.
    pub subject: Subject,
    /// When it arrived, or when it was judged lost, in microseconds since the Unix epoch.
    pub at_micros: u64,
    /// Whether it arrived at all.
    pub arrived: bool,
}

/// Notes that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Number of lines that they would have been.
    pub lines: u64,
    /// The time of the first, in microseconds since the Unix epoch.
    pub from_micros: u64,
    /// The time of the last.
    pub to_micros: u64,
}

impl Gap {
    /// Adds `lines` lines, noted at a later time.
    pub fn add(&mut self, lines: u64, at_micros: u64) {
        if self.lines == 0 {
            self.from_micros = at_micros;
        }
        self.lines += lines;
        self.to_micros = at_micros;
    }
}

/// Lines of the anomaly log so far; those that are neither written nor dropped are pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogLines {
    /// Written.
    pub written: u64,
    /// Given up.
    pub dropped: u64,
}

#[derive(Debug, Clone)]
enum Receivers {
    One(UserIndex),
    All(Box<UserGroup>),
}

const _: () = assert!(size_of::<NoteEntry>() <= NOTE_BYTES);

#[derive(Debug, Clone)]
struct NoteEntry {
    kind: NoteKind,
    origin: Origin,
    arrived: bool,
    subject: Subject,
    at_micros: u64,
    receivers: Receivers,
}

/// Notes in the order of events, and the number of those that did not fit after them.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    entries: Vec<NoteEntry>,
    words: usize,
    gap: Gap,
}

impl Notes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.gap.lines == 0
    }

    /// One note per line.
    pub fn iter(&self) -> impl Iterator<Item = Note> + '_ {
        self.entries.iter().flat_map(|entry| {
            let (one, all) = match &entry.receivers {
                Receivers::One(user) => (Some(*user), None),
                Receivers::All(group) => (None, Some(group.iter())),
            };
            one.into_iter().chain(all.into_iter().flatten()).map(|receiver| Note {
                kind: entry.kind,
                origin: entry.origin,
                receiver,
                subject: entry.subject,
                at_micros: entry.at_micros,
                arrived: entry.arrived,
            })
        })
    }

    /// The notes that did not fit after these.
    #[must_use]
    pub fn gap(&self) -> Gap {
        self.gap
    }

    /// Adds a note of `lines` lines, or counts them if it does not fit. After the first that does not fit, no
    /// other is added, so that there is only one gap.
    fn push(&mut self, entry: NoteEntry, lines: u64) {
        let words = match &entry.receivers {
            Receivers::One(_) => 0,
            Receivers::All(group) => group.users.words().len(),
        };
        if self.gap.lines > 0 || self.entries.len() >= NOTE_LIMIT || self.words + words > WORD_LIMIT {
            return self.gap.add(lines, entry.at_micros);
        }
        self.words += words;
        self.entries.push(entry);
    }
}

/// The notes for the anomaly log.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// The wall clock at stamp 0, in microseconds since the Unix epoch.
    pub(super) origin_micros: u64,
    /// Counts of lines; `None` if no notes are wanted.
    lines: Option<LogLines>,
    /// Number of lines of all notes so far.
    noted: u64,
    /// Whether notes are no longer taken.
    closed: bool,
    notes: Notes,
}

impl Evidence {
    pub(super) fn new(origin_micros: u64) -> Self {
        Self { origin_micros, ..Self::default() }
    }

    pub(super) fn keep(&mut self) {
        self.lines.get_or_insert_default();
    }

    pub(super) fn take(&mut self) -> Notes {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn wall_micros(&self, at: Stamp) -> u64 {
        self.origin_micros.saturating_add(at.0 / 1_000)
    }

    /// Counts notes of an earlier call to `take` as written or given up.
    pub(super) fn logged(&mut self, written: u64, dropped: u64) {
        if let Some(lines) = &mut self.lines
            && !self.closed
        {
            lines.written += written;
            lines.dropped += dropped;
        }
    }

    /// Stops taking notes, and drops what is not written; returns the number of lines dropped.
    pub(super) fn close(&mut self) -> u64 {
        self.notes = Notes::default();
        self.closed = true;
        let Some(lines) = &mut self.lines else { return 0 };
        lines.dropped = self.noted.saturating_sub(lines.written);
        lines.dropped
    }

    pub(super) fn lines(&self) -> Option<LogLines> {
        self.lines
    }

    pub(super) fn anomaly(&mut self, origin: Origin, what: Anomaly, user: UserIndex, subject: Subject, at: Stamp) {
        self.push(NoteKind::Anomaly(what), origin, Receivers::One(user), subject, at, true);
    }

    /// Notes that one receiver lost a message; `arrived`: it arrived, but after its horizon.
    pub(super) fn lost(&mut self, origin: Origin, user: UserIndex, subject: Subject, at: Stamp, arrived: bool) {
        self.push(NoteKind::Lost, origin, Receivers::One(user), subject, at, arrived);
    }

    /// Notes that a group of receivers lost a message.
    pub(super) fn lost_by(&mut self, origin: Origin, group: &UserGroup, subject: Subject, at: Stamp) {
        if self.lines.is_some() && !group.users.is_empty() {
            self.push(NoteKind::Lost, origin, Receivers::All(Box::new(group.clone())), subject, at, false);
        }
    }

    fn push(&mut self, kind: NoteKind, origin: Origin, who: Receivers, subject: Subject, at: Stamp, arrived: bool) {
        let Some(counts) = &mut self.lines else { return };
        let before = self.notes.gap.lines;
        let lines = match &who {
            Receivers::One(_) => 1,
            Receivers::All(group) => group.users.len(),
        };
        self.noted += lines;
        if self.closed {
            counts.dropped += lines;
            return;
        }
        let at_micros = self.origin_micros.saturating_add(at.0 / 1_000);
        self.notes.push(NoteEntry { kind, origin, arrived, subject, at_micros, receivers: who }, lines);
        counts.dropped += self.notes.gap.lines - before;
    }
}
