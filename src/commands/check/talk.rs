//! What the users send each other, and what that shows about the server.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::finding::{Finding, Findings};
use super::recorder::shown;
use super::seat::{Arrival, Seat};
use crate::clock::Clock;
use crate::marker::{GeneratorTag, Marker, PREFIX, RoomTag, RunTag};
use crate::model::{Failure, FailureKind};
use crate::protocol::{Capabilities, Connection, Outgoing};
use crate::telemetry::stdio::tell;

/// Longest wait for a message that should arrive.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for something that may not arrive: an echo, history.
pub(super) const DOUBT: Duration = Duration::from_secs(2);
/// Messages sent before the second user joins.
const EARLIER: usize = 3;

/// Finds the place of a key in the protocol's description.
pub(super) type Place<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The users in the room, and the findings.
pub(super) struct Talk<'a, C> {
    pub(super) seats: Vec<Seat<C>>,
    pub(super) capabilities: Capabilities,
    pub(super) place: Place<'a>,
    clock: Clock,
    /// The marker of the first message.
    pub(super) first: Marker,
    /// The texts that were sent, by number.
    pub(super) sent: Vec<String>,
    /// Whether a user's own messages came back.
    pub(super) hears_itself: bool,
    pub(super) findings: Findings,
}

impl<'a, C: Connection> Talk<'a, C> {
    pub(super) fn new(seat: Seat<C>, capabilities: Capabilities, place: Place<'a>, room: &str, clock: Clock) -> Self {
        let first = Marker {
            run: RunTag::of("check"),
            room: RoomTag::of(room),
            generator: GeneratorTag(rand::random()),
            seq: 0,
            intended_micros: clock.unix_micros(clock.now()),
        };
        let (sent, findings) = (Vec::new(), Findings::default());
        Self { seats: vec![seat], capabilities, place, clock, first, sent, hears_itself: false, findings }
    }

    /// Whether any user received a message that a rule describes.
    pub(super) fn has_heard(&self) -> bool {
        self.seats.iter().any(|seat| !seat.news.messages.is_empty())
    }

    /// Adds the second user, who has joined.
    pub(super) fn welcome(&mut self, seat: Seat<C>) {
        self.seats.push(seat);
    }

    /// Waits for `doing` while reading all connections.
    pub(super) async fn while_listening<T>(&mut self, doing: impl Future<Output = T>) -> T {
        let mut doing = std::pin::pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return done,
                () = turn(&mut self.seats) => {}
            }
        }
    }

    /// Reads until `done` holds, for at most `limit`; true if it holds.
    pub(super) async fn until(&mut self, limit: Duration, mut done: impl FnMut(&[Seat<C>]) -> bool) -> bool {
        let end = Instant::now() + limit;
        loop {
            if done(&self.seats) {
                return true;
            }
            tokio::select! {
                () = turn(&mut self.seats) => {}
                () = sleep_until(end) => return done(&self.seats),
            }
        }
    }

    /// Sends a text as user `who`, and waits until it is written. Returns the message's number.
    pub(super) async fn say(&mut self, who: usize, text: &str) -> Result<u64, Failure> {
        let seq = self.sent.len() as u64;
        let marker = Marker { seq, intended_micros: self.clock.unix_micros(self.clock.now()), ..self.first };
        let Some(seat) = self.seats.get(who) else { return Ok(seq) };
        let text = marker.encode(seat.user_id, text);
        let end = Instant::now() + PATIENCE;
        loop {
            let Some(seat) = self.seats.get_mut(who) else { return Ok(seq) };
            seat.is_open()?;
            if seat.connection.begin(Outgoing::Chat(&text)) {
                break;
            }
            if Instant::now() >= end {
                return Err(Failure::with(FailureKind::Timeout, "a message could not be written"));
            }
            self.until(Duration::from_millis(20), |_| false).await;
        }
        self.sent.push(text);
        self.until(PATIENCE, |seats| {
            seats.get(who).is_none_or(|seat| {
                let busy = seat.connection.is_writing() || seat.connection.awaits_answer();
                seat.news.ended.is_some() || !busy
            })
        })
        .await;
        match self.seats.get_mut(who).and_then(|seat| seat.news.refused.take()) {
            Some(failure) => Err(Failure::with(failure.kind, format!("a message was refused: {}", failure.detail))),
            None => Ok(seq),
        }
    }

    /// The arrivals of a message at a user.
    pub(super) fn arrivals(seats: &[Seat<C>], first: Marker, who: usize, seq: u64) -> impl Iterator<Item = &Arrival> {
        let messages = seats.get(who).map_or(&[][..], |seat| &seat.news.messages);
        messages.iter().filter(move |arrival| {
            arrival.marker.is_some_and(|marker| {
                marker.generator == first.generator && marker.run == first.run && marker.seq == seq
            })
        })
    }

    pub(super) async fn arrived(&mut self, who: usize, seq: u64, limit: Duration) -> bool {
        let first = self.first;
        self.until(limit, |seats| Self::arrivals(seats, first, who, seq).next().is_some()).await
    }

    /// A finding about a key of the protocol, with its place.
    pub(super) fn at(&self, key: &str, text: &str) -> String {
        (self.place)(key).map_or_else(|| text.to_owned(), |place| format!("{place}: {text}"))
    }

    /// Sends the first user's messages while it is alone: they show whether a sender receives its own
    /// messages, and become history.
    pub(super) async fn alone(&mut self) -> Result<(), Failure> {
        let mut last = 0;
        for _ in 0..EARLIER {
            last = self.say(0, "said before the second user came").await?;
        }
        let limit = if self.capabilities.delivery.echo { PATIENCE } else { DOUBT };
        let heard = self.arrived(0, last, limit).await;
        if !heard && let Some(seat) = self.seats.first() {
            seat.is_open()?;
        }
        self.hears_itself = heard;
        let key = "message.echo";
        let finding = match (self.capabilities.delivery.echo, heard) {
            (true, true) => Finding::fine("the sender receives its own messages"),
            (false, false) => Finding::fine("the sender does not receive its own messages"),
            (true, false) => {
                let why =
                    format!("echo = true, but the sender did not receive its own message in {} s", PATIENCE.as_secs());
                Finding::wrong(self.at(key, &format!("{why}: set echo = false{}", self.instead(0))))
            }
            (false, true) => {
                Finding::wrong(self.at(key, "echo = false, but the sender received its own message: set echo = true"))
            }
        };
        self.findings.add(finding);
        Ok(())
    }

    /// Advice about a frame that came instead of a message.
    pub(super) fn instead(&self, who: usize) -> String {
        let strays = self.seats.get(who).map(|seat| seat.recorder.strays()).unwrap_or_default();
        let stray = strays.iter().rev().find(|stray| stray.contains(PREFIX));
        stray.map_or_else(String::new, |stray| {
            format!(", or add a rule to [[message.received]] for this frame: {}", shown(stray))
        })
    }

    /// Finds out everything that the users can, two or only one.
    pub(super) async fn all(&mut self, patient: bool) -> Result<(), Failure> {
        if self.seats.len() > 1 {
            self.history().await;
            self.texts().await?;
            self.answer().await?;
            self.burst().await;
        }
        self.copies();
        self.strays();
        self.silence(patient).await;
        Ok(())
    }

    /// Finds out which older messages a newcomer receives.
    async fn history(&mut self) {
        self.until(DOUBT / 2, |_| false).await;
        let older: Vec<Arrival> = (0..EARLIER as u64)
            .flat_map(|seq| Self::arrivals(&self.seats, self.first, 1, seq).cloned().collect::<Vec<_>>())
            .collect();
        let finding = match older.iter().find(|arrival| !arrival.replay) {
            None if older.is_empty() => Finding::fine("a newcomer receives no older messages"),
            None => Finding::fine(format!("a newcomer receives {} older messages, marked as history", older.len())),
            Some(arrival) => {
                let (key, count) = (rule_key(arrival), older.len());
                let why = format!("a newcomer received {count} of {EARLIER} older messages as if they were new");
                let remedy = "add a rule above this one that matches what marks them, with replay = true";
                Finding::wrong(self.at(&key, &format!("{why}: {remedy}")))
            }
        };
        self.findings.add(finding);
    }

    /// Sends a message of the second user to the first.
    async fn answer(&mut self) -> Result<(), Failure> {
        let seq = self.say(1, "and an answer").await?;
        if self.arrived(0, seq, PATIENCE).await {
            return Ok(());
        }
        let [to, from] = [0, 1].map(|who| self.seats.get(who).map_or("", |seat| &seat.name));
        let why = format!("{to} did not receive the message of {from} in {} s", PATIENCE.as_secs());
        Err(Failure::with(FailureKind::Timeout, format!("{why}{}", self.instead(0))))
    }

    /// Finds messages that a user received more than once.
    fn copies(&mut self) {
        for (who, seat) in self.seats.iter().enumerate() {
            let copies = |seq: &u64| Self::arrivals(&self.seats, self.first, who, *seq).filter(|a| !a.replay).count();
            let Some(seq) = (0..self.sent.len() as u64).find(|seq| copies(seq) > 1) else { continue };
            let last = Self::arrivals(&self.seats, self.first, who, seq).last();
            let key = last.map_or_else(String::new, rule_key);
            let why = format!("{} received a message {} times", seat.name, copies(&seq));
            let finding = Finding::wrong(self.at(&key, &format!("{why}: let match fit only one frame of a message")));
            return self.findings.add(finding);
        }
    }

    /// Finds frames that match no rule of the protocol.
    fn strays(&mut self) {
        let mut strays: Vec<String> = self.seats.iter().flat_map(|seat| seat.recorder.strays()).collect();
        strays.sort_by_key(|stray| !stray.contains(PREFIX));
        let (with, without): (Vec<_>, Vec<_>) = strays.into_iter().partition(|stray| stray.contains(PREFIX));
        let count = |frames: usize| if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") };
        match (with.first(), without.first()) {
            (None, None) => self.findings.add(Finding::fine("every frame matches a rule")),
            (Some(_), _) => {
                let why = format!("{} with a message matched no rule, such as {}", count(with.len()), kinds(&with));
                let remedy = "add a rule to [[message.received]], or a [[frame]] if it is no delivery";
                let text = self.at("message.received[1]", &format!("{why}: {remedy}"));
                self.findings.add(Finding::wrong(text));
            }
            (None, Some(_)) => {
                let why = format!("{} matched no rule, such as {}", count(without.len()), kinds(&without));
                self.findings.add(Finding::note(format!("{why}: a [[frame]] gives it a name")));
            }
        }
    }

    /// All users leave.
    pub(super) async fn leave(mut self) -> Vec<Finding> {
        for seat in &mut self.seats {
            let was_over = seat.news.ended.is_some();
            let ended = seat.leave().await;
            tell(&format!("  {}: left", seat.name));
            if !ended && !was_over {
                self.findings.add(Finding::note("the server does not end its side of a closed connection"));
            }
        }
        self.findings.0
    }
}

/// One frame of each kind, at most three; frames that differ only in digits are of one kind.
fn kinds(frames: &[String]) -> String {
    let mut seen: Vec<(String, String)> = Vec::new();
    for frame in frames {
        let kind: String = frame.chars().filter(|c| !c.is_ascii_digit()).collect();
        if seen.len() < 3 && !seen.iter().any(|(known, _)| *known == kind) {
            seen.push((kind, shown(frame)));
        }
    }
    seen.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>().join(" and ")
}

/// The key of the rule by which a message came, as in `message.received[1]`.
pub(super) fn rule_key(arrival: &Arrival) -> String {
    let rule = arrival.heard.rule.as_deref().unwrap_or("message.received[1]");
    rule.split(',').next().unwrap_or_default().to_owned()
}

/// Reads and writes on any of the connections once. Cancel-safe.
async fn turn<C: Connection>(seats: &mut [Seat<C>]) {
    match seats {
        [] => std::future::pending().await,
        [only] => only.turn().await,
        [first, second, ..] => tokio::select! {
            () = first.turn() => {}
            () = second.turn() => {}
        },
    }
}
