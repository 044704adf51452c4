use std::sync::LazyLock;

use super::*;
use crate::drivers::file::ParseOptions;
use crate::drivers::file::description::{Action, Description};
use crate::drivers::file::parse::parse;
use crate::drivers::file::shipped::Shipped;
use crate::marker::Decoded;
use crate::marker::{GeneratorTag, RoomTag, RunTag};
use crate::model::{MemberChange, SenderId};
use proptest::prelude::*;

const RULES: &str = r#"schema = 1
[socket]
url = "{{ws}}/"
[[join]]
expect = { contains = "all" }
[[join]]
send = "x"
expect = { prefix = "id " }
capture = { id = "regex:id (.*)" }
[[refusal]]
match = { contains = "refuse" }
as = "refused"
[[refusal]]
match = { contains = "refused twice" }
as = "locked"
[[refusal]]
close = [4401, 4402]
as = "signed_out"
[[reply]]
match = { contains = "reply", regex = "reply (?P<n>\\d+)" }
capture = { n = "group:n" }
send = "{{n}} to {{user}}"
[message]
send = "{{text}}"
[[message.received]]
match = { contains = "history" }
text = "json:/text"
sender = "json:/from"
replay = true
[[message.received]]
match = { contains = "received" }
text = ["json:/text"]
sender = "json:/from"
[[message.received]]
match = { contains = "received" }
text = "json:/body/0"
sender = "json:/from"
[[message.received]]
match = { json = { "/to" = "{{id}}" } }
text = "json:/text"
sender = "json:/from"
[[members]]
match = { contains = "members", json = { "/kind" = "all" } }
list = "json:/list"
name = "json:/name"
[[members]]
match = { contains = "members", json = { "/kind" = "in" } }
joins = "json:/who"
[[frame]]
match = { contains = "frame" }
name = "typing"
"#;

const MARKER: Marker =
    Marker { run: RunTag(1), room: RoomTag(2), generator: GeneratorTag(3), seq: 4, intended_micros: 5 };

fn description(text: &str) -> Description {
    parse("rules.toml", text, &ParseOptions::default()).unwrap()
}

fn with<T>(user: &str, id: Option<&str>, then: impl FnOnce(&Values<'_>) -> T) -> T {
    let (none, mut connection) = (Captured::default(), Captured::default());
    assert!(id.is_none_or(|id| connection.set(0, id)));
    let session = &none;
    then(&Values {
        user,
        password: "pw",
        index: 1,
        room: "r",
        base: "",
        ws: "",
        run: "",
        text: None,
        seq: Some(0),
        columns: &[],
        session,
        connection: &connection,
        local: &none,
    })
}

fn bound(text: &str) -> Arc<BoundFrameRules> {
    let rules = description(text).rules;
    with("u", None, |values| rules.bind(values))
}

fn awaited(step: usize) -> BoundExpectation {
    let Action::Frames { expect, .. } = &description(RULES).join[step].action else { panic!("no frames") };
    with("u", None, |values| Arc::clone(expect.as_ref().unwrap()).bind(values)).unwrap()
}

fn message(from: &str, text: &str) -> Meaning {
    Meaning::Received {
        rule: 1,
        sender: SenderId::text(from),
        decoded: Marker::decode(SenderId::text(from), text),
        replay: false,
    }
}

#[test]
fn a_frame_is_offered_in_the_order_of_precedence() {
    let rules = bound(RULES);
    let mut text =
        r#"{"all": "refuse reply 7 received members frame", "text": "hi", "from": "a", "kind": "all"}"#.to_owned();
    let expect = awaited(0);
    for (gone, meaning) in
        [("refuse ", Meaning::Refused(0)), ("reply 7 ", Meaning::Reply(0)), ("\"all\": ", Meaning::Expected)]
    {
        assert_eq!(rules.read(&text, None, Some(&expect)), meaning, "{text}");
        text = text.replace(gone, if gone.starts_with('"') { "\"x\": " } else { "" });
    }
    text = text.replace("\"kind\": \"all\"", "\"kind\": \"in\"");
    for (gone, meaning) in [
        ("received ", message("a", "hi")),
        ("members ", Meaning::Members(1, MemberChange::Came)),
        ("frame", Meaning::Frame(0)),
        ("nothing", Meaning::Other),
    ] {
        assert_eq!(rules.read(&text, None, Some(&expect)), meaning, "{text}");
        text = text.replace(gone, "");
    }
}

#[test]
fn within_a_table_the_first_rule_that_fits_wins() {
    let rules = bound(RULES);
    assert_eq!(rules.read("refused twice", None, None), Meaning::Refused(0));
    let body = r#"{"x": "received", "body": ["hi"], "from": 7}"#;
    let Meaning::Received { rule, sender, .. } = rules.read(body, None, None) else { panic!("no message") };
    assert_eq!((rule, sender), (2, SenderId::number(7)), "a rule whose text is missing does not fit");
    let Meaning::Received { replay, .. } = rules.read(r#"{"x": "history", "text": "", "from": ""}"#, None, None) else {
        panic!("no message");
    };
    assert!(replay);
}

#[test]
fn a_message_without_its_sender_is_none() {
    let rules = bound(RULES);
    for frame in [r#"{"x": "received", "text": "hi", "from": null}"#, r#"{"x": "received", "text": "hi"}"#] {
        assert_eq!(rules.read(frame, None, None), Meaning::Other, "{frame}");
    }
}

#[test]
fn an_unmatched_frame_with_a_marker_is_reported() {
    let rules = bound(RULES);
    let marked = format!("nobody knows {}", MARKER.encode(SenderId::NONE, "text"));
    assert_eq!(rules.read(&marked, None, None), Meaning::Unmatched(Decoded::Corrupt(Some(MARKER))));
    assert_eq!(rules.read("nobody knows", None, None), Meaning::Other);
    assert_eq!(rules.read(&format!("a frame of {marked}"), None, None), Meaning::Frame(0), "a rule names it");
}

#[test]
fn close_codes_have_their_meaning() {
    let rules = description(RULES).rules;
    assert_eq!(rules.close(4402).map(|outcome| &*outcome.name), Some("signed_out"));
    assert_eq!(rules.close(1000), None);
    let names: Vec<&str> = rules.refusal_outcomes().map(|outcome| &*outcome.name).collect();
    assert_eq!(names, ["refused", "locked", "signed_out", "signed_out"]);
    assert_eq!(rules.frame_names().collect::<Vec<_>>(), ["typing"]);
}

#[test]
fn a_reply_takes_its_captures_from_the_frame() {
    let rules = bound(RULES);
    let mut out = String::from("> ");
    with("bob", None, |values| rules.reply(0, "reply 42", values, &mut out)).unwrap();
    assert_eq!(out, "> 42 to bob");
}

#[test]
fn members_are_read_by_name() {
    let rules = bound(RULES);
    let names = |rule, text: &str| {
        let mut names = Vec::new();
        let change = rules.members(rule, text, |name| names.push(name.to_owned()));
        (change, names.join(","))
    };
    let all = r#"{"members": 1, "kind": "all", "list": [{"name": "a"}, {"name": 7}, {"name": "\u0063"}]}"#;
    assert_eq!(names(0, all), (Some(MemberChange::All), "a,7,c".to_owned()));
    for wrong in [r#"[{"name": "a"}, {"nam": 7}]"#, "5", "null", "\"a\""] {
        let text = format!("{{\"members\": 1, \"kind\": \"all\", \"list\": {wrong}}}");
        assert_eq!(names(0, &text).0, None, "{text}");
    }
    let joins = |who: &str| names(1, &format!("{{\"members\": 1, \"kind\": \"in\", \"who\": {who}}}"));
    assert_eq!(joins("\"[bot]\""), (Some(MemberChange::Came), "[bot]".to_owned()));
    assert_eq!(joins("[\"a\", \"b\"]"), (Some(MemberChange::Came), "a,b".to_owned()));
}

#[test]
fn a_rule_waits_for_the_captures_that_it_takes() {
    let rules = description(RULES).rules;
    let frame = r#"{"to": "me", "text": "hi", "from": "a"}"#;
    let before = with("u", None, |values| rules.bind(values));
    assert_eq!(before.read(frame, Some(900), None), Meaning::Other);
    let mut captured = Captured::default();
    let step = awaited(1);
    assert!(step.is_match("id me"));
    step.capture("id me", &mut captured).unwrap();
    let after = with("u", captured.get(0), |values| rules.bind(values));
    assert!(
        matches!(after.read(frame, Some(900), None), Meaning::Received { rule: 3, .. }),
        "the same text, other rules"
    );
}

#[test]
fn connections_with_the_same_values_share_their_rules() {
    let rules = description(RULES).rules;
    let bind = |user: &str, id: &str| with(user, Some(id), |values| rules.bind(values));
    let one = bind("a", "1");
    assert!(Arc::ptr_eq(&one, &bind("b", "1")), "the rules do not take the user");
    assert!(!Arc::ptr_eq(&one, &bind("a", "2")));
    for n in 0..1000 {
        let _ = bind("a", &n.to_string());
    }
    let kept = rules.bound.lock().unwrap().len();
    assert!(kept < 100, "{kept} unused");
}

#[test]
fn a_text_that_is_known_is_not_read_again() {
    let rules = bound(RULES);
    let frame = r#"{"x": "received", "text": "hi", "from": "a"}"#;
    assert_eq!(rules.read(frame, Some(77), None), message("a", "hi"));
    // The number identifies the text, so a different text with the same number shows that nothing was parsed.
    assert_eq!(rules.read("other", Some(77), None), message("a", "hi"));
    assert_eq!(rules.read("other", Some(77 + 64), None), Meaning::Other, "another number of the same place");
    assert_eq!(rules.read("other", None, None), Meaning::Other);
    assert_eq!(rules.read(frame, Some(78), Some(&awaited(0))), message("a", "hi"));
    let waits = r#"{"all": "received", "text": "hi", "from": "a"}"#;
    assert_eq!(rules.read(waits, Some(79), None), message("a", "hi"));
    assert_eq!(rules.read(waits, Some(79), Some(&awaited(0))), Meaning::Expected, "the step comes first all the same");
}

/// Frames of one kind with different texts.
fn frames(shape: &str) -> Vec<String> {
    let from = if shape == "TEXT" { SenderId::NONE } else { SenderId::text("A") };
    let text = |n: u64| Marker { seq: n, ..MARKER }.encode(from, &format!("say \"{n}\" & <é>"));
    let json = |n| serde_json::to_string(&text(n)).unwrap();
    let xml = |n| text(n).replace('&', "&amp;").replace('<', "&lt;");
    let frame = |n| shape.replace("JSON", &json(n)).replace("XML", &xml(n)).replace("TEXT", &text(n));
    (0..300).map(frame).collect()
}

/// Messages of the shipped files.
const MESSAGES: [(&str, &str); 7] = [
    ("socketio", r#"42["chat message",{"from":"A","text":JSON,"at":1795690099999}]"#),
    ("channels", r#"{"message": JSON, "user": "A"}"#),
    (
        "actioncable",
        r#"{"identifier":"{\"channel\":\"ChatChannel\",\"room\":\"r\"}","message":{"user":"A","user_id":1,"body":JSON}}"#,
    ),
    ("graphql-ws", r#"{"id":"chat","type":"next","payload":{"data":{"chat":{"from":"A","text":JSON}}}}"#),
    ("plain", "TEXT"),
    ("irc", ":A!u@127.0.0.1 PRIVMSG #r :TEXT"),
    (
        "xmpp",
        "<message type='groupchat' to='b@localhost/R' xmlns='jabber:client' from='r@rooms.localhost/A'><body>XML</body></message>",
    ),
];

#[test]
fn reading_frames_allocates_nothing() {
    for (name, shape) in MESSAGES {
        let rules = bound(Shipped::named(name).unwrap().text);
        let frames = frames(shape);
        let read = || {
            let intact = |frame: &&String| {
                let meaning = rules.read(frame, None, None);
                matches!(meaning, Meaning::Received { decoded: Decoded::Intact(_), .. })
            };
            assert_eq!(frames.iter().filter(intact).count(), frames.len(), "{name}");
        };
        read();
        assert_eq!(allocation_counter::measure(read).count_total, 0, "{name}");
    }
}

#[test]
fn a_message_that_differs_only_in_what_no_rule_looks_at_is_known_by_its_shape() {
    for (name, shape) in MESSAGES {
        let rules = bound(Shipped::named(name).unwrap().text);
        let structural = rules.structures.iter().flatten().count();
        assert_eq!(structural > 0, shape.contains("JSON"), "{name}");
        let frame = frames(shape).swap_remove(0);
        let meaning = rules.read(&frame, None, None);
        let stamped = frame.replace("1795690099999", "1795690100000").replace("\"user_id\":1", "\"user_id\":234");
        assert_eq!(rules.read(&stamped, None, None), meaning, "{name}");
        // Damage is still noticed.
        let damaged = frame.replace("say", "sav");
        assert_ne!(rules.read(&damaged, None, None), meaning, "{name}");
        let other = frame.replace("\"A\"", "\"B\"").replace(":A!", ":B!").replace("/A'", "/B'");
        assert!(rules.read(&other, None, None) != meaning || name == "plain", "{name}");
    }
}

/// Source of text numbers.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The rules of the shipped file for the message with this number.
fn shipped(which: usize) -> &'static Arc<FrameRules> {
    static RULES: LazyLock<Vec<Arc<FrameRules>>> = LazyLock::new(|| {
        MESSAGES.iter().map(|(name, _)| description(Shipped::named(name).unwrap().text).rules).collect()
    });
    &RULES[which]
}

/// A frame of one kind whose text has no escapes.
fn plain_frame(shape: &str, nth: usize) -> String {
    let text = Marker { seq: 7 * nth as u64, ..MARKER }.encode(SenderId::text("A"), &"say it ".repeat(nth));
    shape.replace("JSON", &format!("\"{text}\""))
}

/// Message frames, each changed a little at a few places.
fn changed() -> impl Strategy<Value = (usize, Vec<String>)> {
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[ -~]{0,3}|[0-9a-z]{1,4}|é");
    (
        0..4_usize,
        prop::collection::vec((0..3_usize, prop::bool::weighted(0.8), prop::collection::vec(change, 0..3)), 1..12),
    )
        .prop_map(|(which, frames)| {
            let shape = MESSAGES[which].1.replace('}', ",\"n\": 17,\"to\": \"bob\",\"f\": -1.5}");
            let bases = self::frames(&shape);
            let apply = |mut frame: String, (at, length, to): &(prop::sample::Index, prop::sample::Index, String)| {
                let start = at.index(frame.len());
                let end = (start + length.index(4)).min(frame.len());
                if frame.is_char_boundary(start) && frame.is_char_boundary(end) {
                    frame.replace_range(start..end, to);
                }
                frame
            };
            let frame = |(nth, plain, changes): &(usize, bool, Vec<_>)| {
                // A text without escapes may differ in a shape.
                let base = if *plain { plain_frame(&shape, *nth) } else { bases[*nth].clone() };
                changes.iter().fold(base, apply)
            };
            (which, frames.iter().map(frame).collect())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn shapes_change_no_meaning((which, frames) in changed()) {
        let rules = with("u", None, |values| shipped(which).bind(values));
        for frame in &frames {
            // Rules that have not read anything yet know no shapes.
            let fresh = with("u", None, |values| BoundFrameRules::new(shipped(which), values));
            prop_assert_eq!(rules.read(frame, None, None), fresh.read(frame, None, None), "{}", frame);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_frames_never_panic_and_mean_the_same_again(text in "\\PC{0,80}", at in 0..7_usize) {
        let shape = MESSAGES[at].1;
        let rules = with("u", None, |values| shipped(at).bind(values));
        for text in [text.clone(), shape.replace("JSON", &text), shape.replace("A", &text)] {
            let meaning = rules.read(&text, None, None);
            let number = 1_000_000 + NUMBERS.fetch_add(1, Ordering::Relaxed);
            prop_assert_eq!(rules.read(&text, Some(number), None), meaning);
            prop_assert_eq!(rules.read(&text, Some(number), None), meaning);
        }
    }
}
