//! The ledger: which connection should receive which message, and the outcome of each delivery.
//!
//! Pure bookkeeping without clock or I/O: every call brings its time. The definitions are in
//! `docs/ledger.md`. All calls come in one order (the owner holds a lock), so that the books balance to the
//! last delivery.
//!
//! Two numbers per connection decide what it expects. Messages are numbered in the order in which they are
//! handed over, and a connection expects exactly those from the number that was next when it became connected
//! up to the one that was next when its close began. For each message only the receivers so far are stored,
//! not the recipients.

mod arrivals;
mod cells;
mod connection_window;
mod evidence;
mod faults;
mod judged;
mod losses;
mod marked;
mod message_log;
mod peer;
mod remote;
mod room;
mod run_wide;
mod spoilt;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod times;
mod user_set;

use std::cmp::Reverse;
use std::time::Duration;

pub use cells::{CELL_SECONDS, Cell};
pub use connection_window::DisconnectCause;
pub use evidence::{Gap, LogLines, Note, NoteKind, Notes, Sender, Subject};
pub use losses::{LossGroup, LossGroups, MESSAGES_TOLD, NAMES_TOLD};
pub use remote::PEER_LIMIT;
pub use spoilt::SpoiltTime;
pub use tally::Tally;
pub use terms::{Identity, RecordedSend, RoomFigures, RoomShare, SETTLE, Standing};

use room::RoomLedger;
use run_wide::RunWide;
use user_set::RoomUser;

use crate::clock::Stamp;
use crate::marker::{Decoded, Marker, RoomTag};
use crate::model::{DeliveryCounts, DeliveryRules, DeliveryTerms, Origin, SenderId, UserIndex};

/// The ledger of one generator: the books of each room, and what all rooms share.
#[derive(Debug)]
pub struct Ledger {
    run: RunWide,
    /// Never empty.
    rooms: Box<[RoomLedger]>,
    /// The room of each user; empty if there is one room.
    room_of: Box<[u32]>,
}

impl Ledger {
    /// An empty ledger for these rooms: the first of this generator's users are in the first room, the next in
    /// the second. No two rooms may have the same tag.
    pub fn new(terms: DeliveryTerms, rules: DeliveryRules, identity: Identity, rooms: &[RoomShare]) -> Self {
        let no_users = [RoomShare { tag: RoomTag(0), users: 0 }];
        let shares = if rooms.is_empty() { &no_users } else { rooms };
        let mut users = 0;
        let rooms: Box<[RoomLedger]> = shares
            .iter()
            .map(|share| {
                let room = RoomLedger::new(*share, users);
                users = users.saturating_add(share.users);
                room
            })
            .collect();
        let room_of: Vec<u32> =
            (0..).zip(&rooms).flat_map(|(at, room)| (0..room.span.users).map(move |_| at)).collect();
        let room_of = if rooms.len() > 1 { room_of.into_boxed_slice() } else { Box::default() };
        Self { run: RunWide::new(terms, rules, identity, users as usize), rooms, room_of }
    }

    /// Notes how the server names a user, so that its chats are recognised as ours.
    pub fn introduce(&mut self, user: UserIndex, id: SenderId) {
        self.run.introduce(user, id);
    }

    /// Notes that a connection's handshake begins.
    pub fn opening(&mut self, user: UserIndex) {
        let (_, room, user) = self.room_mut(user);
        room.opening(user);
    }

    /// Notes that the user joined, by what was read at `at`: from now on the connection expects every message.
    pub fn connected(&mut self, user: UserIndex, at: Stamp) {
        let (_, room, user) = self.room_mut(user);
        room.connected(user, at);
    }

    /// Notes that either side began to close: this connection does not expect later messages; earlier ones may
    /// still arrive until [`ended`](Self::ended).
    pub fn closing(&mut self, user: UserIndex, at: Stamp) {
        self.run.tally.judged.called(at);
        let (_, room, user) = self.room_mut(user);
        room.closing(user, at);
    }

    /// Notes the end of the stream, after all of its bytes were reported. Open deliveries are excused, except
    /// those that were past their horizon before the connection was left, which are lost.
    pub fn ended(&mut self, user: UserIndex, why: DisconnectCause, at: Stamp) {
        self.run.tally.judged.called(at);
        let (run, room, user) = self.room_mut(user);
        room.ended(run, user, why, at);
    }

    /// Notes that this generator begins to stop: it sends no more, and does not expect messages of other
    /// generators that it first hears of from now on.
    pub fn stop(&mut self) {
        self.run.generators.stop();
    }

    /// Ends the wait: deliveries without a verdict at `now` stay outstanding when their connection closes,
    /// instead of being excused. Deliveries that still arrive count.
    pub fn close(&mut self, now: Stamp) {
        self.sweep(now);
        self.run.closed.get_or_insert(now);
    }

    /// Records that a chat is handed to the sender's socket at `now`: fixes its number and its expected
    /// receivers. Call it before the first byte is written.
    pub fn record_send(&mut self, sender: UserIndex, intended: Stamp, now: Stamp) -> RecordedSend {
        self.run.tally.judged.called(now);
        let (run, room, sender) = self.room_mut(sender);
        room.record_send(run, sender, intended, now)
    }

    /// Takes a chat of `from` that was read on `user`'s connection at `at`.
    pub fn receive(&mut self, user: UserIndex, from: SenderId, decoded: Decoded, at: Stamp) {
        self.run.tally.judged.called(at);
        let (run, room, user) = self.room_mut(user);
        room.receive(run, user, from, decoded, at);
    }

    /// Notes that the server refused the last message of `sender`: its open deliveries are excused, and later
    /// arrivals are unexpected.
    pub fn refused(&mut self, sender: UserIndex, now: Stamp) {
        self.sweep(now);
        let (run, room, sender) = self.room_mut(sender);
        room.refused(run, sender);
    }

    /// Notes that history, marked as such by the protocol, was read at `at`. It is neither a delivery nor an
    /// anomaly, and proves nothing, since it may take its own path in the server.
    pub fn replayed(&mut self, at: Stamp) {
        self.run.tally.judged.called(at);
    }

    /// Passes the verdicts that are due at `now`, and forgets what is too old to matter.
    pub fn sweep(&mut self, now: Stamp) {
        let Self { run, rooms, .. } = self;
        run.tally.judged.called(now);
        rooms.iter_mut().for_each(|room| room.sweep(run, now));
        run.generators.sweep(run.judged_at(now), &run.terms);
        let verdict_age = run.terms.horizon + SETTLE;
        run.tally.judged.forget(now.minus(verdict_age * 2));
        run.tally.roll(now);
    }

    /// Notes that the machine slept for `time`: stamps stood still, but wall clocks did not. Intended times in
    /// markers are right again from now on.
    pub fn slept(&mut self, time: Duration) {
        self.run.slept(time);
    }

    /// Whether a marker is of this process, and of the room of `user`.
    #[must_use]
    pub fn is_own(&self, user: UserIndex, marker: &Marker) -> bool {
        self.room(user).is_own(&self.run, marker)
    }

    /// The limits that decide between on time, late and lost.
    #[must_use]
    pub fn terms(&self) -> DeliveryTerms {
        self.run.terms
    }

    /// The figures so far, of all rooms.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.run.tally
    }

    /// The counts of one origin so far, of all rooms.
    #[must_use]
    pub fn counts(&self, origin: Origin) -> DeliveryCounts {
        DeliveryCounts { outstanding: self.outstanding_of(origin), ..*self.run.tally.origin(origin) }
    }

    fn outstanding_of(&self, origin: Origin) -> u64 {
        match origin {
            Origin::Local => self.outstanding(),
            Origin::Remote => self.run.remote_outstanding,
        }
    }

    /// The number of rooms.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// The outcomes of the deliveries in one room so far.
    #[must_use]
    pub fn room_figures(&self, nth: usize) -> Option<RoomFigures> {
        self.rooms.get(nth).map(|room| room.figures(nth))
    }

    /// The rooms with lost or late deliveries or messages of other rooms, at most `n`; those with the most lost,
    /// then the most late, first.
    #[must_use]
    pub fn worst_rooms(&self, n: usize) -> Vec<RoomFigures> {
        let mut rooms: Vec<RoomFigures> = self.rooms.iter().enumerate().map(|(nth, room)| room.figures(nth)).collect();
        rooms.retain(|room| room.badness() > (0, 0, 0));
        rooms.sort_by_key(|room| Reverse(room.badness()));
        rooms.truncate(n);
        rooms
    }

    /// Takes the cells of intended time that can get no more counts at `now`, because all their messages are
    /// forgotten. Together with those taken before and with [`open_cells`](Self::open_cells) they sum to the
    /// counts of each origin.
    pub fn take_closed_cells(&mut self, now: Stamp) -> Vec<Cell> {
        self.run.tally.cells.take_closed(self.run.wall_micros(now))
    }

    /// The cells of intended time that may still get counts, oldest first.
    #[must_use]
    pub fn open_cells(&self) -> Vec<Cell> {
        self.run.tally.cells.open()
    }

    /// Leaves [marked](Self::mark_begins) deliveries out of judged figures; call it at the start.
    pub fn set_marked_aside(&mut self) {
        self.run.tally.marked.set_aside();
    }

    /// Begins a planned disruption: messages intended from `at` on are marked.
    pub fn mark_begins(&mut self, at: Stamp) {
        self.run.tally.marked.begins(self.run.wall_micros(at));
    }

    /// Ends it: messages intended from `at` on are not marked.
    pub fn mark_ends(&mut self, at: Stamp) {
        self.run.tally.marked.ends(self.run.wall_micros(at));
    }

    /// The counts of marked deliveries of one origin that have a verdict.
    #[must_use]
    pub fn marked(&self, origin: Origin) -> DeliveryCounts {
        self.run.tally.marked.counts(origin)
    }

    /// The same for each of the first hundred planned disruptions, by [`Origin`].
    #[must_use]
    pub fn each_marked(&self) -> &[[DeliveryCounts; 2]] {
        self.run.tally.marked.each()
    }

    /// Takes the anomalies and losses noted since the last call.
    pub fn take_notes(&mut self) -> Notes {
        self.run.tally.evidence.take()
    }

    /// Asks for notes of single losses and anomalies, for a log; they are bounded.
    pub fn keep_notes(&mut self) {
        self.run.tally.evidence.keep();
    }

    /// Counts taken notes as written lines or as given up.
    pub fn logged(&mut self, written: u64, dropped: u64) {
        self.run.tally.evidence.logged(written, dropped);
    }

    /// Closes the log: notes that have not become lines are dropped, now and later. Returns their number.
    pub fn close_log(&mut self) -> u64 {
        self.run.tally.evidence.close()
    }

    /// Counts of lines so far; `None` if notes were not asked for.
    #[must_use]
    pub fn log_lines(&self) -> Option<LogLines> {
        self.run.tally.evidence.lines()
    }

    /// All losses so far, local and remote, by the set of receivers.
    #[must_use]
    pub fn loss_groups(&self) -> LossGroups {
        self.run.tally.losses.groups()
    }

    /// Expected deliveries of our messages that have no verdict yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.rooms.iter().map(|room| room.log.outstanding()).sum()
    }

    /// Whether every known expected delivery has its verdict.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.rooms.iter().all(RoomLedger::is_settled)
    }

    /// The progress of our message `seq` of a room; `None` if it is not remembered.
    #[must_use]
    pub fn standing(&self, room: RoomTag, seq: u64) -> Option<Standing> {
        let message = self.rooms.iter().find(|known| known.tag == room)?.log.get(seq)?;
        Some(Standing { outstanding: message.outstanding, lost: message.lost })
    }

    /// Number of messages that the ledger still remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.rooms.iter().map(|room| room.log.len()).sum()
    }

    /// Number of connections that expect the next message of their room.
    #[must_use]
    pub fn connected_now(&self) -> u32 {
        self.rooms.iter().map(|room| room.connected).sum()
    }

    /// Estimated lead of this machine's clock over the other generators', in seconds.
    #[must_use]
    pub fn clock_offset(&self) -> Option<f64> {
        self.run.generators.clock_offset(self.run.tally.fastest_local())
    }

    /// The index of a user's room; the first for a user that does not exist.
    fn place(&self, user: UserIndex) -> usize {
        self.room_of.get(user.get()).map_or(0, |room| *room as usize)
    }

    fn room(&self, user: UserIndex) -> &RoomLedger {
        &self.rooms[self.place(user)]
    }

    fn room_mut(&mut self, user: UserIndex) -> (&mut RunWide, &mut RoomLedger, RoomUser) {
        let place = self.place(user);
        let room = &mut self.rooms[place];
        let user = room.span.place(user);
        (&mut self.run, room, user)
    }
}
