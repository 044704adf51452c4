//! This generator's messages in one room that are still remembered, in order of their numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::cells::{CellId, Cells};
use super::user_set::{RoomUser, UserSet};
use crate::clock::Stamp;

/// Value of `read_at` while no connection has read the message.
pub(super) const UNREAD: u64 = u64::MAX;

/// One of our messages.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) sender: RoomUser,
    pub(super) intended: Stamp,
    pub(super) sent: Stamp,
    /// The intended time in its marker.
    pub(super) intended_micros: u64,
    /// The cell in which it is counted.
    pub(super) cell: CellId,
    /// Number of expected deliveries without a verdict.
    pub(super) outstanding: u32,
    /// Number of connections opened before it was first read anywhere; [`UNREAD`] until then. A receipt proves
    /// that the server had it and sent it on.
    pub(super) read_at: u64,
    /// Whether the sender's connection ended before any receipt.
    pub(super) sender_cut: bool,
    /// Whether its verdict has been passed.
    pub(super) judged: bool,
    /// Whether the server refused it.
    pub(super) refused: bool,
    /// Number of lost deliveries.
    pub(super) lost: u32,
    /// Whether the connection it was sent on receives it too.
    pub(super) echo: bool,
    /// The users who have received it on their current connection.
    pub(super) arrived: UserSet,
}

impl Message {
    pub(super) fn new(sender: RoomUser, intended: Stamp, sent: Stamp, expected: u32) -> Self {
        Self {
            sender,
            intended,
            sent,
            intended_micros: 0,
            cell: CellId::default(),
            outstanding: expected,
            read_at: UNREAD,
            sender_cut: false,
            judged: false,
            refused: false,
            lost: 0,
            echo: true,
            arrived: UserSet::Small(0),
        }
    }

    /// Whether `user` does not expect it because it was sent on the user's own connection.
    pub(super) fn is_own_of(&self, user: RoomUser) -> bool {
        !self.echo && self.sender == user
    }
}

/// The end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    /// When the user left it.
    pub(super) at: Stamp,
    /// Whether that excuses open deliveries, or leaves them outstanding.
    pub(super) excuses: bool,
}

/// The outcomes of the deliveries that a connection left open.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// Excused, because the connection was left before their horizon.
    pub(super) excused: CountsByCell,
    /// Already past their horizon, with the sender cut off before any receipt.
    pub(super) sender_cut: CountsByCell,
    /// Numbers of those that were already past their horizon.
    pub(super) lost: Vec<u64>,
}

/// Deliveries by the cells of their messages, in the order of the messages.
#[derive(Debug, Default)]
pub(super) struct CountsByCell(Vec<(CellId, u64)>);

impl CountsByCell {
    fn add_one(&mut self, cell: CellId) {
        match self.0.last_mut() {
            Some((last, n)) if *last == cell => *n += 1,
            _ => self.0.push((cell, 1)),
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|(_, n)| n).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CellId, u64)> + '_ {
        self.0.iter().copied()
    }
}

/// The verdict on a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) seq: u64,
    pub(super) cell: CellId,
    /// Number of deliveries without an arrival.
    pub(super) missing: u64,
    /// Whether the sender was cut off before any user received it.
    pub(super) sender_cut: bool,
}

/// This generator's messages in one room, from the oldest remembered to the newest.
#[derive(Debug)]
pub(super) struct MessageLog {
    messages: VecDeque<Message>,
    /// The number of the front message.
    base: u64,
    /// The first number whose verdict has not been passed.
    unjudged: u64,
    outstanding: u64,
    /// The highest number that each user has read on its current connection, plus one.
    highest: Box<[u64]>,
    /// Numbers without a verdict that were read damaged, with the users concerned.
    damaged: BTreeMap<u64, UserSet>,
}

impl MessageLog {
    pub(super) fn new(users: usize) -> Self {
        Self {
            messages: VecDeque::new(),
            base: 0,
            unjudged: 0,
            outstanding: 0,
            highest: vec![0; users].into_boxed_slice(),
            damaged: BTreeMap::new(),
        }
    }

    /// The number that the next message will get.
    pub(super) fn next(&self) -> u64 {
        self.base + self.messages.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    pub(super) fn push(&mut self, mut message: Message) -> u64 {
        message.arrived = UserSet::empty(self.highest.len());
        self.outstanding += u64::from(message.outstanding);
        let seq = self.next();
        self.messages.push_back(message);
        seq
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Message> {
        let at = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.messages.get(at)
    }

    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Message> {
        let at = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.messages.get_mut(at)
    }

    /// Counts one expected delivery of `seq` as settled.
    pub(super) fn settle_one(&mut self, seq: u64) {
        if let Some(message) = self.get_mut(seq)
            && message.outstanding > 0
        {
            message.outstanding -= 1;
            self.outstanding -= 1;
        }
    }

    /// Counts one delivery of `seq` as lost, because it arrived too late.
    pub(super) fn lose_one(&mut self, seq: u64) {
        if let Some(message) = self.get_mut(seq) {
            message.lost += 1;
        }
    }

    /// Settles the numbers `from..to` that `user`, whose connection is gone, has not received, and marks the
    /// user's own messages that no connection has received.
    pub(super) fn part(&mut self, user: RoomUser, from: u64, to: u64, gone: Gone, horizon: Duration) -> Parting {
        let mut parting = Parting::default();
        for seq in from.max(self.unjudged)..to {
            let damaged = self.is_damaged(seq, user);
            let Some(message) = self.get_mut(seq) else { continue };
            // No intact copy can arrive any more.
            let over = damaged || gone.at > message.intended.plus(horizon);
            if !over && !gone.excuses {
                continue;
            }
            if message.sender == user && message.read_at == UNREAD && !over {
                message.sender_cut = true;
            }
            if message.outstanding == 0 || message.is_own_of(user) || message.arrived.contains(user) {
                continue;
            }
            message.outstanding -= 1;
            match (over, message.sender_cut && message.read_at == UNREAD) {
                (false, _) => parting.excused.add_one(message.cell),
                (true, true) => parting.sender_cut.add_one(message.cell),
                (true, false) => {
                    message.lost += 1;
                    parting.lost.push(seq);
                }
            }
        }
        self.outstanding -= parting.excused.sum() + parting.sender_cut.sum() + parting.lost.len() as u64;
        parting
    }

    /// Notes that the server refused the newest message of `sender`; returns the number of deliveries that this
    /// excuses, and their cell.
    pub(super) fn refuse(&mut self, sender: RoomUser) -> Option<(CellId, u64)> {
        let at = self.messages.iter().rposition(|message| message.sender == sender)?;
        let seq = self.base + at as u64;
        let message = self.messages.get_mut(at).filter(|message| !message.judged)?;
        message.refused = true;
        let (cell, excused) = (message.cell, u64::from(std::mem::take(&mut message.outstanding)));
        self.outstanding -= excused;
        self.damaged.remove(&seq);
        Some((cell, excused))
    }

    /// Notes a damaged copy of `seq` on the connection of `user`, which expects it.
    pub(super) fn note_damaged(&mut self, user: RoomUser, seq: u64) {
        let users = self.highest.len();
        let Some(message) = self.get_mut(seq) else { return };
        if !message.judged && !message.refused && !message.arrived.contains(user) {
            self.damaged.entry(seq).or_insert_with(|| UserSet::empty(users)).insert(user);
        }
    }

    fn is_damaged(&self, seq: u64, user: RoomUser) -> bool {
        self.damaged.get(&seq).is_some_and(|users| users.contains(user))
    }

    /// Notes a first arrival at `user`; true if the user has already read a higher number of the same sender on
    /// this connection.
    #[inline]
    pub(super) fn note_read(&mut self, user: RoomUser, seq: u64) -> bool {
        let Some(highest) = self.highest.get_mut(user.get()) else { return false };
        let read_up_to = *highest;
        *highest = read_up_to.max(seq + 1);
        seq + 1 < read_up_to && self.is_overtaken(user, seq, read_up_to)
    }

    /// Whether `user` has read a number of the same sender above `seq` and below `read_up_to`.
    #[cold]
    fn is_overtaken(&self, user: RoomUser, seq: u64, read_up_to: u64) -> bool {
        let Some(sender) = self.get(seq).map(|m| m.sender) else { return false };
        (seq + 1..read_up_to).any(|s| self.get(s).is_some_and(|m| m.sender == sender && m.arrived.contains(user)))
    }

    /// Passes the next verdict that is due at `now`.
    pub(super) fn judge_next(&mut self, now: Stamp, age: Duration) -> Option<Verdict> {
        let seq = self.unjudged;
        let message = self.get_mut(seq)?;
        if now < message.intended.plus(age) {
            return None;
        }
        message.judged = true;
        let (cell, left) = (message.cell, std::mem::take(&mut message.outstanding));
        let sender_cut = message.sender_cut && message.read_at == UNREAD;
        message.lost += if sender_cut { 0 } else { left };
        self.outstanding -= u64::from(left);
        self.damaged.remove(&seq);
        self.unjudged += 1;
        Some(Verdict { seq, cell, missing: u64::from(left), sender_cut })
    }

    /// Forgets judged messages older than `age`.
    pub(super) fn forget(&mut self, now: Stamp, age: Duration, cells: &mut Cells) {
        while let Some(message) = self.messages.pop_front_if(|m| m.judged && now >= m.intended.plus(age)) {
            cells.forget(message.cell);
            self.base += 1;
        }
        if self.messages.capacity() > 1024 && self.messages.len() < self.messages.capacity() / 4 {
            self.messages.shrink_to(self.messages.len() * 2);
        }
    }
}
