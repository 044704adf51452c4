//! Every table and key of a protocol file, for the parser's checks, the suggestions in errors, and the JSON schema for
//! editors.

/// A table of the file.
pub(super) struct Table {
    /// Its name in errors.
    pub(super) name: &'static str,
    /// Its purpose, in a sentence.
    pub(super) about: &'static str,
    /// Its keys.
    pub(super) keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

/// The type of a key's value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    Boolean,
    /// `true`, and nothing else.
    True,
    /// The number 1.
    Schema,
    /// A number, or a list of numbers.
    Integers,
    /// `45s`, `300ms`, `1.5s`, `2m`, `1h`.
    Duration,
    /// A list of texts.
    Texts,
    /// A text, or a list of texts that chain.
    Source,
    /// Names and texts.
    TextTable,
    /// Names and sources.
    SourceTable,
    /// Names, and texts, numbers, booleans or `{ value, secret }`.
    Variables,
    /// JSON pointers and what they must find.
    Values,
    /// A text, or any table.
    Json,
    /// One table.
    One(&'static Table),
    /// A list of tables.
    Many(&'static Table),
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about }
}

const GET: Key = key("get", Kind::Text, "The path or URL of a GET request.");
const POST: Key = key("post", Kind::Text, "The path or URL of a POST request.");
const PUT: Key = key("put", Kind::Text, "The path or URL of a PUT request.");
const FORM: Key = key("form", Kind::TextTable, "The fields of an HTML form; they are encoded.");
const JSON: Key = key("json", Kind::Json, "A JSON body: a table, whose texts are encoded, or a text as it is.");
const HEADERS: Key = key("headers", Kind::TextTable, "Headers by name.");
const ACCEPT: Key = key("accept", Kind::Integers, "The statuses that mean success (default: 200 to 299).");
const OUTCOME: Key =
    key("outcome", Kind::Many(&OUTCOMES), "Answers that mean a failure; the first that matches applies.");
const CAPTURE: Key = key("capture", Kind::SourceTable, "Variables, and the sources of their values.");
const TIMEOUT: Key = key("timeout", Kind::Duration, "The timeout of the step (default: --http-timeout).");
const SEND: Key = key("send", Kind::Text, "The frame to send.");
const EXPECT: Key = key("expect", Kind::One(&MATCHER), "The frame to wait for.");
const WAIT: Key = key("wait", Kind::Duration, "How long to wait, whatever arrives.");
const MATCH: Key = key("match", Kind::One(&MATCHER), "The frames that the rule matches.");
const AS: Key = key("as", Kind::Text, "The name of the failure, such as name_taken, wrong_password or signed_out.");
const DECODE: Key = key("decode", Kind::Choice(&["xml"]), "How texts are decoded after they are found.");

/// The file as a whole.
pub(super) static FILE: Table = Table {
    name: "",
    about: "A protocol file: how soakrig signs in, joins, sends and receives on one kind of server.",
    keys: &[
        key("schema", Kind::Schema, "The version of this format: 1."),
        JOINED,
        key("vars", Kind::Variables, "Variables; --set and --accounts override them."),
        key("sign_up", Kind::Many(&SIGN_UP), "The steps that create an account."),
        key("log_in", Kind::Many(&LOG_IN), "The steps that sign in to an account."),
        key("socket", Kind::One(&SOCKET), "How the websocket is opened."),
        key("join", Kind::Many(&JOIN), "The steps from the open socket until the user has joined the room."),
        key("reply", Kind::Many(&REPLY), "Frames to answer."),
        key("keepalive", Kind::One(&KEEPALIVE), "What is sent to keep the connection open."),
        key("refusal", Kind::Many(&REFUSAL), "Frames and close codes that mean a failure."),
        key("message", Kind::One(&MESSAGE), "How a message is sent and received."),
        key("members", Kind::Many(&MEMBERS), "Frames that say who is in the room."),
        key("frame", Kind::Many(&FRAME), "Names for additional kinds of frames."),
        key("leave", Kind::Many(&LEAVE), "The steps before the socket is closed."),
    ],
};

const JOINED: Key = key(
    "joined",
    Kind::Choice(&["last_step", "own_message"]),
    "The sign that a user has joined: the last step of join (default), or the arrival of its own message.",
);

static SIGN_UP: Table = Table { name: "sign_up", about: "A step of the sign-up.", keys: ACCOUNT_KEYS };
static LOG_IN: Table = Table { name: "log_in", about: "A step of the log-in.", keys: ACCOUNT_KEYS };

const ACCOUNT_KEYS: &[Key] = &[
    GET,
    POST,
    PUT,
    FORM,
    JSON,
    HEADERS,
    ACCEPT,
    OUTCOME,
    CAPTURE,
    TIMEOUT,
    key("on", Kind::Choice(&["socket"]), "\"socket\": the step sends and expects frames on its own socket."),
    SEND,
    EXPECT,
    WAIT,
    key("exec", Kind::Texts, "A program and its arguments; needs --allow-exec."),
];

pub(super) static SOCKET: Table = Table {
    name: "socket",
    about: "How the websocket is opened.",
    keys: &[
        key("url", Kind::Text, "Its URL, usually beginning with {{ws}}."),
        key("origin", Kind::Text, "The Origin header (default: {{base}})."),
        HEADERS,
        key("subprotocols", Kind::Texts, "Subprotocols to offer."),
        key("binary", Kind::Boolean, "Whether frames are sent as binary messages."),
        key("split", Kind::Text, "What separates several frames in one websocket message."),
        key("silent_after", Kind::Duration, "A connection that is silent for this long is dead."),
    ],
};

static JOIN: Table = Table {
    name: "join",
    about: "A step of the join.",
    keys: &[SEND, EXPECT, WAIT, GET, POST, PUT, FORM, JSON, HEADERS, ACCEPT, OUTCOME, CAPTURE, TIMEOUT],
};

static LEAVE: Table = Table {
    name: "leave",
    about: "A step before the socket is closed.",
    keys: &[SEND, EXPECT, WAIT, GET, POST, PUT, FORM, JSON, HEADERS, ACCEPT, OUTCOME, TIMEOUT],
};

static REPLY: Table = Table { name: "reply", about: "A frame to answer.", keys: &[MATCH, SEND, CAPTURE] };

pub(super) static KEEPALIVE: Table = Table {
    name: "keepalive",
    about: "What is sent to keep the connection open.",
    keys: &[
        key("every", Kind::Duration, "How often; may come from a capture, as in \"{{interval}}ms\"."),
        key("send", Kind::Text, "The frame to send (default: a websocket ping)."),
    ],
};

static REFUSAL: Table = Table {
    name: "refusal",
    about: "A frame or close code that means a failure.",
    keys: &[MATCH, key("close", Kind::Integers, "The close codes that mean it."), AS],
};

pub(super) static MESSAGE: Table = Table {
    name: "message",
    about: "How a message is sent and received.",
    keys: &[
        SEND,
        GET,
        POST,
        PUT,
        FORM,
        JSON,
        HEADERS,
        ACCEPT,
        OUTCOME,
        TIMEOUT,
        key("identity", Kind::Text, "How the server names this user as a sender (default: {{user}})."),
        key("echo", Kind::Boolean, "Whether the server sends a message back to its sender (default: false)."),
        key("ordered", Kind::Boolean, "Whether the server keeps the order of one sender's messages (default: true)."),
        JOINED,
        key("received", Kind::Many(&RECEIVED), "Frames that are messages."),
    ],
};

static RECEIVED: Table = Table {
    name: "message.received",
    about: "A frame that is a message.",
    keys: &[
        MATCH,
        key("text", Kind::Source, "Where the message's text is."),
        key("sender", Kind::Source, "Where the sender is named; leave it out if the protocol names none."),
        key("replay", Kind::Boolean, "Whether these messages are history."),
        DECODE,
    ],
};

static MEMBERS: Table = Table {
    name: "members",
    about: "A frame that says who is in the room.",
    keys: &[
        MATCH,
        key("list", Kind::Source, "The whole list: a JSON array."),
        key("joins", Kind::Source, "Users who joined: a name, or a JSON array."),
        key("leaves", Kind::Source, "Users who left: a name, or a JSON array."),
        key("name", Kind::Source, "Where the name is in each element of the array, if elements are not plain names."),
        DECODE,
    ],
};

static FRAME: Table = Table {
    name: "frame",
    about: "An additional kind of frame, which is only counted.",
    keys: &[MATCH, key("name", Kind::Text, "The name of the kind.")],
};

static OUTCOMES: Table = Table {
    name: "outcome",
    about: "An answer that means a failure.",
    keys: &[
        key("status", Kind::Integers, "The statuses of the answer."),
        key("body", Kind::Text, "A text that the body contains."),
        key("match", Kind::One(&MATCHER), "What the body or the frame must match."),
        AS,
    ],
};

/// The table that selects frames.
pub(super) static MATCHER: Table = Table {
    name: "match",
    about: "Selects frames: all keys must match.",
    keys: &[
        key("equals", Kind::Text, "The whole frame."),
        key("prefix", Kind::Text, "The start of the frame; json and has read the rest."),
        key("contains", Kind::Text, "A text that the frame contains."),
        key("regex", Kind::Text, "A regular expression that matches somewhere in the frame."),
        key("json", Kind::Values, "JSON pointers and the values that they must find, of the same type."),
        key("has", Kind::Texts, "JSON pointers that must find something."),
        key("any", Kind::True, "true: every frame."),
    ],
};

/// Every table, to suggest the right one for a misplaced key.
pub(super) static TABLES: [&Table; 14] = [
    &FILE, &SIGN_UP, &LOG_IN, &SOCKET, &JOIN, &REPLY, &KEEPALIVE, &REFUSAL, &MESSAGE, &RECEIVED, &MEMBERS, &FRAME,
    &LEAVE, &OUTCOMES,
];

impl Table {
    /// The key with this name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// The type in words, as in "wants …".
    pub(super) fn wanted(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Choice(texts) => texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" or "),
            Self::Boolean => "true or false".to_owned(),
            Self::True => "true".to_owned(),
            Self::Schema => "the number 1".to_owned(),
            Self::Integers => "a number, or a list of numbers".to_owned(),
            Self::Duration => "a duration such as \"45s\", \"1.5s\" or \"300ms\"".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Source => "a source such as \"json:/token\", or a list of sources".to_owned(),
            Self::TextTable => "a table of names and texts".to_owned(),
            Self::SourceTable => "a table of names and sources, such as { token = \"json:/token\" }".to_owned(),
            Self::Variables => "a table of names and values".to_owned(),
            Self::Values => "a table of JSON pointers and values, such as { \"/type\" = \"welcome\" }".to_owned(),
            Self::Json => "a table, or a text".to_owned(),
            Self::One(table) => {
                format!("a table of {}", table.keys.iter().map(|k| k.name).collect::<Vec<_>>().join(", "))
            }
            Self::Many(table) if table.name == "outcome" => {
                "a list of tables, such as [{ status = 409, as = \"name_taken\" }]".to_owned()
            }
            Self::Many(table) => format!("tables headed [[{}]]", table.name),
        }
    }
}
