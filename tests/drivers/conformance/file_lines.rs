//! The driver of protocol files, with a file for the server of lines.

use soakrig::drivers::file::{FileDriver, FileProtocol, ParseOptions, parse};
use soakrig::model::Vocabulary;
use soakrig::protocol::{Capabilities, DriverSettings, Protocol, Session, SetupError};

use super::line_server::LineServer;
use super::{ServerForDriver, conformance};

const FILE: &str = r#"schema = 1
[[log_in]]
get = "/login?user={{user|url}}&password={{password|url}}"
outcome = [{ status = 401, as = "wrong_password" }]
[socket]
url = "{{ws}}/rooms/{{room|url}}"
[[join]]
expect = { equals = "* welcome" }
[message]
send = "{{text}}"
echo = true
[[message.received]]
match = { regex = '^(?P<from>[a-z0-9]+) (?P<text>.*)$' }
text = "group:text"
sender = "group:from"
"#;

pub struct FileLines(FileProtocol);

impl Default for FileLines {
    fn default() -> Self {
        let description = parse::parse("lines.toml", FILE, &ParseOptions::default()).unwrap();
        Self(FileProtocol::new("lines", "suite", description))
    }
}

impl Protocol for FileLines {
    type Driver = FileDriver;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn vocabulary(&self) -> Vocabulary {
        self.0.vocabulary()
    }

    fn driver(&self, settings: DriverSettings) -> Result<FileDriver, SetupError> {
        self.0.driver(settings)
    }
}

pub struct LineServerForFile(LineServer);

impl ServerForDriver for LineServerForFile {
    type Protocol = FileLines;

    const ROOM: &'static str = LineServer::ROOM;
    const REFUSED_ROOM: &'static str = LineServer::REFUSED_ROOM;

    async fn start() -> Self {
        Self(LineServer::start().await)
    }

    fn url(&self) -> String {
        self.0.url()
    }

    fn unknown_session() -> Option<Session> {
        Some(Session::default())
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}

conformance!(LineServerForFile);
