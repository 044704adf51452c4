//! The cookies that a jar keeps and sends.

use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn headers<S: AsRef<str>>(lines: &[S]) -> HeaderMap {
    lines.iter().map(|line| (SET_COOKIE, line.as_ref().parse().unwrap())).collect()
}

fn after(asked: &str, lines: &[&str]) -> Jar {
    let mut jar = Jar::default();
    jar.absorb(&headers(lines), &url(asked));
    jar
}

/// The cookies sent to `asked` after it has set `lines`.
fn sent(asked: &str, lines: &[&str]) -> String {
    header(&after(asked, lines), asked)
}

fn header(jar: &Jar, asked: &str) -> String {
    jar.header(&url(asked)).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

const HTTP: &str = "http://chat.example/";
const HTTPS: &str = "https://chat.example/";

#[test]
fn the_notices_cookie_survives_byte_for_byte() {
    let value = r#""[[\"__json_message\"\0540\05425\054\"Signed in as $x.\"]]$9f0c""#;
    let lines = [&format!("messages={value}; HttpOnly; Path=/; SameSite=Lax"), "sessionid=abc; Path=/"];
    assert_eq!(sent(HTTP, &lines), format!("messages={value}; sessionid=abc"));
}

#[test]
fn deletion_is_honoured() {
    let mut jar = after(HTTP, &["a=1", "b=2", "c=3", "d=4"]);
    let lines = [
        "a=; Max-Age=0; Path=/",
        "b=; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
        "c=5; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60",
    ];
    assert_eq!(jar.absorb(&headers(&lines), &url(HTTP)), None);
    assert_eq!(header(&jar, HTTP), "c=5; d=4");
}

#[test]
fn a_cookie_of_another_path_is_another_cookie() {
    let mut jar = after(HTTP, &["sessionid=real; Path=/", "sessionid=admin; Path=/admin"]);
    assert_eq!(header(&jar, HTTP), "sessionid=real");
    assert_eq!(header(&jar, "http://chat.example/admin/x"), "sessionid=admin; sessionid=real");
    jar.absorb(&headers(&["sessionid=; Path=/admin; Max-Age=0"]), &url(HTTP));
    assert_eq!(header(&jar, "http://chat.example/admin/x"), "sessionid=real");
}

#[test]
fn without_a_path_a_cookie_belongs_to_the_folder_it_was_set_in() {
    let jar = after("http://chat.example/accounts/login/", &["a=1"]);
    assert_eq!(header(&jar, "http://chat.example/accounts/login/x"), "a=1");
    assert_eq!(header(&jar, "http://chat.example/event/"), "");
}

#[test]
fn fifty_cookies_and_more_are_kept_and_the_oldest_go_first() {
    let mut lines: Vec<String> = (0..49).map(|n| format!("c{n}=x; Path=/")).collect();
    lines.push("sessionid=s; Path=/".into());
    let mut jar = Jar::default();
    jar.absorb(&headers(&lines), &url(HTTP));
    assert_eq!((jar.len(), jar.value("sessionid")), (50, Some("s")));
    let more: Vec<String> = (0..10_000).map(|n| format!("d{n}=x; Path=/")).collect();
    jar.absorb(&headers(&more), &url(HTTP));
    assert_eq!((jar.len(), jar.value("d9999"), jar.value("c0")), (COUNT_LIMIT, Some("x"), None));
}

#[test]
fn all_cookies_together_are_bounded() {
    let lines: Vec<String> = (0..100).map(|n| format!("c{n}={}; Path=/", "x".repeat(4000))).collect();
    let mut jar = Jar::default();
    jar.absorb(&headers(&lines), &url(HTTP));
    assert!((10..20).contains(&jar.len()), "{}", jar.len());
}

#[test]
fn what_a_browser_refuses_is_refused_and_said_without_the_value() {
    let long = format!("a={}", "x".repeat(SIZE_LIMIT));
    for (asked, line, why) in [
        (HTTP, "a=s3cret; Secure", "plain http"),
        ("http://127.0.0.1:8000/", "a=s3cret; Secure", "plain http"),
        (HTTP, "a=s3cret; Domain=other.example", "Domain"),
        (HTTP, "a=s3cret; Domain=hat.example", "Domain"),
        ("http://chat.example.co.uk/", "a=s3cret; Domain=co.uk", "public suffix"),
        ("http://me.github.io/", "a=s3cret; Domain=.github.io", "public suffix"),
        ("http://chat.internal/", "a=s3cret; Domain=internal", "public suffix"),
        (HTTPS, "__Host-a=s3cret; Secure", "__Host-"),
        (HTTPS, "__Host-a=s3cret; Secure; Path=/; Domain=chat.example", "__Host-"),
        (HTTPS, "__Secure-a=s3cret", "__Secure-"),
        (HTTPS, "a=s3cret; SameSite=None", "SameSite"),
        (HTTP, &long, "larger"),
        (HTTP, "s3cret", "read"),
    ] {
        let mut jar = Jar::default();
        let refused = jar.absorb(&headers(&[line]), &url(asked)).unwrap_or_default();
        assert!(refused.contains(why) && jar.is_empty(), "{line}: {refused}");
        assert!(line == "s3cret" || !refused.contains("s3cret"), "{refused}");
    }
}

#[test]
fn what_a_browser_keeps_is_kept() {
    for (asked, line) in [
        (HTTPS, "a=1; Secure; SameSite=None"),
        (HTTPS, "__Host-a=1; Secure; Path=/"),
        ("http://a.chat.example/", "a=1; Domain=.chat.example"),
        ("http://localhost/", "a=1; Domain=localhost"),
        ("http://127.0.0.1/", "a=1; Domain=127.0.0.1"),
        ("http://github.io/", "a=1; Domain=github.io"),
        (HTTP, "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT"),
        (HTTP, "a=1; Max-Age=99999999999999999999"),
    ] {
        let pair = line.split(';').next().unwrap();
        assert_eq!(sent(asked, &[line]), pair, "{line}");
        let jar = after(asked, &[line]);
        let mut again = Jar::default();
        jar.saved().for_each(|(name, value, attributes)| again.restore(name, value, attributes));
        assert_eq!(again, jar, "{line}");
        assert_eq!(header(&again, asked), pair, "{line}");
    }
}

#[test]
fn a_cookie_that_has_expired_is_not_sent() {
    let mut jar = Jar::default();
    jar.restore("a", "1", "Path=/; Expires=Thu, 01 Jan 2026 00:00:00 GMT");
    jar.restore("b", "2", "Path=/; Expires=Thu, 01 Jan 2099 00:00:00 GMT");
    assert_eq!(header(&jar, HTTP), "b=2");
}

#[test]
fn a_cookie_saved_without_its_path_goes_everywhere_until_its_name_is_set() {
    let mut jar = Jar::from([("sessionid", "old"), ("csrftoken", "t")]);
    assert_eq!(header(&jar, "http://chat.example/p/x"), "sessionid=old; csrftoken=t");
    jar.absorb(&headers(&["sessionid=new; Path=/p"]), &url("http://chat.example/p/"));
    assert_eq!(header(&jar, "http://chat.example/p/x"), "sessionid=new; csrftoken=t");
    jar.absorb(&headers(&["csrftoken=; Path=/p; Max-Age=0"]), &url("http://chat.example/p/"));
    assert_eq!(header(&jar, "http://chat.example/p/x"), "sessionid=new");
}

#[test]
fn a_cache_file_cannot_smuggle_headers() {
    let mut jar = Jar::from([("a", "x\r\nEvil: 1"), ("b", "2"), ("c", "x; d=1"), ("", "x")]);
    jar.restore("e", "1", "Path=/\r\nEvil: 1");
    assert_eq!(header(&jar, HTTP), "b=2");
    assert_eq!(format!("{jar:?}"), "Jar(1 cookies)");
}

proptest! {
    #[test]
    fn any_header_leaves_a_sound_jar(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..30)) {
        let mut set = HeaderMap::new();
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                set.append(SET_COOKIE, value);
            }
        }
        let mut jar = Jar::default();
        jar.absorb(&set, &url(HTTP));
        let sent = jar.header(&url(HTTP)).map_or(0, |header| header.len());
        prop_assert!(sent <= TOTAL_LIMIT);
        let mut again = Jar::default();
        jar.saved().for_each(|(name, value, attributes)| again.restore(name, value, attributes));
        prop_assert_eq!(again, jar);
    }
}
