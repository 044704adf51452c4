//! A message over HTTP: the connection that is opened for it, the request, and its answer.
//!
//! The connection is open before the message is handed over, so that no delivery is expected of a message that cannot
//! be sent. A request that has begun is never repeated.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::request::{Asked, Exchange, exchange};
use super::shared::{Person, Shared};
use crate::drivers::file::description::Send as Carrier;
use crate::model::{Failure, HttpStep};
use crate::protocol::{Readiness, Session};
use crate::transport::http::IDLE_LIMIT;

type Work<T> = Pin<Box<dyn Future<Output = (Session, T)> + Send>>;

/// The state of a message over HTTP.
#[derive(Default)]
pub(super) enum Post {
    /// There is no message.
    #[default]
    None,
    /// A connection for the next one is being opened.
    Opening(Work<Result<(), Failure>>),
    /// The connection has been open since then.
    Open(Instant),
    /// No connection could be opened.
    Failed(Box<Failure>),
    /// The message is handed over, and has no answer yet.
    Sent(Work<Answer>),
}

/// The answer to a message that was handed over.
pub(super) enum Answer {
    /// The server took it.
    Accepted,
    /// The server refused it.
    Refused(Failure),
    /// There was no answer: the server may have it.
    Unknown(Failure),
}

impl Post {
    /// Whether a message was handed over and has no answer yet.
    pub(super) fn awaits_answer(&self) -> bool {
        matches!(self, Self::Sent(_))
    }

    /// Whether no message is in progress, even if there is no connection yet.
    pub(super) fn is_free(&self) -> bool {
        matches!(self, Self::None | Self::Open(_) | Self::Failed(_))
    }

    /// Whether a message can be handed over; if not, starts opening a connection.
    pub(super) fn prepare(&mut self, shared: &Arc<Shared>, session: &mut Option<Box<Session>>) -> Readiness {
        match self {
            Self::Open(since) if since.elapsed() < IDLE_LIMIT => Readiness::Ready,
            Self::None | Self::Open(_) => {
                let (shared, mut session) = (Arc::clone(shared), *session.take().unwrap_or_default());
                *self = Self::Opening(Box::pin(async move {
                    let opened = shared.browser.open_line(&shared.target.origin, &mut session).await;
                    (session, opened)
                }));
                Readiness::Pending
            }
            Self::Failed(failure) => {
                let failure = (**failure).clone();
                *self = Self::None;
                Readiness::Failed(failure)
            }
            Self::Opening(_) | Self::Sent(_) => Readiness::Pending,
        }
    }

    /// Starts the request of a message.
    pub(super) fn send(
        &mut self,
        shared: &Arc<Shared>,
        person: &Person,
        text: &str,
        session: &mut Option<Box<Session>>,
    ) {
        let Carrier::Request { request, timeout } = &shared.description.message.send else { return };
        let (asked, timeout): (Asked, Option<Duration>) = ((**request).clone(), *timeout);
        let (shared, person, text) = (Arc::clone(shared), person.clone(), text.to_owned());
        let mut session = *session.take().unwrap_or_default();
        *self = Self::Sent(Box::pin(async move {
            let named = (HttpStep::Room, "message");
            let whose = (&person, Some(text.as_str()));
            let made = exchange(&shared, named, (&asked, timeout), whose, &mut session, true).await;
            let answer = match made {
                Exchange { outcome: Ok(_), .. } => Answer::Accepted,
                Exchange { outcome: Err(failure), answered: true } => Answer::Refused(failure),
                Exchange { outcome: Err(failure), answered: false } => Answer::Unknown(failure),
            };
            (session, answer)
        }));
    }

    /// Makes progress; `Some` if something finished, with the answer if it was a message.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, session: &mut Option<Box<Session>>) -> Option<Option<Answer>> {
        match self {
            Self::Opening(work) => {
                let Poll::Ready((back, opened)) = work.as_mut().poll(cx) else { return None };
                *session = Some(Box::new(back));
                *self = opened.map_or_else(|failure| Self::Failed(Box::new(failure)), |()| Self::Open(Instant::now()));
                Some(None)
            }
            Self::Sent(work) => {
                let Poll::Ready((back, answer)) = work.as_mut().poll(cx) else { return None };
                *session = Some(Box::new(back));
                *self = Self::None;
                Some(Some(answer))
            }
            Self::None | Self::Open(_) | Self::Failed(_) => None,
        }
    }
}
