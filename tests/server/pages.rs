//! The embedded server's pages: forms, sessions, redirects, the event page.

use crate::client::{Client, PASSWORD, initial_state};
use soakrig::server::{Options, Server, serve};

async fn start_server() -> Server {
    serve(Options::default()).await.unwrap()
}

fn location(answer: &reqwest::Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn sign_up_sets_session_csrf_and_messages_cookies() {
    let server = start_server().await;
    let mut client = Client::new(server.addr());
    let answer = client.sign_up("alice").await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/events/"));
    assert!(client.cookies["messages"].contains("$[[\\\""), "{}", client.cookies["messages"]);
    assert_eq!(client.cookies["csrftoken"].len(), 64);
    assert_eq!(client.get("/accounts/signup/").await.status(), 302);
    let page = client.get("/event/test/").await;
    assert_eq!(page.status(), 200);
    assert!(!client.cookies.contains_key("messages"), "a page that shows messages takes them away");
    let page = page.text().await.unwrap();
    assert!(page.contains(r"\/breakout\/1\/"));
    let state = initial_state(&page).unwrap();
    assert_eq!(state["auth"]["username"], "alice");
    assert_eq!(state["plenary"]["open"], true);
    assert_eq!(state["breakouts"].as_array().unwrap().len(), 5);
    assert_eq!(state["breakouts"][0]["max_attendees"], 10);
}

#[tokio::test]
async fn a_refused_sign_up_shows_the_reason() {
    let server = start_server().await;
    Client::signed_up(server.addr(), "alice").await;
    let mut client = Client::new(server.addr());
    let answer = client.sign_up("ALICE").await;
    assert_eq!(answer.status(), 200);
    let page = scraper::Html::parse_document(&answer.text().await.unwrap());
    let reasons = scraper::Selector::parse("span.help-block").unwrap();
    let reasons: Vec<String> = page.select(&reasons).map(|reason| reason.text().collect()).collect();
    assert_eq!(reasons, ["An account with that username already exists."]);
    let counts = server.counts();
    assert_eq!((counts.accounts.signed_up, counts.accounts.signups_refused, counts.accounts.now), (1, 1, 1));
}

#[tokio::test]
async fn posts_without_the_csrf_pair_are_refused() {
    let server = start_server().await;
    let mut client = Client::new(server.addr());
    let fields = [("login", "alice"), ("password", PASSWORD)];
    assert_eq!(client.post("/accounts/login/", &fields).await.status(), 403);
    client.get("/accounts/login/").await;
    let wrong = "x".repeat(64);
    let fields = [("csrfmiddlewaretoken", wrong.as_str()), ("login", "alice")];
    assert_eq!(client.post("/accounts/login/", &fields).await.status(), 403);
    assert_eq!(server.counts().http.csrf_refused, 2);
}

#[tokio::test]
async fn https_posts_without_a_referer_are_refused() {
    let server = start_server().await;
    let mut client = Client::new(server.addr());
    client.headers.push(("X-Forwarded-Proto", "https".into()));
    assert_eq!(client.sign_up("alice").await.status(), 403);
    client.headers.push(("Referer", format!("https://{}/accounts/signup/", server.addr())));
    assert_eq!(client.sign_up("alice").await.status(), 302);
}

#[tokio::test]
async fn five_failed_log_ins_lock_the_name() {
    let server = start_server().await;
    Client::signed_up(server.addr(), "alice").await;
    let mut client = Client::new(server.addr());
    for _ in 0..5 {
        let page = client.log_in("alice", "wrong-password").await.text().await.unwrap();
        assert!(page.contains("The username and/or password you specified are not correct."));
    }
    let page = client.log_in("alice", PASSWORD).await.text().await.unwrap();
    assert!(page.contains("Too many failed login attempts. Try again later."));
    assert_eq!(server.counts().accounts.logins_locked, 1);
}

#[tokio::test]
async fn log_in_redirects_to_the_next_path() {
    let server = start_server().await;
    Client::signed_up(server.addr(), "alice").await;
    let mut client = Client::new(server.addr());
    let answer = client.get("/event/test/").await;
    let login = location(&answer).to_owned();
    assert_eq!(login, "/accounts/login/?next=/event/test/");
    let answer = client.submit(&login, &[("login", "Alice"), ("password", PASSWORD)]).await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/event/test/"));
    assert_eq!(client.get("/event/test/").await.status(), 200);
}

#[tokio::test]
async fn known_paths_redirect_or_answer_and_others_are_404() {
    let server = start_server().await;
    let mut client = Client::signed_up(server.addr(), "alice").await;
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
        assert_eq!(client.get(path).await.status(), status, "{path}");
    }
    let mut anonymous = Client::new(server.addr());
    anonymous.cookies.insert("sessionid".into(), "unknown".into());
    assert_eq!(anonymous.get("/event/test/").await.status(), 302);
    assert_eq!(anonymous.get("/breakout/1/").await.status(), 302);
}

#[tokio::test]
async fn plenaries_that_are_not_open_show_anonymous_visitors_a_reduced_state() {
    let server = start_server().await;
    let mut anonymous = Client::new(server.addr());
    for (slug, canceled) in [("closed", false), ("future", false), ("cancelled", true)] {
        let page = anonymous.get(&format!("/event/{slug}/")).await.text().await.unwrap();
        let state = initial_state(&page).unwrap();
        assert_eq!(state["plenary"]["open"], false, "{slug}");
        assert_eq!(state["plenary"]["canceled"], canceled, "{slug}");
        assert_eq!(state["auth"]["is_authenticated"], false);
        assert!(state.get("breakouts").is_none());
    }
}

#[tokio::test]
async fn deleting_an_account_ends_its_session() {
    let server = start_server().await;
    let mut client = Client::signed_up(server.addr(), "alice").await;
    let session = client.cookies["sessionid"].clone();
    let answer = client.submit("/accounts/delete/", &[]).await;
    assert_eq!((answer.status().as_u16(), location(&answer)), (302, "/"));
    client.cookies.insert("sessionid".into(), session);
    assert_eq!(client.get("/event/test/").await.status(), 302);
    assert_eq!(server.counts().accounts.now, 0);
}

#[tokio::test]
async fn a_prefix_applies_to_every_path() {
    let server = serve(Options { prefix: "/chat".into(), ..Options::default() }).await.unwrap();
    let mut client = Client::new(server.addr());
    assert_eq!(client.get("/accounts/signup/").await.status(), 404);
    let fields = [("username", "alice"), ("password1", PASSWORD), ("password2", PASSWORD)];
    let answer = client.submit("/chat/accounts/signup/", &fields).await;
    assert_eq!(location(&answer), "/chat/events/");
    let (_line, first) = client.join("/chat/event/test/").await;
    assert_eq!(first["type"], "presence");
    assert!(serve(Options { prefix: "chat/".into(), ..Options::default() }).await.is_err());
}

#[tokio::test]
async fn counts_are_served_on_loopback() {
    let server = start_server().await;
    let mut client = Client::signed_up(server.addr(), "alice").await;
    let shown: soakrig::server::ServerCounts =
        serde_json::from_str(&client.get("/_target/counts").await.text().await.unwrap()).unwrap();
    assert_eq!((shown.accounts.signed_up, shown.http.signup_posts, shown.http.requests), (1, 1, 3));
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_the_address() {
    let server = start_server().await;
    let error = serve(Options { listen: server.addr(), ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains(&server.addr().to_string()), "{error}");
    tokio::time::timeout(crate::client::TIMEOUT, server.stop()).await.expect("the stop is bounded");
}
