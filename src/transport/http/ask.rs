//! One request and its answer, as drivers see them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::body::Body;
use super::redirect;
use crate::model::{Failure, HttpStep, Secret};
use crate::transport::errors;

/// One request.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The step that it is part of.
    pub step: HttpStep,
    /// What is asked for.
    pub url: Url,
    /// The fields to post; a plain GET without.
    pub form: Option<&'a [Field<'a>]>,
    /// The largest body, in bytes.
    pub limit: usize,
    /// Whether the same user's next request may use this one's connection.
    pub leads_on: bool,
    /// What the protocol says of the request, in place of `form`.
    pub custom: Option<&'a CustomRequest>,
}

/// A request whose every part the protocol chooses. The body of each answer is read, whatever its status.
#[derive(Debug)]
pub struct CustomRequest {
    /// Its method.
    pub method: Method,
    /// Headers beyond those that every request has; one of these takes the place of a usual one.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long it may take; without it, as long as any request.
    pub timeout: Option<Duration>,
    /// Whether it is never repeated, whatever its method. It goes out on the connection that
    /// [`Browser::open_line`](super::Browser::open_line) opened, if that is there.
    pub once: bool,
    /// Texts of the user that no failure may hold.
    pub secrets: Vec<Secret>,
}

impl Ask<'_> {
    /// Whether it may be sent on a kept connection and repeated.
    pub(super) fn may_be_repeated(&self) -> bool {
        self.is_get() && self.custom.is_none_or(|custom| !custom.once)
    }

    pub(super) fn is_get(&self) -> bool {
        self.custom.map_or(self.form.is_none(), |custom| custom.method == Method::GET)
    }
}

/// One field of a form.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// Name, and a value that anybody may see.
    Plain(&'a str, &'a str),
    /// Name, and a password.
    Password(&'a str, &'a str),
    /// Name, and a token that belongs to the session.
    Token(&'a str, &'a str),
}

impl<'a> Field<'a> {
    /// Name and value.
    pub(super) const fn pair(self) -> (&'a str, &'a str) {
        match self {
            Self::Plain(name, value) | Self::Password(name, value) | Self::Token(name, value) => (name, value),
        }
    }
}

/// One answer.
#[derive(Debug)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Of another status than 200, the body may be missing.
    pub body: Body,
    /// What was asked for.
    pub asked: Url,
}

impl Page {
    /// Where a redirect leads; `None` for other answers.
    ///
    /// # Errors
    /// `BadRedirect` for one that leads nowhere or to another origin.
    pub fn redirect(&self) -> Result<Option<Url>, Failure> {
        if !self.status.is_redirection() {
            return Ok(None);
        }
        redirect::target(&self.asked, self.headers.get(header::LOCATION)).map(Some)
    }

    /// The failure of a status that the step does not know.
    #[must_use]
    pub fn unhoped(&self) -> Failure {
        errors::of_status(self.status, &self.headers)
    }
}
