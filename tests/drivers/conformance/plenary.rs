//! The plenary driver on the embedded server.

use super::{ServerForDriver, conformance};
use soakrig::drivers::plenary::PlenaryProtocol;
use soakrig::protocol::Session;
use soakrig::server::{self, Options, Server};

pub struct EmbeddedServer(Server);

impl ServerForDriver for EmbeddedServer {
    type Protocol = PlenaryProtocol;

    const ROOM: &'static str = "test";
    const REFUSED_ROOM: &'static str = "nowhere";

    async fn start() -> Self {
        Self(server::serve(Options::default()).await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.addr())
    }

    fn unknown_session() -> Option<Session> {
        let mut session = Session::default();
        session.cookies.restore("sessionid", "0123456789abcdef", "Path=/");
        Some(session)
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}

conformance!(EmbeddedServer);
