//! One request and its answer, in the form that drivers use.

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
    /// The URL to request.
    pub url: Url,
    /// The fields to post; `None` makes it a GET.
    pub form: Option<&'a [Field<'a>]>,
    /// Largest body accepted, in bytes.
    pub limit: usize,
    /// Whether the same user's next request may use this one's connection.
    pub leads_on: bool,
    /// The protocol's own request, in place of `form`.
    pub custom: Option<&'a CustomRequest>,
}

/// A request that the protocol defines completely. The body of each answer is read, whatever its status.
#[derive(Debug)]
pub struct CustomRequest {
    /// Its method.
    pub method: Method,
    /// Headers in addition to those of every request, or replacing them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Its timeout; `None`: that of any request.
    pub timeout: Option<Duration>,
    /// Whether it must not be repeated, whatever its method. It uses the connection that
    /// [`Browser::open_line`](super::Browser::open_line) opened, if there is one.
    pub once: bool,
    /// Texts of the user that no failure may contain.
    pub secrets: Vec<Secret>,
}

impl Ask<'_> {
    /// Whether it may be sent on a kept connection and be repeated.
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
    /// Name, and a value that is not secret.
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
    /// The body; it may be missing if the status is not 200.
    pub body: Body,
    /// The URL that was requested.
    pub asked: Url,
}

impl Page {
    /// Where a redirect leads; `None` for other answers.
    ///
    /// # Errors
    /// `BadRedirect` for a redirect that leads nowhere or to another origin.
    pub fn redirect(&self) -> Result<Option<Url>, Failure> {
        if !self.status.is_redirection() {
            return Ok(None);
        }
        redirect::target(&self.asked, self.headers.get(header::LOCATION)).map(Some)
    }

    /// The failure for a status that the step does not know.
    #[must_use]
    pub fn unhoped(&self) -> Failure {
        errors::of_status(self.status, &self.headers)
    }
}
