//! How texts of one user reach the other, and which sender their frames name.

use super::field;
use super::finding::Finding;
use super::samples::{SAMPLES, Sample, change};
use super::seat::Arrival;
use super::talk::{DOUBT, PATIENCE, Talk, rule_key};
use crate::model::{Failure, FailureKind};
use crate::protocol::Connection;

impl<C: Connection> Talk<'_, C> {
    /// Sends texts as the first user, and compares what the second receives.
    pub(super) async fn texts(&mut self) -> Result<(), Failure> {
        let mut unchanged = Vec::new();
        for sample in SAMPLES {
            let seq = match self.say(0, sample.text).await {
                Ok(seq) => seq,
                Err(failure) if sample.usual => return Err(failure),
                Err(failure) => {
                    self.findings.add(Finding::note(format!("a message with {}: {failure}", sample.what)));
                    break;
                }
            };
            let came = self.arrived(1, seq, if sample.usual { PATIENCE } else { DOUBT }).await;
            if came && self.hears_itself {
                self.arrived(0, seq, DOUBT).await;
            }
            match self.judged(sample, seq, came)? {
                None => unchanged.push(sample.what),
                Some(finding) => self.findings.add(finding),
            }
        }
        if !unchanged.is_empty() {
            self.findings.add(Finding::fine(format!("unchanged: {}", unchanged.join("; "))));
        }
        Ok(())
    }

    /// The finding about a text; `None` if it is unchanged. If a message of mere letters does not arrive, the
    /// step has failed.
    fn judged(&mut self, sample: Sample, seq: u64, came: bool) -> Result<Option<Finding>, Failure> {
        if !came && sample.usual {
            let [from, to] = [0, 1].map(|who| self.seats.get(who).map_or("", |seat| &seat.name));
            let why = format!("{to} did not receive the message of {from} in {} s", PATIENCE.as_secs());
            return Err(Failure::with(FailureKind::Timeout, format!("{why}{}", self.instead(1))));
        }
        let arrival = Self::arrivals(&self.seats, self.first, 1, seq).next().cloned();
        let sent = self.sent.get(usize::try_from(seq).unwrap_or(usize::MAX)).cloned().unwrap_or_default();
        let Some(arrival) = arrival else {
            return Ok(Some(Finding::note(format!("a message with {} does not arrive", sample.what))));
        };
        if arrival.intact {
            self.sender(&arrival);
            return Ok(None);
        }
        match arrival.heard.message.as_deref().and_then(|came| change(&sent, came)) {
            None if arrival.heard.message.is_some() => {
                self.sender(&arrival);
                Ok(None)
            }
            None => Ok(Some(Finding::note(format!("a message with {} arrives damaged", sample.what)))),
            Some(change) if sample.usual => {
                let (key, what) = (format!("{}.text", rule_key(&arrival)), sample.what);
                Ok(Some(Finding::wrong(self.at(&key, &format!("a message of {what} {change}")))))
            }
            Some(change) => Ok(Some(Finding::note(format!("a message with {} {change}", sample.what)))),
        }
    }

    /// Finds out which sender the frame of a first user's message names.
    fn sender(&mut self, arrival: &Arrival) {
        let Some(from) = self.seats.first() else { return };
        let (key, right) = (format!("{}.sender", rule_key(arrival)), arrival.sender == from.user_id);
        let sources = field::sources_of(&arrival.heard.frame, &from.name);
        let names = || sources.join(" or ");
        let finding = match (self.capabilities.delivery.senders, right) {
            (true, true) => Finding::fine("messages name their sender"),
            (true, false) => {
                let found = arrival.heard.sender.as_deref().unwrap_or_default();
                let why = format!("the sender of a message of {} is read as {found:?}", from.name);
                let remedy = match sources.is_empty() {
                    true => "compare it with identity of [message]".to_owned(),
                    false => format!("set sender = {}, or identity of [message]", names()),
                };
                Finding::wrong(self.at(&key, &format!("{why}, which is not its identity: {remedy}")))
            }
            (false, _) if sources.is_empty() => Finding::note("no field with the sender's name was found"),
            (false, _) => Finding::note(self.at(&key, &format!("the sender is not read: add sender = {}", names()))),
        };
        self.findings.add(finding);
    }
}
