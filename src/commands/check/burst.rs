//! A burst of messages: whether all of them arrive, and in which order.

use std::time::Duration;

use super::finding::Finding;
use super::seat::Seat;
use super::talk::{DOUBT, PATIENCE, Talk};
use crate::marker::Marker;
use crate::protocol::Connection;
use crate::telemetry::stdio::tell;

/// Messages in the burst.
const BURST: usize = 50;
/// How long frames stay hidden after a burst.
const TAIL: Duration = Duration::from_millis(500);

impl<C: Connection> Talk<'_, C> {
    /// Sends a burst, and notes whether all of it arrives, and in order.
    pub(super) async fn burst(&mut self) {
        tell(&format!("    {BURST} messages in a burst, not shown"));
        self.seats.iter().for_each(|seat| seat.recorder.set_muted(true));
        let begin = self.sent.len() as u64;
        let mut cut = None;
        for _ in 0..BURST {
            if let Err(failure) = self.say(0, "one of a burst").await {
                cut = Some(failure);
                break;
            }
        }
        let end = self.sent.len() as u64;
        let first = self.first;
        loop {
            let now = numbers(&self.seats, first, begin, end).len();
            let is_whole = now as u64 == end - begin;
            if is_whole || !self.until(PATIENCE, |seats| numbers(seats, first, begin, end).len() > now).await {
                break;
            }
        }
        if self.hears_itself && end > begin {
            self.arrived(0, end - 1, DOUBT).await;
        }
        // Receipts arrive after the messages.
        self.until(TAIL, |_| false).await;
        self.seats.iter().for_each(|seat| seat.recorder.set_muted(false));
        if let Some(failure) = cut {
            self.findings.add(Finding::note(format!("the server did not take a burst of {BURST} messages: {failure}")));
        }
        self.judge_burst(begin, end);
    }

    fn judge_burst(&mut self, begin: u64, end: u64) {
        let (numbers, sent) = (numbers(&self.seats, self.first, begin, end), end - begin);
        let lost = sent - (numbers.len() as u64).min(sent);
        if lost > 0 {
            let why = format!("{lost} of {sent} messages of a burst did not arrive: a run counts them as lost");
            self.findings.add(Finding::note(format!("{why}, if its users send that fast")));
        }
        let ordered = numbers.is_sorted();
        let key = "message.ordered";
        let finding = match (self.capabilities.delivery.ordered, ordered) {
            (true, true) => Finding::fine(format!("the server keeps the order of {sent} messages in a burst")),
            (false, false) => Finding::fine("the server does not keep the order of messages"),
            (false, true) => Finding::note(self.at(key, "ordered = false, but this burst arrived in order")),
            (true, false) => {
                let why = "ordered = true, but messages of a burst arrived out of order";
                Finding::wrong(self.at(key, &format!("{why}: set ordered = false")))
            }
        };
        self.findings.add(finding);
    }
}

/// The numbers of the burst in the order in which the second user received them, each once.
fn numbers<C>(seats: &[Seat<C>], first: Marker, begin: u64, end: u64) -> Vec<u64> {
    let messages = seats.get(1).map_or(&[][..], |seat| &seat.news.messages);
    let mut numbers = Vec::new();
    for marker in messages.iter().filter_map(|arrival| arrival.marker) {
        let ours = marker.generator == first.generator && (begin..end).contains(&marker.seq);
        if ours && !numbers.contains(&marker.seq) {
            numbers.push(marker.seq);
        }
    }
    numbers
}
