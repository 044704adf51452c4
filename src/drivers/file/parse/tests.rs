mod refusals;

use super::*;
use crate::drivers::file::description::{Action, Body, Joined, Program, Send};
use crate::drivers::file::template::{Captured, Template, Values};
use proptest::prelude::*;

/// The example of the documentation, reduced to the required keys.
const LEAST: &str = r#"schema = 1
[socket]
url = "{{ws}}/"
[message]
send = "{{text}}"
[[message.received]]
match = { any = true }
text = "frame"
"#;

fn read(text: &str) -> Result<Description, ParseError> {
    parse("my.toml", text, &ParseOptions::default())
}

fn error(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("no mistake in:\n{text}"),
        Err(mistake) => mistake.to_string(),
    }
}

/// [`LEAST`] followed by more, which begins on line 9.
fn with(more: &str) -> String {
    format!("{LEAST}{more}")
}

fn values<T>(then: impl FnOnce(&Values<'_>) -> T) -> T {
    let none = Captured::default();
    then(&Values {
        user: "u 1",
        password: "p&w\"",
        index: 1,
        room: "r",
        base: "http://h",
        ws: "ws://h",
        run: "x",
        text: Some("hi"),
        seq: Some(0),
        columns: &[],
        session: &none,
        connection: &none,
        local: &none,
    })
}

fn rendered(template: &Template) -> String {
    let mut out = String::new();
    values(|values| template.render(values, &mut out)).unwrap();
    out
}

/// The documentation's example.
const EXAMPLE: &str = r#"
schema = 1
[vars]
path = "/socket.io/"
event = "chat message"
[[sign_up]]
post = "/signup"
json = { username = "{{user}}", password = "{{password}}" }
accept = [201]
outcome = [{ status = 409, as = "name_taken" }]
[[log_in]]
post = "/login"
json = { username = "{{user}}", password = "{{password}}" }
accept = [200]
outcome = [{ status = 401, as = "wrong_password" }]
capture = { token = "json:/token" }
[socket]
url = "{{ws}}{{path}}?EIO=4&transport=websocket"
silent_after = "45s"
[[join]]
expect = { prefix = "0{" }
[[join]]
send = '40{"token":{{token|json}}}'
[[join]]
expect = { prefix = "40" }
[[join]]
send = '42{{seq}}["join",{{room|json}}]'
[[join]]
expect = { prefix = "43{{seq}}[" }
[[reply]]
match = { equals = "2" }
send = "3"
[[refusal]]
match = { prefix = "44" }
as = "signed_out"
[message]
send = '42[{{event|json}},{{text|json}}]'
identity = "{{user}}"
echo = true
ordered = true
[[message.received]]
match = { prefix = "42", json = { "/0" = "{{event}}" } }
text = "json:/1/text"
sender = "json:/1/from"
[[members]]
match = { prefix = "42", json = { "/0" = "members" } }
list = "json:/1"
[[leave]]
send = "41"
"#;

#[test]
fn the_example_is_read() {
    let description = read(EXAMPLE).unwrap();
    let counts = [&description.sign_up, &description.log_in, &description.join, &description.leave].map(Vec::len);
    assert_eq!(counts, [1, 1, 5, 1]);
    let Action::Request(log_in) = &description.log_in[0].action else { panic!("no request") };
    let Body::Json(body) = &log_in.body else { panic!("no JSON") };
    assert_eq!(rendered(body), r#"{"username":"u 1","password":"p&w\""}"#);
    assert!(log_in.accepts(200) && !log_in.accepts(201) && body.is_secret());
    let failure = |status| values(|values| log_in.outcome(status, "", values).map(|o| o.name.to_string()));
    assert_eq!((failure(401).as_deref(), failure(200)), (Some("wrong_password"), None));
    assert_eq!(rendered(&description.socket.url), "ws://h/socket.io/?EIO=4&transport=websocket");
    assert_eq!(description.socket.silent_after, Some(std::time::Duration::from_secs(45)));
    let Send::Frame(frame) = &description.message.send else { panic!("no frame") };
    assert_eq!(rendered(frame), r#"42["chat message","hi"]"#);
    assert_eq!((description.message.echo, description.joined), (true, Joined::LastStep));
    assert_eq!((description.join[3].title.as_str(), description.join[3].line), ("join step 4", 26));
    assert_eq!(description.session_captures, ["token"]);
}

#[test]
fn the_least_file_has_its_defaults() {
    let description = read(LEAST).unwrap();
    assert!(!description.message.echo && description.message.ordered);
    assert_eq!(rendered(&description.socket.origin), "http://h");
    assert!(description.message.identity.is_none() && !description.rules.names_senders());
    assert!(description.join.is_empty() && description.keepalive.is_none());
}

#[test]
fn a_mistake_names_file_line_key_and_remedy() {
    let said = error(&with("[[join]]\nsendd = \"x\"\n"));
    assert_eq!(
        said,
        "my.toml:10: join step 1: unknown key \"sendd\", did you mean send?\n  remedy: the keys here are send, expect, \
         wait, get, post, put, form, json, headers, accept, outcome, capture, timeout"
    );
}

#[test]
fn exec_needs_leave_and_takes_no_secrets() {
    let step = |argument: &str| {
        with(&format!(
            "[[log_in]]\nexec = [\"token\", \"{argument}\"]\ncapture = {{ t = \"json:/t\" }}\n[[leave]]\nsend = \"{{{{t}}}}\"\n"
        ))
    };
    assert!(
        error(&step("{{user}}"))
            .contains("my.toml:10: log_in step 1, exec: the step runs a program\n  remedy: give --allow-exec")
    );
    let given = ParseOptions { allow_exec: true, ..ParseOptions::default() };
    let description = parse("my.toml", &step("{{user}}"), &given).unwrap();
    let Action::Exec(Program { arguments, captures }) = &description.log_in[0].action else { panic!("no exec") };
    assert_eq!((arguments.len(), captures.len()), (2, 1));
    let said = parse("my.toml", &step("{{password}}"), &given).unwrap_err().to_string();
    assert!(said.contains("an argument holds a secret"), "{said}");
}

#[test]
fn what_is_given_beside_the_file_is_checked_too() {
    let given = |set: &[(&str, &str)], columns: &[&str]| ParseOptions {
        set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        allow_exec: false,
    };
    let text = with("[vars]\npath = \"/\"\n[[leave]]\nsend = \"{{path}}{{token}}\"\n");
    let said = |given: &ParseOptions| parse("my.toml", &text, given).unwrap_err().to_string();
    assert!(said(&given(&[], &[])).contains("nothing sets {{token}}"));
    assert!(parse("my.toml", &text, &given(&[("token", "x")], &[])).is_ok());
    let accounts = given(&[], &["username", "password", "token"]);
    let description = parse("my.toml", &text, &accounts).unwrap();
    let Action::Frames { send: Some(leave), .. } = &description.leave[0].action else { panic!("no frame") };
    assert!(leave.is_secret(), "columns are secrets");
    assert!(
        said(&given(&[("token", "x"), ("pth", "/")], &[]))
            .contains("my.toml: --set pth: the file has no variable pth, did you mean path?")
    );
    assert!(said(&given(&[("token", "x"), ("user", "/")], &[])).contains("--set user: user is a built-in"));
    assert!(said(&given(&[], &["username", "token", "room"])).contains("--accounts, column room: room is a built-in"));
}

#[test]
fn field_names_and_patterns_take_variables_that_are_the_same_for_all() {
    let text = with(
        "[vars]\nfield = \"data/te.xt\"\n[[join]]\nget = \"/\"\ncapture = { a = \"json:/{{field}}\", b = \"regex:x{{field}}(.)\" }\n\
         [[leave]]\nsend = \"{{a}}{{b}}\"\n",
    );
    assert_eq!(read(&text).unwrap().connection_captures, ["a", "b"]);
    let user = text.replace("{{field}}", "{{user}}");
    assert!(error(&user).contains("must be the same for all users"));
}

#[test]
fn bodies_keep_the_files_order_and_encode_by_themselves() {
    let text = with(
        "[[log_in]]\npost = \"/\"\njson = { z = \"{{password}}\", a = [1, 1.5, true, { \"k\\\"\" = \"v\" }], \"é\" = 0x10 }\n\
         [[log_in]]\npost = \"/\"\nform = { \"z z\" = \"{{password}}\", a = \"{{user}}\" }\n\
         [[log_in]]\npost = \"/\"\njson = '{\"p\":{{password|json}}}'\n",
    );
    let bodies: Vec<String> = read(&text)
        .unwrap()
        .log_in
        .iter()
        .map(|step| match &step.action {
            Action::Request(request) => match &request.body {
                Body::Json(body) | Body::Form(body) => rendered(body),
                Body::Empty => String::new(),
            },
            _ => String::new(),
        })
        .collect();
    assert_eq!(bodies[0], r#"{"z":"p&w\"","a":[1,1.5,true,{"k\"":"v"}],"é":16}"#);
    assert_eq!(bodies[1], "z+z=p%26w%22&a=u+1");
    assert_eq!(bodies[2], r#"{"p":"p&w\""}"#);
}

#[test]
fn what_a_file_makes_of_secrets_is_known() {
    let text = with(
        "[vars]\nboth = \"{{user}}:{{password}}\"\n[[leave]]\nsend = \"Basic {{both|base64}} {{password|url}}\"\n",
    );
    let secrets = values(|values| read(&text).unwrap().secrets(values));
    assert_eq!(secrets.mask("dSAxOnAmdyI= and p%26w%22 and p&w\" and u 1"), "*** and *** and *** and u 1");
}

proptest! {
    #[test]
    fn arbitrary_files_never_panic(line in "\\PC{0,80}", at in 0..60_usize, cut in any::<bool>()) {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let at = at % lines.len();
        if cut { lines[at] = &line } else { lines.insert(at, &line) }
        if let Err(mistake) = read(&lines.join("\n")) {
            prop_assert!(!mistake.why.is_empty() && !mistake.remedy.is_empty());
        }
        let _ = read(&line);
    }

    #[test]
    fn a_file_without_some_of_its_lines_never_panics(kept in prop::collection::vec(any::<bool>(), 60)) {
        let lines = EXAMPLE.lines().zip(kept.iter().cycle()).filter(|(line, kept)| **kept || line.starts_with("schema"));
        let text: Vec<&str> = lines.map(|(line, _)| line).collect();
        if let Err(mistake) = read(&text.join("\n")) {
            prop_assert!(!mistake.why.is_empty() && !mistake.remedy.is_empty());
        }
    }
}

/// The page that describes the format.
const PAGE: &str = include_str!("../../../../docs/protocols.md");

#[test]
fn the_file_that_the_page_builds_is_in_order() {
    let steps = PAGE.split("\n## ").find(|part| part.starts_with("One file, step by step")).unwrap();
    let blocks = steps.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let file: Vec<&str> = blocks.collect();
    assert!(file.len() >= 5);
    read(file[0]).unwrap_or_else(|e| panic!("the first step: {e}"));
    let description = read(&file.join("\n")).unwrap_or_else(|e| panic!("all steps: {e}"));
    assert_eq!(description.join.len(), 3);
}

#[test]
fn the_page_names_every_key_source_filter_and_failure() {
    use crate::drivers::file::keys::{MATCHER, TABLES};
    let keys = TABLES.iter().flat_map(|table| table.keys).chain(MATCHER.keys).map(|key| key.name);
    let built_in = crate::drivers::file::template::BuiltIn::ALL.into_iter().map(|(name, _)| name);
    let failures = crate::drivers::file::outcome::KNOWN.into_iter().map(|(name, _)| name);
    for name in keys
        .chain(built_in)
        .chain(failures.filter(|name| !["too_many_requests", "unavailable", "server_message"].contains(name)))
    {
        let named = ["`NAME`", "`NAME ", "[NAME]", "NAME = ", "`NAME:", ".NAME]"]
            .iter()
            .any(|form| PAGE.contains(&form.replace("NAME", name)));
        assert!(named, "docs/protocols.md does not name {name}");
    }
}
