//! The application's forms: signing up, logging in, deleting the account.
//!
//! Each form is read for its CSRF field and then posted. A 302 means success; the form again means a refusal, with the
//! reasons in the page.

use std::time::Duration;

use url::Url;

use super::page::FormPage;
use super::site::{Redirect, Site};
use crate::model::{Account, Failure, FailureClass, FailureKind, HttpStep};
use crate::protocol::Session;
use crate::transport::http::{Ask, Browser, Field, Page};

/// Largest page with a form, in bytes.
const FORM_LIMIT: usize = 4 << 20;

/// The answer to a request for a form.
enum Form {
    /// The form, with this CSRF token.
    Fresh(String),
    /// No form, because the session is already signed in.
    SignedInAlready,
}

/// The forms' own sentences, which contain "password" whatever the password is.
pub(super) const OWN_SENTENCES: [&str; 6] = [
    "This password is too common.",
    "This password is entirely numeric.",
    "This password is too short. It must contain at least 8 characters.",
    "The password is too similar to the username.",
    "You must type the same password each time.",
    "The username and/or password you specified are not correct.",
];

/// Wait after too many failed log-ins: the application locks a name for 300 s (the default of django-allauth's
/// `ACCOUNT_LOGIN_ATTEMPTS_TIMEOUT`), plus a margin of 30 s.
const LOCKED: Duration = Duration::from_secs(330);

/// Number of checks of a deletion that was not answered.
const LOOKS: u32 = 3;

/// The cookie for one-time notices ("You have signed in"), which the rig does not need.
const NOTICES: &str = "messages";

/// The form field of the CSRF token.
pub(super) const TOKEN: &str = "csrfmiddlewaretoken";

pub(super) async fn sign_up(
    browser: &Browser,
    site: &Site,
    who: &Account,
    session: &mut Session,
) -> Result<(), Failure> {
    let url = site.sign_up();
    let Form::Fresh(token) = read(browser, site, session, HttpStep::Signup, url.clone()).await? else { return Ok(()) };
    let password = who.password.reveal();
    let fields = [
        Field::Token(TOKEN, &token),
        Field::Plain("username", &who.username),
        Field::Plain("email", ""),
        Field::Password("password1", password),
        Field::Password("password2", password),
    ];
    post(browser, site, session, HttpStep::Signup, url, &fields, |said| refused_sign_up(&said)).await?;
    session.cookies.forget(NOTICES);
    Ok(())
}

pub(super) async fn log_in(
    browser: &Browser,
    site: &Site,
    who: &Account,
    session: &mut Session,
) -> Result<(), Failure> {
    let url = site.log_in();
    let Form::Fresh(token) = read(browser, site, session, HttpStep::Login, url.clone()).await? else { return Ok(()) };
    let password = who.password.reveal();
    let fields =
        [Field::Token(TOKEN, &token), Field::Plain("login", &who.username), Field::Password("password", password)];
    post(browser, site, session, HttpStep::Login, url, &fields, |said| refused_log_in(&said)).await?;
    session.cookies.forget(NOTICES);
    Ok(())
}

pub(super) async fn delete(browser: &Browser, site: &Site, session: &mut Session) -> Result<(), Failure> {
    let url = site.delete();
    let Form::Fresh(token) = read(browser, site, session, HttpStep::Delete, url.clone()).await? else {
        return Err(Failure::with(FailureKind::BadRedirect, "the deletion form leads elsewhere"));
    };
    let refused = |reasons: String| Failure::with(FailureKind::UnexpectedStatus, format!("not deleted: {reasons}"));
    let posted = post(browser, site, session, HttpStep::Delete, url, &[Field::Token(TOKEN, &token)], refused).await;
    if let Err(failure) = posted
        && !(failure.class == FailureClass::Unanswered && is_gone(browser, site, session).await)
    {
        return Err(failure);
    }
    session.cookies.clear();
    Ok(())
}

/// Whether the account of a session is gone, after the answer to its deletion was lost. The session was valid a moment
/// ago, and ends with the account.
async fn is_gone(browser: &Browser, site: &Site, session: &mut Session) -> bool {
    for _ in 0..LOOKS {
        match read(browser, site, session, HttpStep::Delete, site.delete()).await {
            Err(failure) if failure.class == FailureClass::SignedOut => return true,
            Err(failure) if failure.class == FailureClass::Unanswered => {}
            _ => return false,
        }
    }
    false
}

/// Reads the form at `url`.
async fn read(
    browser: &Browser,
    site: &Site,
    session: &mut Session,
    step: HttpStep,
    url: Url,
) -> Result<Form, Failure> {
    let ask = Ask { step, url, form: None, limit: FORM_LIMIT, leads_on: false, custom: None };
    browser
        .visit(&site.origin, session, ask, |page| match site.redirect(&page)? {
            Some(Redirect::LogIn) => Err(Failure::new(FailureKind::SignedOut)),
            Some(Redirect::Inside(_)) => Ok(Form::SignedInAlready),
            None if page.status == http::StatusCode::OK => Ok(Form::Fresh(FormPage::parse(&page.body)?.csrf()?)),
            None => Err(page.unhoped()),
        })
        .await
}

/// Posts the form at `url`; `refused` turns the page's reasons into a failure.
async fn post(
    browser: &Browser,
    site: &Site,
    session: &mut Session,
    step: HttpStep,
    url: Url,
    fields: &[Field<'_>],
    refused: impl FnOnce(String) -> Failure,
) -> Result<(), Failure> {
    // The event page follows the form that signs a user in; after any other comes a form or nothing.
    let leads_on = matches!(step, HttpStep::Signup | HttpStep::Login);
    let ask = Ask { step, url, form: Some(fields), limit: FORM_LIMIT, leads_on, custom: None };
    browser.visit(&site.origin, session, ask, |page| judge_post(site, &page, refused)).await
}

fn judge_post(site: &Site, page: &Page, refused: impl FnOnce(String) -> Failure) -> Result<(), Failure> {
    match site.redirect(page)? {
        Some(Redirect::Inside(_)) => return Ok(()),
        Some(Redirect::LogIn) => {
            return Err(Failure::with(FailureKind::BadRedirect, "the form was taken and led back to the log-in"));
        }
        None => {}
    }
    match page.status.as_u16() {
        200 => Err(refused(FormPage::parse(&page.body).map(|form| form.reasons()).unwrap_or_default())),
        403 => Err(Failure::with(
            FailureKind::Forbidden,
            "HTTP 403 to a form: the CSRF cookie, its token or the Referer was not accepted",
        )),
        _ => Err(page.unhoped()),
    }
}

fn refused_sign_up(reasons: &str) -> Failure {
    let kind = if reasons.to_lowercase().contains("already exists") {
        FailureKind::NameTaken
    } else {
        FailureKind::SignupRefused
    };
    refused_form(kind, reasons)
}

fn refused_log_in(reasons: &str) -> Failure {
    if reasons.to_lowercase().contains("too many failed") {
        refused_form(FailureKind::Locked, reasons).classed(FailureClass::Wait(LOCKED))
    } else {
        refused_form(FailureKind::WrongPassword, reasons)
    }
}

/// The failure if a form was returned again.
fn refused_form(kind: FailureKind, reasons: &str) -> Failure {
    let reasons = if reasons.is_empty() { "the form came again without a reason" } else { reasons };
    Failure::with(kind, reasons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_forms_have_the_class_of_their_reason() {
        let class = |failure: Failure| (failure.class, failure.kind.as_str());
        let taken = refused_sign_up("An account with that username already exists.");
        assert_eq!(class(taken), (FailureClass::NameTaken, "name_taken"));
        assert_eq!(class(refused_sign_up(OWN_SENTENCES[0])), (FailureClass::Final, "signup_refused"));
        assert_eq!(class(refused_log_in(OWN_SENTENCES[5])), (FailureClass::Final, "wrong_password"));
        let locked = refused_log_in("Too many failed login attempts. Try again later.");
        assert_eq!(class(locked), (FailureClass::Wait(Duration::from_secs(330)), "locked"));
    }
}
