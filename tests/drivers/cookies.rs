//! Cookies as browsers keep them, against a scripted server.

use crate::scripted_server::{ScriptedServer, answer, driver, switching_protocols};
use soakrig::model::{Account, FailureKind, Secret};
use soakrig::protocol::{Driver, Session};
use soakrig::transport::http::cookies::Jar;
use tokio::io::AsyncWriteExt;

const FORM: &str = "<form><input name=csrfmiddlewaretoken value=t0k></form>";
const STATE: &str =
    "window.__INITIAL_STATE__ = {\"plenary\": {\"open\": true}, \"auth\": {\"is_authenticated\": true, \"id\": 1}};";

fn account() -> Account {
    Account { username: "loadtest0".into(), password: Secret::new("Sup3rS3cret") }
}

/// A server that signs in with these cookies, and accepts requests with `sessionid=s1`.
async fn site(cookies: Vec<String>) -> ScriptedServer {
    ScriptedServer::start(move |request, stream| {
        let cookies: Vec<String> = cookies.iter().map(|cookie| format!("Set-Cookie: {cookie}")).collect();
        async move {
            let known =
                request.header("cookie").is_some_and(|sent| sent.split("; ").any(|pair| pair == "sessionid=s1"));
            let mut lines: Vec<&str> = cookies.iter().map(String::as_str).collect();
            match (request.method.as_str(), request.path.as_str()) {
                ("POST", _) => {
                    lines.push("Location: /event/test/");
                    answer(stream, "302 Found", &lines, "").await;
                }
                (_, "/accounts/login/") => answer(stream, "200 OK", &["Set-Cookie: csrftoken=c; Path=/"], FORM).await,
                (_, _) if known => answer(stream, "200 OK", &[], STATE).await,
                _ => answer(stream, "302 Found", &["Location: /accounts/login/?next=/event/test/"], "").await,
            }
        }
    })
    .await
}

async fn signed_in(cookies: Vec<String>) -> Result<(), soakrig::model::Failure> {
    let server = site(cookies).await;
    let driver = driver(&server.url());
    let mut session = Session::default();
    driver.log_in(&account(), &mut session).await?;
    driver.open(&mut session).await.map(|_| ())
}

#[tokio::test]
async fn a_cookie_of_another_path_does_not_replace_the_session() {
    for stray in ["sessionid=x; Path=/admin", "sessionid=; Path=/admin; Max-Age=0"] {
        signed_in(vec!["sessionid=s1; Path=/".into(), stray.into()]).await.expect(stray);
    }
}

#[tokio::test]
async fn fifty_cookies_before_the_session_do_not_lock_a_user_out() {
    let mut cookies: Vec<String> = (0..49).map(|n| format!("c{n}=x; Path=/")).collect();
    cookies.push("sessionid=s1; Path=/".into());
    signed_in(cookies).await.unwrap();
}

#[tokio::test]
async fn a_session_that_no_browser_keeps_fails_and_says_why() {
    for (cookie, why) in [
        ("sessionid=s1; Path=/; Secure", "the cookie sessionid: it is Secure, and this is plain http"),
        ("sessionid=s1; Path=/; Domain=other.example", "the cookie sessionid: its Domain is not that of the server"),
    ] {
        let failure = signed_in(vec![cookie.into()]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::SignedOut);
        assert!(failure.detail.contains(why) && !failure.detail.contains("s1;"), "{failure}");
    }
}

#[tokio::test]
async fn a_cookie_on_the_upgrades_answer_goes_with_the_next_request() {
    let server = ScriptedServer::start(|request, mut stream| async move {
        let head = switching_protocols(&request).replace("\r\n\r\n", "\r\nSet-Cookie: lb=node-2; Path=/\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
    })
    .await;
    let driver = driver(&server.url());
    let mut session = Session::with(Jar::from([("sessionid", "s1")]));
    for _ in 0..2 {
        driver.connect(&mut session).await.unwrap();
    }
    let sent: Vec<String> =
        server.requests().iter().map(|request| request.header("cookie").unwrap().to_owned()).collect();
    assert_eq!(sent, ["sessionid=s1", "sessionid=s1; lb=node-2"]);
}

#[tokio::test]
async fn a_cookie_on_a_refused_upgrade_counts_too() {
    let server =
        ScriptedServer::start(|_, stream| answer(stream, "503 Unavailable", &["Set-Cookie: lb=node-3; Path=/"], ""))
            .await;
    let mut session = Session::default();
    driver(&server.url()).connect(&mut session).await.unwrap_err();
    assert_eq!(session.cookies.value("lb"), Some("node-3"));
}
