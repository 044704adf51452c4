//! The application's forms: signing up, logging in, deleting the account.
//!
//! Each is read for its CSRF field and then posted. A 302 means yes; the form again means no,
//! with the reasons in the page.

use url::Url;

use super::http::{Ask, Browser, FORM_LIMIT, Page};
use super::page::FormPage;
use super::site::{Redirect, Site};
use super::{cookies, refused_form};
use crate::chat::{Account, Failure, FailureKind, Step};
use crate::drivers::Session;

/// A form page as it came.
enum Form {
    /// With this CSRF token.
    Fresh(String),
    /// Not shown, as the session is signed in already.
    SignedInAlready,
}

/// How often it is looked up what became of a deletion that was not answered.
const LOOKS: u32 = 3;

/// The name the CSRF token is posted under.
pub(super) const TOKEN: &str = "csrfmiddlewaretoken";

pub(super) async fn sign_up(
    browser: &Browser,
    site: &Site,
    who: &Account,
    session: &mut Session,
) -> Result<(), Failure> {
    let url = site.sign_up();
    let Form::Fresh(token) = read(browser, site, session, Step::Signup, url.clone()).await? else { return Ok(()) };
    let password = who.password.reveal();
    let fields = [
        (TOKEN, token.as_str()),
        ("username", &who.username),
        ("email", ""),
        ("password1", password),
        ("password2", password),
    ];
    post(browser, site, session, Step::Signup, url, &fields, |said| refused_sign_up(&said)).await?;
    cookies::forget(session, cookies::NOTICES);
    Ok(())
}

pub(super) async fn log_in(
    browser: &Browser,
    site: &Site,
    who: &Account,
    session: &mut Session,
) -> Result<(), Failure> {
    let url = site.log_in();
    let Form::Fresh(token) = read(browser, site, session, Step::Login, url.clone()).await? else { return Ok(()) };
    let password = who.password.reveal();
    let fields = [(TOKEN, token.as_str()), ("login", &who.username), ("password", password)];
    post(browser, site, session, Step::Login, url, &fields, |said| refused_log_in(&said)).await?;
    cookies::forget(session, cookies::NOTICES);
    Ok(())
}

pub(super) async fn delete(browser: &Browser, site: &Site, session: &mut Session) -> Result<(), Failure> {
    let url = site.delete();
    let Form::Fresh(token) = read(browser, site, session, Step::Delete, url.clone()).await? else {
        return Err(Failure::with(FailureKind::BadRedirect, "the deletion form leads elsewhere"));
    };
    let refused = |reasons: String| Failure::with(FailureKind::UnexpectedStatus, format!("not deleted: {reasons}"));
    let posted = post(browser, site, session, Step::Delete, url, &[(TOKEN, token.as_str())], refused).await;
    if let Err(failure) = posted
        && !(failure.kind.is_unanswered() && is_gone(browser, site, session).await)
    {
        return Err(failure);
    }
    session.cookies.clear();
    Ok(())
}

/// Whether the account of a session is gone, as far as the server says: its answer to the
/// deletion was lost. The session was known a moment ago, and goes with the account.
async fn is_gone(browser: &Browser, site: &Site, session: &mut Session) -> bool {
    for _ in 0..LOOKS {
        match read(browser, site, session, Step::Delete, site.delete()).await {
            Err(failure) if failure.kind == FailureKind::SignedOut => return true,
            Err(failure) if failure.kind.is_unanswered() => {}
            _ => return false,
        }
    }
    false
}

/// Reads the form at `url`.
async fn read(browser: &Browser, site: &Site, session: &mut Session, step: Step, url: Url) -> Result<Form, Failure> {
    let ask = Ask { step, url, form: None, limit: FORM_LIMIT };
    browser
        .visit(site, session, ask, |page| match page.redirect(site)? {
            Some(Redirect::LogIn) => Err(Failure::new(FailureKind::SignedOut)),
            Some(Redirect::Inside(_)) => Ok(Form::SignedInAlready),
            None if page.status == http::StatusCode::OK => Ok(Form::Fresh(FormPage::parse(&page.body)?.csrf()?)),
            None => Err(page.unhoped()),
        })
        .await
}

/// Posts the form at `url`; `refused` makes a failure of the page's reasons.
async fn post(
    browser: &Browser,
    site: &Site,
    session: &mut Session,
    step: Step,
    url: Url,
    fields: &[(&str, &str)],
    refused: impl FnOnce(String) -> Failure,
) -> Result<(), Failure> {
    let ask = Ask { step, url, form: Some(fields), limit: FORM_LIMIT };
    browser.visit(site, session, ask, |page| judge_post(site, &page, refused)).await
}

fn judge_post(site: &Site, page: &Page, refused: impl FnOnce(String) -> Failure) -> Result<(), Failure> {
    match page.redirect(site)? {
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
    let kind = if reasons.to_lowercase().contains("too many failed") {
        FailureKind::Locked
    } else {
        FailureKind::WrongPassword
    };
    refused_form(kind, reasons)
}
