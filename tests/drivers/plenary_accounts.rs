//! The driver's forms against a scripted server: its requests, and how it reads each answer.

use std::sync::Arc;

use crate::scripted_server::{RecordingProbe, Request, ScriptedServer, answer, driver, settings};
use soakrig::drivers::plenary::Plenary;
use soakrig::drivers::plenary::vocabulary;
use soakrig::model::{Account, Failure, FailureKind, HttpOutcome, HttpStep, Secret};
use soakrig::protocol::{Driver, Session};
use soakrig::transport::http::cookies::Jar;
use tokio::net::TcpStream;

const TOKEN: &str = "tok0123456789012345678901234567890123456789012345678901234567890";
const SET_CSRF: &str = "Set-Cookie: csrftoken=c1; expires=Fri, 31 Dec 2100 00:00:00 GMT; Max-Age=31449600; Path=/";
const SET_SESSION: &str = "Set-Cookie: sessionid=s1; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax";
const SET_NOTICE: &str =
    r#"Set-Cookie: messages="[[\"__json_message\"\0540\05425\054\"Signed in as a.\"]]$ab"; HttpOnly; Path=/"#;

fn form() -> String {
    format!("<form method=post><input value='{TOKEN}' type='hidden' name='csrfmiddlewaretoken'></form>")
}

fn who() -> Account {
    Account { username: "loadtest7".to_owned(), password: Secret::new("p&ss=ö w") }
}

/// A server that serves its forms, and answers posts by `status`, `headers`, `body`.
async fn answering_posts(status: &'static str, headers: &'static [&'static str], body: &'static str) -> ScriptedServer {
    ScriptedServer::start(move |request: Request, stream: TcpStream| async move {
        match request.method.as_str() {
            "GET" => answer(stream, "200 OK", &[SET_CSRF], &form()).await,
            _ => answer(stream, status, headers, body).await,
        }
    })
    .await
}

async fn sign_up(server: &ScriptedServer) -> (Result<(), Failure>, Session) {
    let mut session = Session::default();
    let outcome = driver(&server.url()).sign_up(&who(), &mut session).await;
    (outcome, session)
}

#[tokio::test]
async fn sign_up_posts_the_form_as_a_browser_does() {
    let taken = ["Location: /events/", SET_SESSION, SET_NOTICE, "Set-Cookie: csrftoken=c2; Path=/"];
    let server = answering_posts("302 Found", Box::leak(Box::new(taken)), "").await;
    let probe = Arc::new(RecordingProbe::default());
    let mut with_probe = settings(&server.url());
    with_probe.probe = Arc::clone(&probe) as _;
    let mut session = Session::default();
    Plenary::new(with_probe).unwrap().sign_up(&who(), &mut session).await.unwrap();

    assert_eq!(server.request_lines(), ["GET /accounts/signup/", "POST /accounts/signup/"]);
    let post = server.requests().remove(1);
    assert_eq!(post.header("cookie"), Some("csrftoken=c1"));
    assert_eq!(post.header("referer"), Some(format!("{}accounts/signup/", server.url()).as_str()));
    assert_eq!(post.header("origin"), Some(server.url().trim_end_matches('/')));
    for (name, value) in [
        ("csrfmiddlewaretoken", TOKEN),
        ("username", "loadtest7"),
        ("email", ""),
        ("password1", "p&ss=ö w"),
        ("password2", "p&ss=ö w"),
    ] {
        assert_eq!(post.field(name).as_deref(), Some(value), "{name}");
    }
    let cookies: Vec<_> = session.cookies.pairs().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(cookies, ["csrftoken=c2", "sessionid=s1"]);
    assert_eq!(probe.all(), [(HttpStep::Signup, HttpOutcome::Ok); 2]);
}

#[tokio::test]
async fn a_form_shown_again_is_a_refusal_with_its_text() {
    let page =
        r#"<div class="alert alert-danger">Hm.</div><span class="help-block">This password is too common.</span>"#;
    let (outcome, _) = sign_up(&answering_posts("200 OK", &[], page).await).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignupRefused);
    assert_eq!(failure.detail, "Hm. This password is too common.");
}

#[tokio::test]
async fn a_taken_name_is_recognised_in_both_wordings() {
    for page in [
        r#"<span class="help-block">An account with that username already exists.</span>"#,
        r#"<ul class="errorlist"><li>A user with that username already exists.</li></ul>"#,
    ] {
        let (outcome, _) = sign_up(&answering_posts("200 OK", &[], page).await).await;
        assert_eq!(outcome.unwrap_err().kind, FailureKind::NameTaken);
    }
}

#[tokio::test]
async fn a_csrf_refusal_is_forbidden_and_a_missing_field_is_not_csrf() {
    let (outcome, _) = sign_up(&answering_posts("403 Forbidden", &[], "CSRF verification failed").await).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden);
    assert!(failure.detail.contains("CSRF"), "{failure}");
    let bare = ScriptedServer::start(|_, stream| async { answer(stream, "200 OK", &[], "<form></form>").await }).await;
    assert_eq!(sign_up(&bare).await.0.unwrap_err().kind, vocabulary::NO_CSRF);
}

#[tokio::test]
async fn a_user_already_signed_in_posts_no_form() {
    let server =
        ScriptedServer::start(|_, stream| async { answer(stream, "302 Found", &["Location: /events/"], "").await })
            .await;
    sign_up(&server).await.0.unwrap();
    assert_eq!(server.request_lines(), ["GET /accounts/signup/"]);
}

#[tokio::test]
async fn log_in_tells_a_wrong_password_from_a_lock() {
    for (page, kind) in [
        (
            "<div class='alert-danger'>The username and/or password you specified are not correct.</div>",
            FailureKind::WrongPassword,
        ),
        ("<div class='alert-danger'>Too many failed login attempts. Try again later.</div>", FailureKind::Locked),
    ] {
        let server = answering_posts("200 OK", &[], page).await;
        let failure = driver(&server.url()).log_in(&who(), &mut Session::default()).await.unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(!failure.to_string().contains("p&ss"), "{failure}");
        let post = server.requests().remove(1);
        assert_eq!(post.line(), "POST /accounts/login/");
        assert_eq!(post.field("login").as_deref(), Some("loadtest7"));
        assert_eq!(post.field("password").as_deref(), Some("p&ss=ö w"));
    }
}

#[tokio::test]
async fn deletion_clears_the_cookies() {
    let server = answering_posts("302 Found", &["Location: /"], "").await;
    let mut session = Session::with(Jar::from([("sessionid", "s1")]));
    driver(&server.url()).delete(&mut session).await.unwrap();
    assert_eq!(server.request_lines(), ["GET /accounts/delete/", "POST /accounts/delete/"]);
    assert!(server.requests()[1].header("cookie").unwrap().contains("sessionid=s1"));
    assert!(session.cookies.is_empty());
}

#[tokio::test]
async fn deletion_without_a_session_is_signed_out() {
    let to_login = "Location: /accounts/login/?next=/accounts/delete/";
    let server =
        ScriptedServer::start(move |_, stream| async move { answer(stream, "302 Found", &[to_login], "").await }).await;
    let failure = driver(&server.url()).delete(&mut Session::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
}

#[tokio::test]
async fn a_path_in_the_url_prefixes_every_request() {
    let server = answering_posts("302 Found", &["Location: /rooms/events/"], "").await;
    let driver = driver(&format!("{}rooms", server.url()));
    driver.sign_up(&who(), &mut Session::default()).await.unwrap();
    assert_eq!(server.request_lines(), ["GET /rooms/accounts/signup/", "POST /rooms/accounts/signup/"]);
}

#[tokio::test]
async fn cookies_and_passwords_are_not_sent_to_another_origin() {
    let other_origin = ScriptedServer::start(|_, stream| async { answer(stream, "200 OK", &[], &form()).await }).await;
    let location: &'static str = format!("Location: {}accounts/signup/", other_origin.url()).leak();
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = answering_posts(status, Box::leak(Box::new([location])), "").await;
        let (outcome, _) = sign_up(&server).await;
        assert_eq!(outcome.unwrap_err().kind, FailureKind::BadRedirect);
    }
    assert!(other_origin.requests().is_empty());
}

#[tokio::test]
async fn no_failure_contains_a_password_however_the_server_spells_it() {
    let password = "two  spaces & 'more'";
    for echo in [
        "two  spaces &amp; &#x27;more&#x27;",
        "two spaces &amp; &#39;more&#39;",
        "two\n\tspaces &#38; 'more'",
        "two%20%20spaces%20%26%20%27more%27",
        "two++spaces+%26+%27more%27",
    ] {
        let body: &str = Box::leak(format!("<span class=help-block>No {echo} here</span>{}", form()).into_boxed_str());
        let server = answering_posts("200 OK", &[], body).await;
        let who = Account { username: "loadtest7".to_owned(), password: Secret::new(password) };
        let failure = driver(&server.url()).sign_up(&who, &mut Session::default()).await.unwrap_err();
        assert_eq!(failure.to_string(), "signup_refused: No … here", "{echo}");
    }
    // Other pages know nothing of the log-in, and must not repeat it either.
    let server = ScriptedServer::start(|request: Request, stream: TcpStream| async move {
        let location = "Location: /x/two%20%20spaces%20&%20'more'/s3cr3tsession/";
        match request.path.as_str() {
            "/event/test/" => answer(stream, "302 Found", &[location], "").await,
            _ => answer(stream, "302 Found", &["Location: gopher://two+spaces:s3cr3tsession@x"], "").await,
        }
    })
    .await;
    let mut with_secrets = settings(&server.url());
    with_secrets.secrets = vec![Secret::new(password)];
    let driver = Plenary::new(with_secrets).unwrap();
    let mut session = Session::with(Jar::from([("sessionid", "s3cr3tsession")]));
    for failure in [driver.open(&mut session).await.unwrap_err(), driver.delete(&mut session).await.unwrap_err()] {
        let said = failure.to_string();
        assert!(!said.contains("spaces") && !said.contains("s3cr3t"), "{said}");
    }
}
