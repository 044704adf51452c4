use std::sync::Arc;

use super::*;
use crate::drivers::file::classify::{BoundFrameRules, Meaning};
use crate::drivers::file::description::{Action, Description, Step};
use crate::drivers::file::expectation::BoundExpectation;
use crate::drivers::file::names::ParseOptions;
use crate::drivers::file::parse::parse;
use crate::drivers::file::template::{Captured, Values};
use crate::marker::{Decoded, GeneratorTag, Marker, RoomTag, RunTag};
use crate::model::MemberChange;
use crate::model::SenderId;

fn shipped(name: &str) -> Description {
    let file = Shipped::named(name).unwrap();
    parse(name, file.text, &ParseOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

const MARKER: Marker =
    Marker { run: RunTag(1), room: RoomTag(2), generator: GeneratorTag(3), seq: 4, intended_micros: 5 };

/// Calls `then` with the values of the connection's user.
fn with<T>(then: impl FnOnce(&Values<'_>) -> T) -> T {
    let (none, mut session) = (Captured::default(), Captured::default());
    assert!(session.set(0, "tok-B"));
    then(&Values {
        user: "B",
        password: "pw",
        index: 1,
        room: "friday",
        base: "http://127.0.0.1:1",
        ws: "ws://127.0.0.1:1",
        run: "r",
        text: Some("a \"b\""),
        seq: Some(1),
        columns: &[],
        session: &session,
        connection: &none,
        local: &none,
    })
}

fn awaited(steps: &[Step], number: &str, outcome: Option<&str>) -> BoundExpectation {
    let Action::Frames { expect, outcomes, .. } = &steps[number.parse::<usize>().unwrap() - 1].action else {
        panic!("step {number} expects no frame");
    };
    let expectation = match outcome {
        None => expect.as_ref().unwrap(),
        Some(name) => &outcomes.iter().find(|(_, outcome)| *outcome.name == *name).unwrap().0,
    };
    with(|values| Arc::clone(expectation).bind(values)).unwrap()
}

fn sender(name: &str) -> SenderId {
    if name == "-" { SenderId::NONE } else { SenderId::text(name) }
}

/// The meaning of a frame, in the words of the recorded files.
fn told(bound: &BoundFrameRules, frame: &str) -> String {
    match bound.read(frame, None, None) {
        Meaning::Refused(rule) => format!("refused {}", bound.rules().refusal(rule).unwrap().name),
        Meaning::Reply(rule) => {
            let mut out = String::from("reply ");
            with(|values| bound.reply(rule, frame, values, &mut out)).unwrap();
            out
        }
        Meaning::Received { decoded, replay, .. } => match (decoded, replay) {
            (Decoded::Intact(marker), false) if marker == MARKER => "received".to_owned(),
            (Decoded::Intact(marker), true) if marker == MARKER => "replay".to_owned(),
            (Decoded::None, false) => "stranger".to_owned(),
            other => format!("{other:?}"),
        },
        Meaning::Members(rule, _) => {
            let mut names = Vec::new();
            let change = bound.members(rule, frame, |name| names.push(name.to_owned())).unwrap();
            let change = match change {
                MemberChange::All => "members",
                MemberChange::Came => "joins",
                MemberChange::Left => "leaves",
            };
            format!("{change} {}", names.join(","))
        }
        Meaning::Frame(rule) => format!("frame {}", bound.rules().frame_name(rule).unwrap()),
        Meaning::Unmatched(decoded) => {
            assert_ne!(decoded, Decoded::None);
            "unmatched".to_owned()
        }
        Meaning::Other => "other".to_owned(),
        Meaning::Expected => "expected".to_owned(),
    }
}

/// Checks a shipped file against recorded frames of its server.
fn hold(name: &str, recorded: &str) {
    let description = shipped(name);
    let bound = with(|values| description.rules.bind(values));
    for line in recorded.lines() {
        let (wanted, frame) = line.split_once(" | ").unwrap();
        let words: Vec<&str> = wanted.split(' ').collect();
        let from = match words.as_slice() {
            ["received" | "replay" | "stranger", from] => sender(from),
            _ => sender("A"),
        };
        let frame = frame.replace("MARKER", &MARKER.encode(from, "Hello there, a marker: a_b-c:d e"));
        let steps = |table: &str| if table == "join" { &description.join } else { &description.sign_up };
        match words.as_slice() {
            [table @ ("join" | "sign_up"), number] => {
                let expect = awaited(steps(table), number, None);
                assert_eq!(bound.read(&frame, None, Some(&expect)), Meaning::Expected, "{name}: {line}");
            }
            ["outcome", table, number, outcome] => {
                assert!(awaited(steps(table), number, Some(outcome)).is_match(&frame), "{name}: {line}");
                assert!(!awaited(steps(table), number, None).is_match(&frame), "{name}: {line}");
            }
            ["received" | "replay" | "stranger", _] => {
                let Meaning::Received { sender, .. } = bound.read(&frame, None, None) else {
                    panic!("{name}: {line}: {}", told(&bound, &frame));
                };
                assert_eq!((told(&bound, &frame).as_str(), sender), (words[0], from), "{name}: {line}");
            }
            _ => assert_eq!(told(&bound, &frame), wanted, "{name}: {line}"),
        }
    }
}

macro_rules! recorded {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            hold($name, include_str!(concat!("../../../../tests/frames/file/", $name, ".txt")));
        })*
    };
}

recorded! {
    socketio_frames_mean_what_they_should: "socketio",
    channels_frames_mean_what_they_should: "channels",
    actioncable_frames_mean_what_they_should: "actioncable",
    graphql_ws_frames_mean_what_they_should: "graphql-ws",
    plain_frames_mean_what_they_should: "plain",
    irc_frames_mean_what_they_should: "irc",
    xmpp_frames_mean_what_they_should: "xmpp",
}

#[test]
fn every_shipped_file_is_in_order_and_says_what_it_is_for() {
    for file in SHIPPED {
        let description = shipped(file.name);
        assert!(description.message.echo, "{}", file.name);
        assert!(file.about().contains("Tested against "), "{}: {}", file.name, file.about());
    }
    let mut names: Vec<_> = SHIPPED.iter().map(|file| file.name).collect();
    names.sort_unstable();
    assert_eq!(names, SHIPPED.map(|file| file.name));
    assert_eq!(Shipped::named("nope"), None);
}

/// The text that a step or message sends.
fn sent(template: &crate::drivers::file::template::Template) -> String {
    let mut out = String::new();
    with(|values| template.render(values, &mut out)).unwrap();
    out
}

#[test]
fn what_is_sent_is_what_the_servers_took() {
    use crate::drivers::file::description::Send;
    for (name, message) in [
        ("socketio", r#"42["chat message","a \"b\""]"#),
        ("channels", r#"{ "message": "a \"b\"" }"#),
        (
            "actioncable",
            r#"{"command":"message","identifier":"{\"channel\":\"ChatChannel\",\"room\":\"friday\"}","data":"{ \"body\": \"a \\\"b\\\"\", \"action\": \"speak\" }"}"#,
        ),
        (
            "graphql-ws",
            r#"{"id":"m1","type":"subscribe","payload":{"query":"mutation($t:String!){send(text:$t)}","variables":{"t":"a \"b\""}}}"#,
        ),
        ("plain", "a \"b\""),
        ("irc", "PRIVMSG #friday :a \"b\""),
        (
            "xmpp",
            "<message xmlns='jabber:client' type='groupchat' to='friday@rooms.localhost' id='m1'><body>a &quot;b&quot;</body></message>",
        ),
    ] {
        let Send::Frame(frame) = &shipped(name).message.send else { panic!("{name} sends no frame") };
        assert_eq!(sent(frame), message, "{name}");
    }
    let xmpp = shipped("xmpp");
    let Action::Frames { send: Some(auth), .. } = &xmpp.join[1].action else { panic!("no frame") };
    assert!(sent(auth).ends_with("mechanism='PLAIN'>AEIAcHc=</auth>"), "\\0B\\0pw");
    assert!(auth.is_secret());
}
