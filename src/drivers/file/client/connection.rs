//! An open socket, from its first step to its last.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::post::{Answer, Post};
use super::procedure::{Advance, List, Procedure};
use super::reader::{Inbox, PROBE, Phase, Probing, Rest};
use super::shared::{Person, Shared};
use crate::drivers::file::description::{Joined, Send as Carrier};
use crate::drivers::file::duration::duration;
use crate::model::{EndReason, Failure, FailureKind, Initiator};
use crate::protocol::{
    Connection, Ended, Event, Keepalive, Outgoing, Progress, Readiness, Received, Session, SignOfLife,
};
use crate::transport::ws::frame::Opcode;
use crate::transport::ws::socket::WebSocket;

/// Interval of websocket pings if the file has no keepalive; common servers drop connections idle for a minute.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Interval between two probes of a user that waits for its own message.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// Longest time for a step before the close.
const LEAVE_STEP: Duration = Duration::from_secs(2);

/// An open socket of a server that a file describes.
pub struct FileConnection {
    socket: WebSocket,
    inbox: Inbox,
}

impl FileConnection {
    /// A connection that carries out `list` from its step `at`.
    pub(super) fn new(
        socket: WebSocket,
        shared: Arc<Shared>,
        person: Person,
        session: Session,
        (list, at): (List, usize),
    ) -> Self {
        let phase = Phase::Joining(Box::new(Procedure::new(list, at, None)));
        Self { socket, inbox: Inbox::new(phase, shared, person, session) }
    }

    /// Its user and session, after the steps of an account.
    pub(super) fn into_parts(self) -> (Person, Option<Session>) {
        (self.inbox.rest.person, self.inbox.rest.session.map(|session| *session))
    }

    /// Begins the close at once, skipping the steps of `leave`.
    pub(super) fn hang_up(&mut self) {
        self.inbox.phase = Phase::Closing;
        self.socket.close();
    }

    fn opcode(&self) -> Opcode {
        if self.inbox.shared.description.socket.binary { Opcode::Binary } else { Opcode::Text }
    }

    /// Passes the next unsent frame to the socket, if it is free.
    fn flush(&mut self) {
        let opcode = self.opcode();
        while let Some(frame) = self.inbox.rest.unsent.front() {
            if !self.socket.begin(opcode, frame.as_bytes()) {
                break;
            }
            self.inbox.note_sent(frame);
            self.inbox.rest.unsent.pop_front();
        }
    }

    /// Carries out due work other than reading; its events come before the next read.
    fn advance(&mut self, cx: &mut Context<'_>, sink: &mut impl FnMut(Received<'_>)) -> Option<Progress> {
        let Self { inbox: Inbox { phase, shared, rest, .. }, .. } = self;
        let Rest { person, session, unsent, failure, post, .. } = &mut **rest;
        let advance = match phase {
            Phase::Joining(_) | Phase::Probing(_) if failure.is_some() => return Some(self.refuse()),
            Phase::Joining(procedure) | Phase::Leaving(procedure) => {
                procedure.advance(cx, shared, person, session, &mut |frame| unsent.push_back(frame))
            }
            Phase::Probing(probing) => Self::probe(cx, probing, shared, person, (unsent, post, session)),
            Phase::Joined | Phase::Closing => return None,
        };
        match (advance, &self.inbox.phase) {
            (Advance::Pending, _) => None,
            (Advance::Failed(_) | Advance::Done, Phase::Leaving(_)) => {
                // The close waits until everything before it is written.
                let written = self.inbox.rest.unsent.is_empty() && !self.socket.is_writing();
                if written {
                    self.socket.close();
                    self.inbox.phase = Phase::Closing;
                }
                None
            }
            (Advance::Failed(failure), _) => {
                self.inbox.rest.failure = Some(Box::new(failure));
                Some(self.refuse())
            }
            (Advance::Done, Phase::Joining(procedure)) => {
                let probes =
                    procedure.list() == List::Join && self.inbox.shared.description.joined == Joined::OwnMessage;
                self.bind();
                if probes {
                    self.inbox.phase = Phase::Probing(Box::new(self.probing()));
                    return self.advance(cx, sink);
                }
                Some(self.joined(sink))
            }
            (Advance::Done, _) => Some(self.joined(sink)),
        }
    }

    fn bind(&mut self) {
        let Inbox { rules, shared, rest, .. } = &mut self.inbox;
        *rules = shared.description.rules.bind(&rest.person.values(&shared.target, None));
    }

    fn joined(&mut self, sink: &mut impl FnMut(Received<'_>)) -> Progress {
        self.inbox.phase = Phase::Joined;
        let Shared { description, transcript, .. } = &*self.inbox.shared;
        if !description.asks_after_join() && transcript.is_none() {
            // Drop the session, since thousands of users would hold one for hours. A transcript still needs it for
            // masking.
            self.inbox.rest.session = None;
        }
        sink(Received { at: self.inbox.shared.clock.now(), kind: None, event: Event::Joined });
        Progress::Written
    }

    /// Begins to close a connection whose user has not joined.
    fn refuse(&mut self) -> Progress {
        self.inbox.phase = Phase::Closing;
        self.inbox.rest.refused = true;
        self.inbox.rest.unsent.clear();
        self.socket.close();
        Progress::Closing(Ended { initiator: Initiator::Server, reason: EndReason::Refused })
    }

    fn probing(&self) -> Probing {
        let now = Instant::now();
        let nonce = format!("{PROBE}{:016x}", rand::random::<u64>());
        let until = now + self.inbox.shared.timeout;
        Probing { nonce, timer: Box::pin(sleep_until(now)), until, arrived: false }
    }

    /// Sends a probe if one is due.
    fn probe(
        cx: &mut Context<'_>,
        probing: &mut Probing,
        shared: &Arc<Shared>,
        person: &mut Person,
        (unsent, post, session): (&mut VecDeque<String>, &mut Post, &mut Option<Box<Session>>),
    ) -> Advance {
        if probing.arrived {
            return Advance::Done;
        }
        while probing.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= probing.until {
                let why = "none of the user's own messages came back";
                return Advance::Failed(Failure::with(FailureKind::Timeout, why));
            }
            probing.timer.as_mut().reset((now + PROBE_EVERY).min(probing.until));
            let Carrier::Frame(template) = &shared.description.message.send else {
                if !post.awaits_answer() {
                    post.send(shared, person, &probing.nonce, session);
                }
                continue;
            };
            {
                person.seq = Some(person.seq.map_or(0, |seq| seq + 1));
                let mut frame = String::new();
                if template.render(&person.values(&shared.target, Some(&probing.nonce)), &mut frame).is_ok() {
                    unsent.push_back(frame);
                }
            }
        }
        Advance::Pending
    }

    /// Carries on with a message over HTTP.
    fn post(&mut self, cx: &mut Context<'_>, sink: &mut impl FnMut(Received<'_>)) -> Option<Progress> {
        let Inbox { phase, rest, shared, .. } = &mut self.inbox;
        let Rest { post, session, failure: refusal, .. } = &mut **rest;
        let answer = post.poll(cx, session)?;
        let event = match (&answer, &*phase) {
            (Some(Answer::Refused(failure) | Answer::Unknown(failure)), Phase::Probing(_)) => {
                refusal.get_or_insert_with(|| Box::new(failure.clone()));
                None
            }
            (Some(Answer::Refused(failure)), _) => Some(Event::MessageRefused(failure)),
            (Some(Answer::Unknown(failure)), _) => Some(Event::Refused(failure)),
            (Some(Answer::Accepted) | None, _) => None,
        };
        if let Some(event) = event {
            sink(Received { at: shared.clock.now(), kind: None, event });
        }
        Some(Progress::Written)
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>, sink: &mut impl FnMut(Received<'_>)) -> Poll<Progress> {
        if !matches!(self.inbox.phase, Phase::Joined | Phase::Closing)
            && let Some(progress) = self.advance(cx, sink)
        {
            return Poll::Ready(progress);
        }
        if !matches!(self.inbox.rest.post, Post::None)
            && let Some(progress) = self.post(cx, sink)
        {
            return Poll::Ready(progress);
        }
        if !self.inbox.rest.unsent.is_empty() {
            self.flush();
        }
        let Self { socket, inbox } = self;
        let driven = socket.poll_drive(cx, |at, message| inbox.message(at, message, sink));
        driven.map(|progress| self.seen(progress))
    }

    /// Turns the end of a connection that this side closed because its user had not joined into a refusal.
    fn seen(&mut self, progress: Progress) -> Progress {
        let refused = Ended { initiator: Initiator::Server, reason: EndReason::Refused };
        let Inbox { phase, rest, shared, .. } = &mut self.inbox;
        match progress {
            Progress::Ended(_) if rest.refused => Progress::Ended(refused),
            Progress::Ended(_) => {
                if let (Phase::Joining(procedure), None) = (&*phase, &rest.failure) {
                    let failure = procedure.ended(shared, &rest.person, "the connection ended");
                    rest.failure = Some(Box::new(failure));
                }
                progress
            }
            other => other,
        }
    }

    /// Sends a message as the file says; false, and nothing taken, if that is not possible now.
    fn send(&mut self, text: &str) -> bool {
        let opcode = self.opcode();
        let Self { socket, inbox: Inbox { shared, rest, .. } } = self;
        let before = rest.person.seq;
        rest.person.seq = Some(before.map_or(0, |seq| seq + 1));
        let taken = match &shared.description.message.send {
            Carrier::Frame(template) => {
                let mut frame = String::new();
                let values = rest.person.values(&shared.target, Some(text));
                let taken = template.render(&values, &mut frame).is_ok() && socket.begin(opcode, frame.as_bytes());
                if taken && shared.transcript.is_some() {
                    self.inbox.note_sent(&frame);
                }
                taken
            }
            Carrier::Request { .. } => {
                let Rest { post, person, session, .. } = &mut **rest;
                post.send(shared, person, text, session);
                true
            }
        };
        if !taken {
            self.inbox.rest.person.seq = before;
        }
        taken
    }
}

impl Connection for FileConnection {
    fn begin(&mut self, frame: Outgoing<'_>) -> bool {
        if self.is_writing() {
            return false;
        }
        match frame {
            Outgoing::Chat(text) => self.inbox.rest.post.is_free() && self.send(text),
            Outgoing::Ping => self.socket.begin(Opcode::Ping, &[]),
            Outgoing::Heartbeat => {
                let opcode = self.opcode();
                let Inbox { shared, rest, .. } = &self.inbox;
                let Some(template) =
                    shared.description.keepalive.as_ref().and_then(|keepalive| keepalive.send.as_ref())
                else {
                    return self.socket.begin(Opcode::Ping, &[]);
                };
                let mut frame = String::new();
                let values = rest.person.values(&shared.target, None);
                let taken = template.render(&values, &mut frame).is_ok() && self.socket.begin(opcode, frame.as_bytes());
                if taken {
                    self.inbox.note_sent(&frame);
                }
                taken
            }
        }
    }

    fn prepare(&mut self) -> Readiness {
        let Inbox { shared, rest, .. } = &mut self.inbox;
        match shared.description.message.send {
            Carrier::Frame(_) => Readiness::Ready,
            Carrier::Request { .. } => rest.post.prepare(shared, &mut rest.session),
        }
    }

    fn awaits_answer(&self) -> bool {
        self.inbox.rest.post.awaits_answer()
    }

    fn is_writing(&self) -> bool {
        let rest = &self.inbox.rest;
        self.socket.is_writing() || !rest.unsent.is_empty()
    }

    fn close(&mut self) {
        let joined = matches!(self.inbox.phase, Phase::Joined | Phase::Probing(_));
        if !joined || self.inbox.shared.description.leave.is_empty() {
            return self.hang_up();
        }
        self.inbox.rest.post = Post::None;
        self.inbox.phase = Phase::Leaving(Box::new(Procedure::new(List::Leave, 0, Some(LEAVE_STEP))));
    }

    fn reset_when_dropped(&mut self) {
        self.socket.reset_when_dropped();
    }

    fn keepalive(&self) -> Keepalive {
        let Inbox { shared, rest, .. } = &self.inbox;
        let common = Keepalive::default();
        let silent_after = shared.description.socket.silent_after.unwrap_or(common.silent_after);
        let keepalive = Keepalive { sign: SignOfLife::Ping, every: PING_EVERY, silent_after, join_timeout: None };
        let Some(own) = &shared.description.keepalive else { return keepalive };
        let mut every = String::new();
        let rendered = own.every.render(&rest.person.values(&shared.target, None), &mut every).is_ok();
        let every = if rendered { duration(&every).unwrap_or(PING_EVERY) } else { PING_EVERY };
        let sign = if own.send.is_some() { SignOfLife::Heartbeat } else { SignOfLife::Ping };
        Keepalive { sign, every, ..keepalive }
    }

    fn failure(&mut self) -> Option<Failure> {
        self.inbox.rest.failure.take().map(|failure| *failure)
    }

    fn drive<F>(&mut self, mut sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send,
    {
        poll_fn(move |cx| self.poll_drive(cx, &mut sink))
    }
}
