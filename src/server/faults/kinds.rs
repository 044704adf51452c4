//! Every fault, by the name under which it is counted.

use std::collections::BTreeMap;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::server::counts::Counter;

/// A fault that was injected; its name in snake case is its key in the counts and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, EnumCount)]
#[strum(serialize_all = "snake_case")]
pub enum Fault {
    /// A delivery of a chat that was never written.
    Drop,
    /// A delivery written twice, one straight after the other.
    Duplicate,
    /// A delivery written later than it should have been.
    Delay,
    /// A delivery written later because the server slows down.
    Drift,
    /// In addition to `delay`: a later chat of the same sender was written to the socket first.
    Overtaken,
    /// A delivery delayed until after the next intact chat of the same sender on that socket.
    /// Counted when it is written there, so each is a true reordering.
    Reorder,
    /// A delivery delayed for a reordering, written in the end because no chat followed in time:
    /// late perhaps, but in order.
    ReorderMissed,
    /// A delivery with a character of its text changed; still UTF-8, still JSON.
    CorruptBytes,
    /// A delivery that is no longer JSON, with its marker still in it.
    CorruptJson,
    /// A delivery with a character of its marker changed; still JSON.
    CorruptMarker,
    /// A delivery in three fragments with pings between them. RFC 6455 allows it: it must arrive.
    Fragment,
    /// After a delivery: a text frame that is not UTF-8. A client must end the connection.
    InvalidUtf8,
    /// After a delivery: a frame that claims to be compressed. A client must end the connection.
    Compressed,
    /// After a delivery: a frame of `oversize_bytes` bytes.
    Oversize,
    /// Half of a delivery's frame, then the end of the stream.
    Truncate,
    /// A chat of another plenary, written to a socket of this one.
    Leak,
    /// An old chat of the plenary, written to a new socket.
    Replay,
    /// A connection closed with `close_code` instead of a delivery.
    Close,
    /// A connection ended without a close frame instead of a delivery.
    Cut,
    /// A connection reset (TCP RST) instead of a delivery.
    Reset,
    /// A delivery that a mute socket did not get.
    Mute,
    /// An upgrade refused with `refuse_status`.
    RefuseUpgrade,
    /// An upgrade that was never answered.
    HangUpgrade,
    /// A request answered with 500.
    HttpError,
    /// An answer that began late.
    SlowFirstByte,
    /// An answer whose body came in small pieces, each of them late.
    SlowBody,
    /// An answer whose body never ends.
    EndlessBody,
    /// A form without its CSRF field.
    NoCsrf,
    /// An event page without `__INITIAL_STATE__`.
    NoState,
    /// A session forgotten.
    ForgetSession,
    /// A member list sent once more than it should have been, counted once for all its sockets.
    Flood,
    /// A user kept on the list after it left.
    Ghost,
    /// A user let in and kept off the list.
    Missing,
    /// The whole server was stalled for a while.
    Stall,
}

impl Fault {
    /// The name under which it is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How often each fault was injected.
#[derive(Debug)]
pub(in crate::server) struct FaultCounters([Counter; Fault::COUNT]);

impl Default for FaultCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl FaultCounters {
    pub(in crate::server) fn add(&self, fault: Fault, count: u64) {
        if let Some(counter) = self.0.get(fault as usize) {
            counter.add(count);
        }
    }

    pub(in crate::server) fn increment(&self, fault: Fault) {
        self.add(fault, 1);
    }

    /// All of them, those that are zero included.
    pub(in crate::server) fn read(&self) -> BTreeMap<String, u64> {
        Fault::VARIANTS.iter().zip(&self.0).map(|(fault, count)| (fault.as_str().to_owned(), count.get())).collect()
    }
}
