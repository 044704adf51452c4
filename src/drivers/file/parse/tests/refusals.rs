//! Files that are refused, and what is said of them.

use super::*;

/// What stands behind [`LEAST`], and what its error must hold.
fn refused(cases: &[(&str, &[&str])]) {
    for (more, expected) in cases {
        let said = error(&with(more));
        for part in *expected {
            assert!(said.contains(part), "{more}\n{said}\nlacks {part}");
        }
    }
}

#[test]
fn the_file_as_a_whole_must_be_one() {
    for (text, expected) in [
        ("", "my.toml:1: the file has no schema"),
        ("schema = 2\n", "my.toml:1: schema: this soakrig reads protocol files of schema 1 only"),
        ("schema = \"1\"\n", "schema 1 only"),
        ("schema = 1\n", "has no [socket]"),
        ("schema = 1\n[socket]\n", "my.toml:2: socket: the socket has no url"),
        ("schema = 1\nschema = 1\n", "my.toml:2: not TOML"),
        ("schema = 1\n[socket\n", "my.toml:2: not TOML"),
        ("schema = 1\n[socket]\nurl = \"{{ws}}/\"\n", "has no [message]"),
        ("schema = 1\n[socket]\nurl = \"/ws\"\n", "my.toml:3: socket, url: \"/ws\" does not begin with ws://"),
        ("schema = 1\nsocket = 5\n", "my.toml:2: socket: an integer is not what socket can be"),
        ("schema = 1\n[[socket]]\nurl = \"x\"\n", "an array is not what socket can be"),
    ] {
        assert!(error(text).contains(expected), "{text}: {}", error(text));
    }
    let said = error("schema = 1\n[vars]\nkey = \"hunter2\" oops\n");
    assert!(said.contains("my.toml:3") && !said.contains("hunter2"), "{said}");
    let long = format!("schema = 1\n#{}", "x".repeat(LONGEST));
    assert!(error(&long).contains("longer than 256 KiB"));
}

#[test]
fn unknown_keys_are_told_with_the_nearest_or_where_they_belong() {
    refused(&[
        ("[vrs]\n", &["my.toml:9", "unknown key \"vrs\", did you mean vars?"]),
        ("[keepalive]\nevery = \"5s\"\necho = true\n", &["my.toml:11: keepalive", "echo belongs to message"]),
        ("[[join]]\nschema = 1\n", &["schema belongs at the top of the file"]),
        ("[[join]]\nexpect = { prefx = \"0\" }\n", &["my.toml:10: join step 1, expect", "did you mean prefix?"]),
        (
            "[[refusal]]\nmatch = { prefix = \"4\" }\nname = \"x\"\nas = \"refused\"\n",
            &["my.toml:11", "unknown key \"name\""],
        ),
    ]);
}

#[test]
fn values_of_the_wrong_type_are_told_with_what_is_wanted() {
    refused(&[
        ("[[join]]\nsend = 5\n", &["my.toml:10: join step 1, send", "an integer is not", "wants a text"]),
        ("[[join]]\nexpect = \"0\"\n", &["a string is not", "a table of equals, prefix"]),
        ("[keepalive]\nevery = 25\n", &["wants a duration such as"]),
        ("[[join]]\nget = \"/\"\naccept = [\"200\"]\n", &["a number, or a list of numbers"]),
        ("[[join]]\nget = \"/\"\ncapture = \"x\"\n", &["{ token = \"json:/token\" }"]),
        ("[[join]]\nexpect = { any = false }\n", &["wants true"]),
        ("[[join]]\nexpect = { json = { \"/a\" = [1] } }\n", &["JSON pointers and values"]),
        ("[[sign_up]]\non = \"http\"\nsend = \"x\"\n", &["\"http\" is not what on can be", "wants \"socket\""]),
        ("[vars]\na = [1]\n", &["a table of names and values"]),
        ("[vars]\na = { secret = true }\n", &["my.toml:10: vars, a", "has no value"]),
        ("[vars]\na = { value = \"x\", secrt = true }\n", &["unknown key \"secrt\""]),
    ]);
}

#[test]
fn names_mean_one_thing_and_something_sets_them() {
    refused(&[
        (
            "[[leave]]\nsend = \"{{tokn}}\"\n[vars]\ntoken = \"x\"\n",
            &["my.toml:10: leave step 1, send", "did you mean token?"],
        ),
        ("[vars]\nuser = \"x\"\n", &["my.toml:10: vars, user", "built-in"]),
        ("[vars]\n\"a-b\" = \"x\"\n", &["cannot name a variable"]),
        ("[vars]\na = \"{{b}}\"\nb = \"{{a}}\"\n", &["my.toml:10", "has a cycle: a → b → a"]),
        ("[vars]\na = \"{{nope}}\"\n", &["my.toml:10: vars, a", "nothing sets {{nope}}"]),
        ("[[leave]]\nsend = \"{{text}}\"\n", &["{{text}} has no value here", "[message]"]),
        ("[[log_in]]\nget = \"/{{seq}}\"\n", &["{{seq}} has no value here"]),
        ("[[leave]]\nsend = \"{{user\"\n", &["my.toml:10", "{{ is not closed"]),
        ("[[leave]]\nsend = \"{{user|jason}}\"\n", &["unknown filter \"jason\", did you mean json?"]),
        (
            "[[log_in]]\nget = \"/{{t}}\"\n[[log_in]]\nget = \"/\"\ncapture = { t = \"json:/t\" }\n",
            &["my.toml:10: log_in step 1, get", "{{t}} has no value here yet"],
        ),
        (
            "[[log_in]]\nget = \"/\"\ncapture = { t = \"json:/t\" }\n",
            &["my.toml:11: log_in step 1, capture", "nothing uses t", "or leave it out"],
        ),
        ("[[log_in]]\nget = \"/\"\ncapture = { room = \"json:/t\" }\n", &["my.toml:11", "room is a built-in variable"]),
        (
            "[vars]\nt = \"x\"\n[[log_in]]\nget = \"/\"\ncapture = { t = \"json:/t\" }\n",
            &["my.toml:13", "t is already set by [vars]"],
        ),
        (
            "[[sign_up]]\nget = \"/\"\ncapture = { t = \"json:/t\" }\n[[log_in]]\nget = \"/{{t}}\"\n",
            &["my.toml:13: log_in step 1", "{{t}} has no value here yet"],
        ),
        (
            "[[reply]]\nmatch = { regex = \"(?P<a>x)\" }\nsend = \"y\"\ncapture = { a = \"group:a\" }\n",
            &["my.toml:12: reply rule 1, capture", "nothing uses a"],
        ),
        ("[[refusal]]\nmatch = { equals = \"{{seq}}\" }\nas = \"refused\"\n", &["{{seq}} has no value here"]),
    ]);
}

#[test]
fn patterns_pointers_selectors_and_headers_must_be_possible() {
    refused(&[
        ("[[join]]\nexpect = { regex = \"(a\" }\n", &["my.toml:10: join step 1, expect, regex", "unclosed group"]),
        (
            "[[join]]\nexpect = { json = { \"type\" = \"x\" } }\n",
            &["my.toml:10", "does not begin with /", "such as /0"],
        ),
        ("[[join]]\nexpect = { has = [\"/a~\"] }\n", &["~ is not followed"]),
        ("[[join]]\nexpect = { json = { \"/{{user}}\" = 1 } }\n", &["must be the same for all users"]),
        ("[[join]]\nget = \"/\"\nheaders = { \"a b\" = \"x\" }\n", &["my.toml:11", "\"a b\" cannot name a header"]),
        ("[[join]]\nget = \"/\"\nheaders = { Host = \"x\" }\n", &["Host cannot be set by a file"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = \"css:[[@value\" }\n", &["is not a CSS selector"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = \"header:a b\" }\n", &["cannot name a header"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = \"cookie:\" }\n", &["names no cookie"]),
        (
            "[[join]]\nget = \"/\"\ncapture = { t = \"/token\" }\n",
            &["unknown source \"/token\", did you mean json:/…?"],
        ),
        ("[[join]]\nget = \"/\"\ncapture = { t = \"jsn:/token\" }\n", &["did you mean json?"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = \"regex:(\" }\n", &["unclosed group"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = [] }\n", &["the list of sources is empty"]),
        ("[[join]]\nexpect = { any = true }\ncapture = { t = \"header:x\" }\n", &["reads an answer over HTTP"]),
        ("[[join]]\nget = \"/\"\ncapture = { t = [\"json:/a\", \"header:x\"] }\n", &["put it first in the list"]),
        ("[[join]]\nexpect = { any = true }\ncapture = { t = \"group:a\" }\n", &["add a regex to the matcher"]),
        (
            "[[join]]\nexpect = { regex = \"(?P<token>x)\" }\ncapture = { t = \"group:tokn\" }\n",
            &["has no group \"tokn\", did you mean token?", "it has token"],
        ),
        ("[[refusal]]\nclose = 70000\nas = \"refused\"\n", &["70000 is not a close code"]),
        ("[[join]]\nget = \"/\"\naccept = 2000\n", &["2000 is not an HTTP status"]),
        ("[[join]]\nget = \"login\"\n", &["\"login\" is neither a path nor a URL"]),
        ("[keepalive]\nevery = \"25\"\n", &["\"25\" is not a duration"]),
        ("[[join]]\nwait = \"{{user}}s\"\n[[join]]\nsend = \"x\"\n", &["wait is the same for all users"]),
        ("[[frame]]\nmatch = { any = true }\nname = \"My Frame\"\n", &["cannot be a name here"]),
        ("[[refusal]]\nmatch = { any = true }\nas = \"name_takn\"\n", &["did you mean name_taken?"]),
    ]);
}

#[test]
fn a_step_does_one_thing() {
    refused(&[
        ("[[join]]\ntimeout = \"5s\"\n", &["my.toml:9: join step 1", "neither sends nor expects", "add send, expect"]),
        ("[[log_in]]\ntimeout = \"5s\"\n", &["add get, post or put"]),
        ("[[join]]\nsend = \"x\"\nget = \"/\"\n", &["send and get", "two steps"]),
        ("[[join]]\nget = \"/\"\nwait = \"1s\"\n", &["get and wait"]),
        ("[[join]]\nsend = \"x\"\nform = { a = \"b\" }\n", &["form belongs to a request"]),
        ("[[join]]\nsend = \"x\"\ncapture = { t = \"frame\" }\n", &["the step does not wait for one", "add expect"]),
        ("[[join]]\nget = \"/\"\nform = { a = \"b\" }\n", &["a GET has no body"]),
        ("[[join]]\npost = \"/\"\nform = { a = \"b\" }\njson = \"x\"\n", &["a request has one body"]),
        ("[[sign_up]]\nsend = \"x\"\n", &["send needs a socket", "on = \"socket\""]),
        ("[[sign_up]]\non = \"socket\"\nget = \"/\"\n", &["leave out on"]),
        ("[[join]]\nexpect = {}\n", &["the matcher has no key", "any = true"]),
        ("[[join]]\nexpect = { any = true, prefix = \"x\" }\n", &["any = true means every frame"]),
        ("[[join]]\nsend = \"x\"\n[[join]]\nwait = \"1s\"\n", &["my.toml:12: join step 2, wait", "own_message"]),
        (
            "[[join]]\nget = \"/\"\noutcome = [{ as = \"refused\" }]\n",
            &["outcome number 1", "add status, body or match"],
        ),
        ("[[join]]\nget = \"/\"\noutcome = [{ status = 409 }]\n", &["does not say what it means"]),
        ("[[join]]\nexpect = { any = true }\noutcome = [{ status = 409, as = \"refused\" }]\n", &["use match"]),
    ]);
}

#[test]
fn rules_are_whole() {
    refused(&[
        ("[[reply]]\nsend = \"x\"\n", &["my.toml:9: reply rule 1", "which frames it matches"]),
        ("[[reply]]\nmatch = { any = true }\n", &["the reply sends nothing"]),
        ("[[refusal]]\nmatch = { any = true }\n", &["does not say what it means"]),
        ("[[refusal]]\nmatch = { any = true }\nclose = 4000\nas = \"refused\"\n", &["a frame or a close code"]),
        ("[[members]]\nmatch = { any = true }\n", &["give one of list, joins and leaves"]),
        ("[[members]]\nmatch = { any = true }\nlist = \"frame\"\njoins = \"frame\"\n", &["one thing about members"]),
        ("[[message.received]]\nmatch = { any = true }\n", &["where the text is"]),
        (
            "[[message.received]]\nmatch = { any = true }\ntext = \"frame\"\nsender = \"json:/a\"\n",
            &["my.toml:6: message, received rule 1", "name their sender, but this one does not"],
        ),
    ]);
}

#[test]
fn the_message_is_whole() {
    let message = |text: &str| LEAST.replace("send = \"{{text}}\"\n", text);
    for (text, expected) in [
        ("", "the file does not say how a message is sent"),
        ("send = \"x\"\n", "my.toml:5: message, send: the message does not hold its text"),
        ("send = \"{{text}}\"\npost = \"/\"\n", "a message is sent one way"),
        ("send = \"{{text}}\"\naccept = 200\n", "accept belongs to a message over HTTP"),
        ("post = \"/\"\njson = { a = \"b\" }\n", "the message does not hold its text"),
        ("send = \"{{text}}\"\nidentity = \"{{user}}\"\n", "no message names one"),
        ("send = \"{{text}}\"\njoined = \"own_message\"\n", "my.toml:6: message, joined: without echo"),
        ("send = \"{{text}}\"\njoined = \"own\"\n", "wants \"last_step\" or \"own_message\""),
    ] {
        assert!(error(&message(text)).contains(expected), "{text}: {}", error(&message(text)));
    }
    let said = error(&LEAST.replace("schema = 1\n", "schema = 1\njoined = \"own_message\"\n"));
    assert!(said.contains("my.toml:2: joined: without echo"), "{said}");
    let text = message("send = \"{{text}}\"\necho = true\njoined = \"own_message\"\n");
    assert_eq!(read(&text).unwrap().joined, Joined::OwnMessage);
    for over_http in
        ["post = \"/\"\nform = { m = \"{{text}}\" }\n", "put = \"/{{text|url}}\"\n", "post = \"/\"\njson = [\"x\"]\n"]
    {
        let outcome = read(&message(over_http));
        assert_eq!(outcome.is_ok(), !over_http.contains('['), "{over_http}");
    }
}
