//! A driver for tests: a line-based chat over a websocket, `sender text` per message. Nothing
//! outside this file knows it, and it is not registered.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use soakrig::clock::{Clock, Stamp};
use soakrig::marker::Marker;
use soakrig::model::{
    Account, DeliveryRules, Failure, FailureKind, FrameKind, HttpStep, OwnName, SenderId, Vocabulary,
};
use soakrig::protocol::{
    Capabilities, Connection, DecodeCache, Driver, DriverSettings, Event, Outgoing, Progress, Protocol, Received,
    RoomPage, Session, SetupError,
};
use soakrig::transport::dial::Dialer;
use soakrig::transport::http::{Ask, Browser, BrowserSettings, Origin, Page};
use soakrig::transport::ws::frame::Opcode;
use soakrig::transport::ws::handshake::{self, Options, Upgrade, UpgradeHeaders};
use soakrig::transport::ws::reader::Message;
use soakrig::transport::ws::socket::WebSocket;
use url::Url;

/// The server's confirmation that the user is in the room.
const WELCOME: FrameKind = FrameKind::Own(&OwnName::at::<0>("welcome"));

#[derive(Default)]
pub struct LineProtocol;

impl Protocol for LineProtocol {
    type Driver = LineChat;

    fn name(&self) -> &'static str {
        "lines"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: DeliveryRules::ALL,
            sign_up: false,
            passwords: false,
            delete: false,
            side_rooms: false,
            member_lists: false,
            max_text: None,
            max_username: None,
        }
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { frames: &[WELCOME], ..Vocabulary::COMMON }
    }

    fn driver(&self, settings: DriverSettings) -> Result<LineChat, SetupError> {
        let no_host = || SetupError::Url { reason: "it has no host" };
        let origin = Origin::of(&settings.base).ok().flatten().ok_or_else(no_host)?;
        let dialer = settings.connection.dialer()?;
        let sockets = Options::of(&settings.connection);
        let (base, room, clock) = (settings.base, settings.room, settings.clock);
        let browser = Browser::new(BrowserSettings {
            dialer: Arc::clone(&dialer),
            timeout: settings.connection.http_timeout,
            secrets: settings.secrets,
            harmless: &[],
            probe: settings.probe,
            trace: settings.trace,
        });
        let decoded = Arc::default();
        Ok(LineChat { base, room, origin, browser, dialer, sockets, clock, decoded, seeds: AtomicU64::new(1) })
    }
}

pub struct LineChat {
    base: Url,
    room: String,
    origin: Origin,
    browser: Browser,
    dialer: Arc<Dialer>,
    sockets: Options,
    clock: Clock,
    decoded: Arc<DecodeCache>,
    seeds: AtomicU64,
}

impl LineChat {
    async fn get<T>(
        &self,
        step: HttpStep,
        path: &str,
        session: &mut Session,
        judge: impl FnOnce(Page) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let url = self.base.join(path).map_err(|e| Failure::with(FailureKind::BadRequest, e.to_string()))?;
        let ask = Ask { step, url, form: None, limit: 1024, leads_on: false, custom: None };
        self.browser.visit(&self.origin, session, ask, judge).await
    }

    fn page(&self) -> String {
        format!("rooms/{}", self.room)
    }
}

fn judged(page: &Page, unauthorised: FailureKind) -> Result<(), Failure> {
    match page.status.as_u16() {
        200 => Ok(()),
        401 => Err(Failure::new(unauthorised)),
        404 => Err(Failure::new(FailureKind::NotFound)),
        _ => Err(page.unhoped()),
    }
}

impl Driver for LineChat {
    type Connection = LineConnection;

    async fn log_in(&self, who: &Account, session: &mut Session) -> Result<(), Failure> {
        let pairs = [("user", who.username.as_str()), ("password", who.password.reveal())];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let path = format!("login?{query}");
        self.get(HttpStep::Login, &path, session, |page| judged(&page, FailureKind::WrongPassword)).await
    }

    async fn open(&self, session: &mut Session) -> Result<RoomPage, Failure> {
        self.get(HttpStep::Room, &self.page(), session, |page| {
            judged(&page, FailureKind::SignedOut)?;
            let name = String::from_utf8_lossy(&page.body).into_owned();
            let user_id = SenderId::text(&name);
            Ok(RoomPage { user_id, side_rooms: Vec::new(), capacity: None, page_bytes: page.body.len() })
        })
        .await
    }

    async fn connect(&self, session: &mut Session) -> Result<LineConnection, Failure> {
        let url = self.base.join(&self.page()).map_err(|e| Failure::with(FailureKind::BadRequest, e.to_string()))?;
        let upgrade =
            Upgrade { origin: &self.origin, url: &url, session, traceparent: None, asked: UpgradeHeaders::default() };
        let seed = self.seeds.fetch_add(1, Ordering::Relaxed);
        let socket = handshake::open(&self.dialer, upgrade, self.sockets, self.clock, seed).await?;
        Ok(LineConnection { socket, decoded: Arc::clone(&self.decoded) })
    }

    async fn preflight(&self) -> Result<(), Failure> {
        let mut visitor = Session::default();
        self.get(HttpStep::Room, &self.page(), &mut visitor, |page| match page.status.as_u16() {
            401 => Ok(()),
            _ => judged(&page, FailureKind::SignedOut),
        })
        .await
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, Failure> {
        Ok(Vec::new())
    }
}

pub struct LineConnection {
    socket: WebSocket,
    decoded: Arc<DecodeCache>,
}

/// What a line means.
fn meaning(line: &str) -> (FrameKind, Event<'static>) {
    match line.split_once(' ') {
        Some(("*", _)) => (WELCOME, Event::Other),
        Some((sender, text)) => {
            let sender = SenderId::text(sender);
            let decoded = Marker::decode(sender, text);
            (FrameKind::Chat, Event::Message { sender, decoded, replay: false })
        }
        None => (FrameKind::Malformed, Event::Malformed { decoded: Marker::decode_fragment(line) }),
    }
}

fn on_message(at: Stamp, message: Message<'_>, decoded: &DecodeCache, sink: &mut impl FnMut(Received<'_>)) {
    let (kind, event) = match message {
        Message::Text(text, number) => decoded.find(text, number).unwrap_or_else(|| {
            let (kind, event) = meaning(text);
            decoded.keep(number, kind, &event);
            (kind, event)
        }),
        Message::Ping(_) => (FrameKind::Ping, Event::Other),
        Message::Pong(_) => (FrameKind::Pong, Event::Other),
        Message::Binary(_) => (FrameKind::Binary, Event::Other),
        Message::Close { .. } => (FrameKind::Close, Event::Other),
    };
    // The server itself speaks only to confirm the join.
    if kind == WELCOME {
        sink(Received { at, kind: None, event: Event::Joined });
    }
    sink(Received { at, kind: Some(kind), event });
}

impl Connection for LineConnection {
    fn begin(&mut self, frame: Outgoing<'_>) -> bool {
        match frame {
            Outgoing::Chat(text) => self.socket.begin(Opcode::Text, text.as_bytes()),
            Outgoing::Heartbeat | Outgoing::Ping => self.socket.begin(Opcode::Ping, &[]),
        }
    }

    fn is_writing(&self) -> bool {
        self.socket.is_writing()
    }

    fn close(&mut self) {
        self.socket.close();
    }

    fn drive<F>(&mut self, mut sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send,
    {
        let Self { socket, decoded } = self;
        poll_fn(move |cx| socket.poll_drive(cx, |at, message| on_message(at, message, decoded, &mut sink)))
    }
}
