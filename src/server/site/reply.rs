//! Answers: status, headers, cookies, HTML.
//!
//! Spelling only; the pages decide what to say.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};

use super::request::PageRequest;
use crate::server::csrf;
use crate::server::sanitise::escape;
use crate::server::socket_task::Upgrade;
use crate::server::state::ServerState;

/// The body type of every answer.
pub(in crate::server) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer, and the upgrade if it is a 101.
pub(in crate::server) struct Answer {
    pub response: Response<Body>,
    pub upgrade: Option<Upgrade>,
}

/// An answer in the making.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

impl Reply {
    fn new(status: u16, kind: &str, body: String) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, kind.to_owned())], body }
    }

    /// A whole page.
    pub(super) fn page(title: &str, main: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n<div class=\"container\">\n{main}\n</div>\n</body>\n</html>\n"
        );
        Self::new(200, "text/html; charset=utf-8", body)
    }

    /// JSON text.
    pub(super) fn json(text: String) -> Self {
        Self::new(200, "application/json", text)
    }

    /// A refusal with `status`; `text` is shown.
    pub(super) fn error(status: u16, text: &str) -> Self {
        let mut reply = Self::page(text, &format!("<h1>{text}</h1>"));
        reply.status = status;
        reply
    }

    /// A 404, counted.
    pub(super) fn not_found(server: &ServerState) -> Self {
        server.counters.http.not_found.increment();
        Self::error(404, "Not Found")
    }

    /// A redirect with `status` to a path, which must be ASCII.
    pub(super) fn redirect(status: u16, to: String) -> Self {
        let mut reply = Self::new(status, "text/html; charset=utf-8", String::new());
        reply.headers.push((LOCATION, to));
        reply
    }

    /// No body at all: what a refused upgrade gets.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the CSRF cookie for a year.
    pub(super) fn csrf_cookie(self, token: &str) -> Self {
        self.header(SET_COOKIE, format!("csrftoken={token}; Max-Age=31449600; Path=/; SameSite=Lax"))
    }

    /// Sets what a new session gets: its cookie for 14 days, a new CSRF secret, a welcome message.
    pub(super) fn signed_in(self, session: &str, username: &str) -> Self {
        let random = &mut rand::rng();
        let (token, hash) = (csrf::new_token(random), csrf::random_text(random, 40));
        let welcome =
            format!("[[\\\"__json_message\\\"\\0540\\05425\\054\\\"Successfully signed in as {username}.\\\"]]");
        self.csrf_cookie(&token)
            .header(SET_COOKIE, format!("sessionid={session}; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax"))
            .header(SET_COOKIE, format!("messages=\"{hash}${welcome}\"; HttpOnly; Path=/; SameSite=Lax"))
    }

    /// Ends the session on the client's side.
    pub(super) fn signed_out(self) -> Self {
        self.header(SET_COOKIE, "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/")
    }

    /// Clears the messages cookie, as every page that shows messages does.
    pub(super) fn clear_messages(self, request: &PageRequest) -> Self {
        if request.cookie("messages").is_empty() {
            return self;
        }
        self.header(SET_COOKIE, "messages=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/")
    }
}

impl From<Reply> for Response<Body> {
    fn from(reply: Reply) -> Self {
        let mut response = Self::new(Full::new(Bytes::from(reply.body)).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in reply.headers {
            // A value that HTTP cannot carry (none of the server's own) is left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { response: reply.into(), upgrade: None }
    }
}

/// Text made safe for a page and for an attribute in double quotes.
pub(super) fn escape_attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out.replace('"', "&quot;")
}
