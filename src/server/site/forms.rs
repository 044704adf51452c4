//! The three forms: sign up, log in, delete the account.
//!
//! The CSRF check comes before them.

use std::sync::Arc;

use http::Method;

use super::reply::{Reply, escape_attribute};
use super::request::PageRequest;
use crate::server::accounts::{LoginError, SignUpForm, User};
use crate::server::csrf;
use crate::server::faults::Fault;
use crate::server::state::ServerState;

/// Characters of a session cookie.
const SESSION_LENGTH: usize = 32;
const WRONG: &str = "The username and/or password you specified are not correct.";
const LOCKED: &str = "Too many failed login attempts. Try again later.";

/// One input of a form.
struct Field<'a> {
    name: &'a str,
    kind: &'a str,
    value: &'a str,
    /// Why its value was refused.
    errors: Vec<String>,
}

/// `/accounts/signup/`
pub(super) fn sign_up(server: &ServerState, request: &PageRequest) -> Reply {
    if request.user.is_some() {
        return Reply::redirect(302, home(server));
    }
    if request.method != Method::POST {
        return sign_up_form(server, request, &[]);
    }
    let typed = SignUpForm {
        username: request.field("username"),
        email: request.field("email"),
        password: request.field("password1"),
        password_again: request.field("password2"),
    };
    let result = server.accounts.lock().sign_up(&typed);
    match result {
        Ok(user) => {
            server.counters.accounts.signed_up.increment();
            start_session(server, request, user)
        }
        Err(errors) => {
            server.counters.accounts.signups_refused.increment();
            sign_up_form(server, request, &errors)
        }
    }
}

fn sign_up_form(server: &ServerState, request: &PageRequest, errors: &[(&'static str, String)]) -> Reply {
    let field = |name: &'static str, kind: &'static str| {
        let errors = errors.iter().filter(|(of, _)| *of == name).map(|(_, error)| error.clone()).collect();
        let value = if kind == "password" { "" } else { request.field(name) };
        Field { name, kind, value, errors }
    };
    let fields = [
        field("username", "text"),
        field("email", "email"),
        field("password1", "password"),
        field("password2", "password"),
    ];
    form(server, request, "Sign Up", &fields, None)
}

/// `/accounts/login/`
pub(super) fn log_in(server: &ServerState, request: &PageRequest) -> Reply {
    if request.user.is_some() {
        return Reply::redirect(302, home(server));
    }
    if request.method != Method::POST {
        return log_in_form(server, request, None);
    }
    let (name, password) = (request.field("login"), request.field("password"));
    let result = server.accounts.lock().log_in(name, password, server.now());
    let counts = &server.counters.accounts;
    match result {
        Ok(user) => {
            counts.logged_in.increment();
            start_session(server, request, user)
        }
        Err(error) => {
            counts.logins_refused.increment();
            if error == LoginError::Locked {
                counts.logins_locked.increment();
            }
            log_in_form(server, request, Some(if error == LoginError::Locked { LOCKED } else { WRONG }))
        }
    }
}

fn log_in_form(server: &ServerState, request: &PageRequest, alert: Option<&str>) -> Reply {
    let fields = [
        Field { name: "login", kind: "text", value: request.field("login"), errors: Vec::new() },
        Field { name: "password", kind: "password", value: "", errors: Vec::new() },
    ];
    form(server, request, "Log In", &fields, alert)
}

/// `/accounts/delete/`
pub(super) fn delete(server: &ServerState, request: &PageRequest) -> Reply {
    if request.user.is_none() {
        return redirect_to_login(server, request);
    }
    if request.method != Method::POST {
        return form(server, request, "Delete account", &[], None);
    }
    if server.accounts.lock().delete(request.cookie("sessionid")) {
        server.counters.accounts.deleted.increment();
    }
    Reply::redirect(302, format!("{}/", server.options.prefix)).signed_out()
}

/// Redirects to the log-in page, which redirects back.
pub(super) fn redirect_to_login(server: &ServerState, request: &PageRequest) -> Reply {
    server.counters.http.sent_to_login.increment();
    let prefix = &server.options.prefix;
    Reply::redirect(302, format!("{prefix}/accounts/login/?next={prefix}{}", request.path))
}

fn home(server: &ServerState) -> String {
    format!("{}/events/", server.options.prefix)
}

fn start_session(server: &ServerState, request: &PageRequest, user: Arc<User>) -> Reply {
    let cookie = csrf::random_text(&mut rand::rng(), SESSION_LENGTH).to_lowercase();
    let username = user.username.clone();
    server.accounts.lock().open_session(cookie.clone(), user);
    Reply::redirect(302, request.next().unwrap_or_else(|| home(server))).signed_in(&cookie, &username)
}

fn form(server: &ServerState, request: &PageRequest, title: &str, fields: &[Field<'_>], alert: Option<&str>) -> Reply {
    let random = &mut rand::rng();
    let cookie = match request.cookie("csrftoken") {
        cookie if csrf::is_token(cookie) => cookie.to_owned(),
        _ => csrf::new_token(random),
    };
    let token = csrf::remask(random, &cookie);
    let hidden = if server.injector.fires(Fault::NoCsrf, server.injector.faults().http.no_csrf) {
        String::new()
    } else {
        format!("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{token}\">\n")
    };
    let action = escape_attribute(&format!("{}{}", server.options.prefix, request.path));
    let alert = alert.map(|text| format!("<div class=\"alert alert-danger\">{text}</div>\n")).unwrap_or_default();
    let inputs: String = fields.iter().map(input).collect();
    let main = format!(
        "<h1>{title}</h1>\n<form method=\"post\" action=\"{action}\">\n\
         {hidden}{alert}{inputs}\
         <button type=\"submit\" class=\"btn btn-primary\">{title}</button>\n</form>"
    );
    Reply::page(title, &main).csrf_cookie(&cookie).clear_messages(request)
}

fn input(field: &Field<'_>) -> String {
    let Field { name, kind, value, errors } = field;
    let class = if errors.is_empty() { "form-group" } else { "form-group has-error" };
    let errors: String =
        errors.iter().map(|text| format!("<span class=\"help-block\"><strong>{text}</strong></span>")).collect();
    format!(
        "<div class=\"{class}\"><input type=\"{kind}\" name=\"{name}\" id=\"id_{name}\" value=\"{}\">{errors}</div>\n",
        escape_attribute(value)
    )
}
