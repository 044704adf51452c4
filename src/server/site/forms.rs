//! The three forms: sign up, log in, delete the account.
//!
//! The CSRF rule was checked before they are asked.

use std::sync::Arc;

use http::Method;

use super::page::{Reply, safe};
use super::visit::Visit;
use crate::server::accounts::{Application, Refusal, User};
use crate::server::csrf;
use crate::server::faults::Fault;
use crate::server::world::World;

/// Characters of a session cookie.
const SESSION: usize = 32;
const WRONG: &str = "The username and/or password you specified are not correct.";
const LOCKED: &str = "Too many failed login attempts. Try again later.";

/// One input of a form.
struct Field<'a> {
    name: &'a str,
    kind: &'a str,
    value: &'a str,
    /// Why it was refused.
    reasons: Vec<String>,
}

/// `/accounts/signup/`
pub(super) fn sign_up(world: &World, visit: &Visit) -> Reply {
    if visit.user.is_some() {
        return Reply::redirect(302, home(world));
    }
    if visit.method != Method::POST {
        return sign_up_form(world, visit, &[]);
    }
    let typed = Application {
        username: visit.field("username"),
        email: visit.field("email"),
        password: visit.field("password1"),
        again: visit.field("password2"),
    };
    let result = world.accounts.lock().sign_up(&typed);
    match result {
        Ok(user) => {
            world.tally.accounts.signed_up.one();
            welcome(world, visit, user)
        }
        Err(reasons) => {
            world.tally.accounts.signups_refused.one();
            sign_up_form(world, visit, &reasons)
        }
    }
}

fn sign_up_form(world: &World, visit: &Visit, reasons: &[(&'static str, String)]) -> Reply {
    let field = |name: &'static str, kind: &'static str| {
        let reasons = reasons.iter().filter(|(of, _)| *of == name).map(|(_, reason)| reason.clone()).collect();
        let value = if kind == "password" { "" } else { visit.field(name) };
        Field { name, kind, value, reasons }
    };
    let fields = [
        field("username", "text"),
        field("email", "email"),
        field("password1", "password"),
        field("password2", "password"),
    ];
    form(world, visit, "Sign Up", &fields, None)
}

/// `/accounts/login/`
pub(super) fn log_in(world: &World, visit: &Visit) -> Reply {
    if visit.user.is_some() {
        return Reply::redirect(302, home(world));
    }
    if visit.method != Method::POST {
        return log_in_form(world, visit, None);
    }
    let (name, password) = (visit.field("login"), visit.field("password"));
    let result = world.accounts.lock().log_in(name, password, world.now());
    let counts = &world.tally.accounts;
    match result {
        Ok(user) => {
            counts.logged_in.one();
            welcome(world, visit, user)
        }
        Err(refusal) => {
            counts.logins_refused.one();
            if refusal == Refusal::Locked {
                counts.logins_locked.one();
            }
            log_in_form(world, visit, Some(if refusal == Refusal::Locked { LOCKED } else { WRONG }))
        }
    }
}

fn log_in_form(world: &World, visit: &Visit, alert: Option<&str>) -> Reply {
    let fields = [
        Field { name: "login", kind: "text", value: visit.field("login"), reasons: Vec::new() },
        Field { name: "password", kind: "password", value: "", reasons: Vec::new() },
    ];
    form(world, visit, "Log In", &fields, alert)
}

/// `/accounts/delete/`
pub(super) fn delete(world: &World, visit: &Visit) -> Reply {
    if visit.user.is_none() {
        return to_login(world, visit);
    }
    if visit.method != Method::POST {
        return form(world, visit, "Delete account", &[], None);
    }
    if world.accounts.lock().delete(visit.cookie("sessionid")) {
        world.tally.accounts.deleted.one();
    }
    Reply::redirect(302, format!("{}/", world.options.prefix)).signed_out()
}

/// The way to the log-in page and back.
pub(super) fn to_login(world: &World, visit: &Visit) -> Reply {
    world.tally.http.sent_to_login.one();
    let prefix = &world.options.prefix;
    Reply::redirect(302, format!("{prefix}/accounts/login/?next={prefix}{}", visit.path))
}

fn home(world: &World) -> String {
    format!("{}/events/", world.options.prefix)
}

fn welcome(world: &World, visit: &Visit, user: Arc<User>) -> Reply {
    let cookie = csrf::random_text(&mut rand::rng(), SESSION).to_lowercase();
    let username = user.username.clone();
    world.accounts.lock().open_session(cookie.clone(), user);
    Reply::redirect(302, visit.next().unwrap_or_else(|| home(world))).signed_in(&cookie, &username)
}

fn form(world: &World, visit: &Visit, title: &str, fields: &[Field<'_>], alert: Option<&str>) -> Reply {
    let random = &mut rand::rng();
    let cookie = match visit.cookie("csrftoken") {
        cookie if csrf::is_token(cookie) => cookie.to_owned(),
        _ => csrf::fresh(random),
    };
    let token = csrf::remask(random, &cookie);
    let hidden = if world.desk.strikes(Fault::NoCsrf, world.desk.faults().http.no_csrf) {
        String::new()
    } else {
        format!("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{token}\">\n")
    };
    let action = safe(&format!("{}{}", world.options.prefix, visit.path));
    let alert = alert.map(|text| format!("<div class=\"alert alert-danger\">{text}</div>\n")).unwrap_or_default();
    let inputs: String = fields.iter().map(input).collect();
    let main = format!(
        "<h1>{title}</h1>\n<form method=\"post\" action=\"{action}\">\n\
         {hidden}{alert}{inputs}\
         <button type=\"submit\" class=\"btn btn-primary\">{title}</button>\n</form>"
    );
    Reply::page(title, &main).csrf_cookie(&cookie).forget_messages(visit)
}

fn input(field: &Field<'_>) -> String {
    let Field { name, kind, value, reasons } = field;
    let class = if reasons.is_empty() { "form-group" } else { "form-group has-error" };
    let reasons: String =
        reasons.iter().map(|text| format!("<span class=\"help-block\"><strong>{text}</strong></span>")).collect();
    format!(
        "<div class=\"{class}\"><input type=\"{kind}\" name=\"{name}\" id=\"id_{name}\" value=\"{}\">{reasons}</div>\n",
        safe(value)
    )
}
