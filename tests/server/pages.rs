//! The embedded target's pages: forms, sessions, redirects, the event page.

use crate::target_client::{PASSWORD, Person, initial_state};
use soakrig::server::{Options, Server, serve};

async fn target() -> Server {
    serve(Options::default()).await.unwrap()
}

fn location(answer: &reqwest::Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn signing_up_gives_a_session_and_odd_cookies() {
    let target = target().await;
    let mut person = Person::new(target.addr());
    let answer = person.sign_up("alice").await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/events/"));
    assert!(person.cookies["messages"].contains("$[[\\\""), "{}", person.cookies["messages"]);
    assert_eq!(person.cookies["csrftoken"].len(), 64);
    assert_eq!(person.get("/accounts/signup/").await.status(), 302);
    let page = person.get("/event/test/").await;
    assert_eq!(page.status(), 200);
    assert!(!person.cookies.contains_key("messages"), "a page that shows messages takes them away");
    let page = page.text().await.unwrap();
    assert!(page.contains(r"\/breakout\/1\/"));
    let state = initial_state(&page).unwrap();
    assert_eq!(state["auth"]["username"], "alice");
    assert_eq!(state["plenary"]["open"], true);
    assert_eq!(state["breakouts"].as_array().unwrap().len(), 5);
    assert_eq!(state["breakouts"][0]["max_attendees"], 10);
}

#[tokio::test]
async fn a_refused_form_says_why() {
    let target = target().await;
    Person::signed_up(target.addr(), "alice").await;
    let mut person = Person::new(target.addr());
    let answer = person.sign_up("ALICE").await;
    assert_eq!(answer.status(), 200);
    let page = scraper::Html::parse_document(&answer.text().await.unwrap());
    let reasons = scraper::Selector::parse("span.help-block").unwrap();
    let reasons: Vec<String> = page.select(&reasons).map(|reason| reason.text().collect()).collect();
    assert_eq!(reasons, ["An account with that username already exists."]);
    let counts = target.counts();
    assert_eq!((counts.accounts.signed_up, counts.accounts.signups_refused, counts.accounts.now), (1, 1, 1));
}

#[tokio::test]
async fn posts_without_the_csrf_pair_are_refused() {
    let target = target().await;
    let mut person = Person::new(target.addr());
    let fields = [("login", "alice"), ("password", PASSWORD)];
    assert_eq!(person.post("/accounts/login/", &fields).await.status(), 403);
    person.get("/accounts/login/").await;
    let wrong = "x".repeat(64);
    let fields = [("csrfmiddlewaretoken", wrong.as_str()), ("login", "alice")];
    assert_eq!(person.post("/accounts/login/", &fields).await.status(), 403);
    assert_eq!(target.counts().http.csrf_refused, 2);
}

#[tokio::test]
async fn behind_tls_the_referer_must_be_there() {
    let target = target().await;
    let mut person = Person::new(target.addr());
    person.headers.push(("X-Forwarded-Proto", "https".into()));
    assert_eq!(person.sign_up("alice").await.status(), 403);
    person.headers.push(("Referer", format!("https://{}/accounts/signup/", target.addr())));
    assert_eq!(person.sign_up("alice").await.status(), 302);
}

#[tokio::test]
async fn five_refused_log_ins_lock_the_name() {
    let target = target().await;
    Person::signed_up(target.addr(), "alice").await;
    let mut person = Person::new(target.addr());
    for _ in 0..5 {
        let page = person.log_in("alice", "wrong-password").await.text().await.unwrap();
        assert!(page.contains("The username and/or password you specified are not correct."));
    }
    let page = person.log_in("alice", PASSWORD).await.text().await.unwrap();
    assert!(page.contains("Too many failed login attempts. Try again later."));
    assert_eq!(target.counts().accounts.logins_locked, 1);
}

#[tokio::test]
async fn logging_in_leads_where_it_was_asked_for() {
    let target = target().await;
    Person::signed_up(target.addr(), "alice").await;
    let mut person = Person::new(target.addr());
    let answer = person.get("/event/test/").await;
    let login = location(&answer).to_owned();
    assert_eq!(login, "/accounts/login/?next=/event/test/");
    let answer = person.submit(&login, &[("login", "Alice"), ("password", PASSWORD)]).await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/event/test/"));
    assert_eq!(person.get("/event/test/").await.status(), 200);
}

#[tokio::test]
async fn event_addresses() {
    let target = target().await;
    let mut person = Person::signed_up(target.addr(), "alice").await;
    for (path, status) in [
        ("/event/test", 301),
        ("/event/1/", 302),
        ("/event/TEST/", 404),
        ("/event/nowhere/", 404),
        ("/breakout/1/", 200),
        ("/breakout/99/", 404),
        ("/elsewhere/", 404),
        ("/", 200),
    ] {
        assert_eq!(person.get(path).await.status(), status, "{path}");
    }
    let mut stranger = Person::new(target.addr());
    stranger.cookies.insert("sessionid".into(), "unknown".into());
    assert_eq!(stranger.get("/event/test/").await.status(), 302);
    assert_eq!(stranger.get("/breakout/1/").await.status(), 302);
}

#[tokio::test]
async fn shut_plenaries_show_a_visitor_a_reduced_state() {
    let target = target().await;
    let mut stranger = Person::new(target.addr());
    for (slug, canceled) in [("closed", false), ("future", false), ("cancelled", true)] {
        let page = stranger.get(&format!("/event/{slug}/")).await.text().await.unwrap();
        let state = initial_state(&page).unwrap();
        assert_eq!(state["plenary"]["open"], false, "{slug}");
        assert_eq!(state["plenary"]["canceled"], canceled, "{slug}");
        assert_eq!(state["auth"]["is_authenticated"], false);
        assert!(state.get("breakouts").is_none());
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone() {
    let target = target().await;
    let mut person = Person::signed_up(target.addr(), "alice").await;
    let session = person.cookies["sessionid"].clone();
    let answer = person.submit("/accounts/delete/", &[]).await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/"));
    person.cookies.insert("sessionid".into(), session);
    assert_eq!(person.get("/event/test/").await.status(), 302);
    assert_eq!(target.counts().accounts.now, 0);
}

#[tokio::test]
async fn a_prefix_stands_before_every_path() {
    let target = serve(Options { prefix: "/chat".into(), ..Options::default() }).await.unwrap();
    let mut person = Person::new(target.addr());
    assert_eq!(person.get("/accounts/signup/").await.status(), 404);
    let fields = [("username", "alice"), ("password1", PASSWORD), ("password2", PASSWORD)];
    let answer = person.submit("/chat/accounts/signup/", &fields).await;
    assert_eq!(location(&answer), "/chat/events/");
    let (_line, first) = person.enter("/chat/event/test/").await;
    assert_eq!(first["type"], "presence");
    assert!(serve(Options { prefix: "chat/".into(), ..Options::default() }).await.is_err());
}

#[tokio::test]
async fn counts_are_shown_to_this_machine() {
    let target = target().await;
    let mut person = Person::signed_up(target.addr(), "alice").await;
    let shown: soakrig::server::ServerCounts =
        serde_json::from_str(&person.get("/_target/counts").await.text().await.unwrap()).unwrap();
    assert_eq!((shown.accounts.signed_up, shown.http.signup_posts, shown.http.requests), (1, 1, 3));
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_it() {
    let target = target().await;
    let error = serve(Options { listen: target.addr(), ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains(&target.addr().to_string()), "{error}");
    tokio::time::timeout(crate::target_client::PATIENCE, target.stop()).await.expect("the stop is bounded");
}
