//! The progress of a connection in a list of steps.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::shared::{Person, Shared};
use super::{exec, request};
use crate::drivers::file::description::{Action, Description, Step};
use crate::drivers::file::expectation::{BoundExpectation, Expectation, shortened};
use crate::drivers::file::look_back::LookBack;
use crate::drivers::file::outcome::Outcome;
use crate::drivers::file::template::Captured;
use crate::model::{Failure, FailureClass, FailureKind, HttpStep};
use crate::protocol::Session;

/// The frame that a step waits for, and the frames that mean its failure.
type Awaited<'a> = (Option<&'a Arc<Expectation>>, &'a [(Arc<Expectation>, Outcome)]);

/// A list of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    SignUp,
    LogIn,
    Join,
    Leave,
}

impl List {
    pub(super) fn steps(self, description: &Description) -> &[Step] {
        match self {
            Self::SignUp => &description.sign_up,
            Self::LogIn => &description.log_in,
            Self::Join => &description.join,
            Self::Leave => &description.leave,
        }
    }

    /// Whether captures belong to the session.
    fn is_of_account(self) -> bool {
        matches!(self, Self::SignUp | Self::LogIn)
    }

    pub(super) fn http_step(self) -> HttpStep {
        match self {
            Self::SignUp => HttpStep::Signup,
            Self::LogIn => HttpStep::Login,
            Self::Join | Self::Leave => HttpStep::Room,
        }
    }

    /// Stores the captures of a step of the list.
    pub(super) fn keep(self, captured: &Captured, person: &mut Person) {
        let into = if self.is_of_account() { &mut person.session } else { &mut person.connection };
        for (slot, text) in captured.iter() {
            // A slot that a capture has here exists there too.
            let _ = into.set(slot, text);
        }
    }
}

/// A running request, which owns the session.
pub(super) type UnderWay = Pin<Box<dyn Future<Output = (Session, Result<Captured, Failure>)> + Send>>;

/// Starts a request.
pub(super) fn begin_request(
    shared: &Arc<Shared>,
    step: HttpStep,
    title: &str,
    asked: (&request::Asked, Option<Duration>),
    (person, text): (&Person, Option<&str>),
    mut session: Session,
) -> UnderWay {
    let (shared, title, person) = (Arc::clone(shared), title.to_owned(), person.clone());
    let (asked, timeout, text) = (asked.0.clone(), asked.1, text.map(str::to_owned));
    Box::pin(async move {
        let made =
            request::request(&shared, (step, &title), (&asked, timeout), (&person, text.as_deref()), &mut session);
        let made = made.await;
        (session, made)
    })
}

/// What the current step waits for.
enum Waiting {
    /// The step has not begun.
    Nothing,
    Frame,
    Time,
    Answer(UnderWay),
}

/// The progress in a list of steps.
pub(super) struct Procedure {
    list: List,
    at: usize,
    waiting: Waiting,
    /// The frame that the current step waits for, and the frames that mean its failure.
    pub(super) expect: Option<BoundExpectation>,
    outcomes: Vec<(BoundExpectation, Outcome)>,
    look_back: LookBack,
    timer: Pin<Box<Sleep>>,
    /// Longest time for a step.
    longest: Option<Duration>,
    /// The step that failed, once one has.
    pub(super) failure: Option<Failure>,
}

/// The result of advancing a procedure.
pub(super) enum Advance {
    /// All steps are done.
    Done,
    /// A step waits for something.
    Pending,
    Failed(Failure),
}

impl Procedure {
    pub(super) fn new(list: List, at: usize, longest: Option<Duration>) -> Self {
        Self {
            list,
            at,
            waiting: Waiting::Nothing,
            expect: None,
            outcomes: Vec::new(),
            look_back: LookBack::default(),
            timer: Box::pin(sleep_until(Instant::now())),
            longest,
            failure: None,
        }
    }

    pub(super) fn list(&self) -> List {
        self.list
    }

    /// Carries out steps until one has to wait. Frames to send go to `send`.
    pub(super) fn advance(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Arc<Shared>,
        person: &mut Person,
        session: &mut Option<Box<Session>>,
        send: &mut dyn FnMut(String),
    ) -> Advance {
        loop {
            if let Some(failure) = self.failure.take() {
                return Advance::Failed(failure);
            }
            let Some(step) = self.list.steps(&shared.description).get(self.at) else { return Advance::Done };
            let moved = match &mut self.waiting {
                Waiting::Nothing => self.begin(step, shared, person, session, send),
                Waiting::Time => self.timer.as_mut().poll(cx).is_ready().then(|| self.next()).map(Ok),
                Waiting::Frame => match self.timer.as_mut().poll(cx) {
                    Poll::Pending => None,
                    Poll::Ready(()) => {
                        let how = format!("within {} s", self.limit(step, shared).as_secs_f64());
                        Some(Err(self.unmet(step, shared, person, FailureKind::Timeout, &how)))
                    }
                },
                Waiting::Answer(under_way) => match under_way.as_mut().poll(cx) {
                    Poll::Pending => None,
                    Poll::Ready((returned, made)) => {
                        *session = Some(Box::new(returned));
                        Some(made.map(|captured| {
                            self.list.keep(&captured, person);
                            self.next();
                        }))
                    }
                },
            };
            match moved {
                None => return Advance::Pending,
                Some(Err(failure)) => return Advance::Failed(failure),
                Some(Ok(())) => {}
            }
        }
    }

    fn next(&mut self) {
        self.at += 1;
        self.waiting = Waiting::Nothing;
        self.expect = None;
        self.outcomes.clear();
    }

    /// How long the step may wait for its frame.
    fn limit(&self, step: &Step, shared: &Shared) -> Duration {
        let limit = step.timeout.unwrap_or(shared.timeout);
        self.longest.map_or(limit, |longest| limit.min(longest))
    }

    fn set_timer(&mut self, after: Duration) {
        self.timer.as_mut().reset(Instant::now() + after);
    }

    /// Starts a step; `None` if it now waits.
    fn begin(
        &mut self,
        step: &Step,
        shared: &Arc<Shared>,
        person: &mut Person,
        session: &mut Option<Box<Session>>,
        send: &mut dyn FnMut(String),
    ) -> Option<Result<(), Failure>> {
        match &step.action {
            Action::Wait(time) => {
                self.set_timer(*time);
                self.waiting = Waiting::Time;
                Some(Ok(()))
            }
            Action::Request(asked) => {
                let taken = *session.take().unwrap_or_default();
                let http_step = self.list.http_step();
                let under_way =
                    begin_request(shared, http_step, &step.title, (asked, step.timeout), (person, None), taken);
                self.waiting = Waiting::Answer(under_way);
                Some(Ok(()))
            }
            Action::Exec(program) => {
                let (shared, step, program) = (Arc::clone(shared), step.clone(), program.clone());
                let (person, taken) = (person.clone(), *session.take().unwrap_or_default());
                let under_way = async move { (taken, exec::run(&shared, &step, &program, &person).await) };
                self.waiting = Waiting::Answer(Box::pin(under_way));
                Some(Ok(()))
            }
            Action::Frames { send: frame, expect, outcomes } => {
                if let Some(frame) = frame {
                    if self.list == List::Join || self.list.is_of_account() {
                        person.seq = Some(person.seq.map_or(0, |seq| seq + 1));
                    }
                    match request::rendered(frame, &person.values(&shared.target, None)) {
                        Ok(text) => send(text),
                        Err(failure) => return Some(Err(titled(step, &failure))),
                    }
                    self.look_back.clear();
                }
                self.await_frame(step, shared, person, (expect.as_ref(), outcomes))
            }
        }
    }

    fn await_frame(
        &mut self,
        step: &Step,
        shared: &Shared,
        person: &mut Person,
        (expect, outcomes): Awaited<'_>,
    ) -> Option<Result<(), Failure>> {
        let Some(expect) = expect else {
            self.next();
            return Some(Ok(()));
        };
        let values = person.values(&shared.target, None);
        let bind = |(expected, outcome): &(Arc<Expectation>, Outcome)| {
            Some((Arc::clone(expected).bind(&values)?, outcome.clone()))
        };
        self.outcomes = outcomes.iter().filter_map(bind).collect();
        self.expect = Arc::clone(expect).bind(&values);
        if self.expect.is_none() {
            return Some(Err(titled(step, &Failure::with(FailureKind::Malformed, "a value is missing"))));
        }
        self.set_timer(self.limit(step, shared));
        self.waiting = Waiting::Frame;
        let Self { look_back, outcomes, expect, .. } = self;
        let wanted = |text: &str| {
            outcomes.iter().any(|(refused, _)| refused.is_match(text))
                || expect.as_ref().is_some_and(|expect| expect.is_match(text))
        };
        if let Some(text) = look_back.take(wanted) {
            shared.note_taken(person, &text, || placed(step, shared));
            self.offer(&text, shared, person);
        }
        Some(Ok(()))
    }

    /// Offers a frame to the waiting step; true if it is the expected one.
    pub(super) fn offer(&mut self, text: &str, shared: &Shared, person: &mut Person) -> bool {
        let step = self.list.steps(&shared.description).get(self.at);
        let (Waiting::Frame, Some(step), Some(expect)) = (&self.waiting, step, &self.expect) else {
            self.look_back.push(text);
            return false;
        };
        if let Some((_, outcome)) = self.outcomes.iter().find(|(refused, _)| refused.is_match(text)) {
            let came = shown(text, shared, person);
            self.failure = Some(titled(step, &shared.failure(outcome, &format!("got {came}"))));
            return true;
        }
        if !expect.is_match(text) {
            self.look_back.push(text);
            return false;
        }
        let mut captured = Captured::default();
        match expect.capture(text, &mut captured) {
            Ok(()) => {
                self.list.keep(&captured, person);
                self.next();
            }
            Err(missing) => {
                self.failure = Some(titled(step, &Failure::with(FailureKind::Malformed, missing.to_string())));
            }
        }
        true
    }

    /// The waiting step, with its place, if it waits for this frame.
    pub(super) fn would_take(&self, text: &str, shared: &Shared) -> Option<String> {
        let step = self.list.steps(&shared.description).get(self.at)?;
        let Waiting::Frame = self.waiting else { return None };
        let takes = self.outcomes.iter().any(|(refused, _)| refused.is_match(text))
            || self.expect.as_ref().is_some_and(|expect| expect.is_match(text));
        takes.then(|| placed(step, shared))
    }

    /// The failure of the current step if the connection ended or a frame refused the user.
    pub(super) fn ended(&self, shared: &Shared, person: &Person, how: &str) -> Failure {
        match self.list.steps(&shared.description).get(self.at) {
            Some(step) => self.unmet(step, shared, person, FailureKind::ConnectionClosed, how),
            None => Failure::with(FailureKind::ConnectionClosed, how),
        }
    }

    /// The current step, for people.
    pub(super) fn title<'a>(&self, shared: &'a Shared) -> &'a str {
        self.list.steps(&shared.description).get(self.at).map_or("joining", |step| &step.title)
    }

    fn unmet(&self, step: &Step, shared: &Shared, person: &Person, kind: FailureKind, how: &str) -> Failure {
        let values = person.values(&shared.target, None);
        let first = self.look_back.first();
        let said = match &step.action {
            Action::Frames { expect: Some(expect), .. } => {
                shared.description.secrets(&values).mask(&expect.unmet(&values, first)).into_owned()
            }
            _ => "not done".to_owned(),
        };
        let failure = Failure::with(kind, format!("{}: {said} ({how})", step.title));
        Failure { class: FailureClass::Retry, ..failure }
    }
}

/// The start of a frame without secrets, quoted.
pub(super) fn shown(text: &str, shared: &Shared, person: &Person) -> String {
    let secrets = shared.description.secrets(&person.values(&shared.target, None));
    format!("{:?}", shortened(&secrets.mask(text)))
}

/// A step and its place.
fn placed(step: &Step, shared: &Shared) -> String {
    format!("{}, {}:{}", step.title, shared.description.name, step.line)
}

fn titled(step: &Step, failure: &Failure) -> Failure {
    let detail = format!("{}: {}", step.title, failure.detail);
    Failure { class: failure.class, ..Failure::with(failure.kind, detail) }
}
