//! The driver of the plenary protocol: forms, pages and sockets of one application.
//!
//! It turns steps into requests and frames, and answers into events and failures.
//! It knows no schedule, ledger or metrics.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `site` | URLs of one site, and the meanings of redirects |
//! | `page`, `state` | the contents of pages: HTML and `__INITIAL_STATE__` |
//! | `forms` | sign up, log in, delete |
//! | `side_rooms` | the current breakouts |
//! | `members` | member lists, read in full |
//! | `wire`, `fast_path` | text frames: the plain reader and the fast path |
//! | `vocabulary` | names of failures and frames |
//! | `decode` | state shared by all sockets; recent frames |
//! | `normal` | JSON in unusual spellings |
//! | `socket` | an open socket |
//! | `fuzzing` | entry points for fuzz targets |

mod decode;
mod fast_path;
mod forms;
#[doc(hidden)]
pub mod fuzzing;
mod members;
mod normal;
mod page;
mod side_rooms;
mod site;
mod socket;
mod state;
pub mod vocabulary;
mod wire;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use tracing::Instrument as _;
use url::Url;

use self::decode::Events;
use self::page::FormPage;
use self::site::{Redirect, Site};
pub use self::socket::{Inbox, PlenarySocket};
use self::state::InitialState;
use crate::clock::Clock;
use crate::model::{
    Account, DeliveryRules, Failure, FailureClass, FailureKind, FrameSizes, HttpStep, ListSizes, SenderId, Vocabulary,
};
use crate::protocol::{
    Capabilities, Driver, DriverSettings, Members, Protocol, RoomPage, Said, Session, SetupError, SideRoomId, Trace,
};
use crate::transport::dial::Dialer;
use crate::transport::http::{Ask, Browser, BrowserSettings, Page};
use crate::transport::spans;
use crate::transport::ws::handshake::{self, Options, Upgrade, UpgradeHeaders};

/// Largest event page, in bytes: it holds all users and a hundred chats.
const EVENT_LIMIT: usize = 32 << 20;

/// Longest text, in bytes. The server delivers chats of 100 kB; frames over 1 MiB end the connection, and a character
/// may take six bytes of JSON.
const MAX_TEXT: usize = 100_000;

/// Longest username that the sign-up form accepts, in characters.
const MAX_USERNAME: usize = 30;

/// Sizes measured with the application. A side room takes ten members by default; the page shows the last 100 chats, of
/// 220 bytes each.
const FRAME_SIZES: FrameSizes = FrameSizes {
    chat: 300.0,
    lists: Some(ListSizes {
        list: 89.0,
        member: 188.0,
        side_room_members: 10.0,
        page: 7_000.0 + 100.0 * 220.0,
        page_user: 190.0,
    }),
};

/// The protocol of the plenary application.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlenaryProtocol;

impl Protocol for PlenaryProtocol {
    type Driver = Plenary;

    fn name(&self) -> &'static str {
        "plenary"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            delivery: DeliveryRules::ALL,
            sign_up: true,
            passwords: true,
            delete: true,
            side_rooms: true,
            member_lists: true,
            max_text: Some(MAX_TEXT),
            max_username: Some(MAX_USERNAME),
        }
    }

    fn frame_sizes(&self) -> FrameSizes {
        FRAME_SIZES
    }

    fn vocabulary(&self) -> Vocabulary {
        vocabulary::VOCABULARY
    }

    fn driver(&self, settings: DriverSettings) -> Result<Plenary, SetupError> {
        Plenary::new(settings)
    }
}

/// The driver; one for all users.
pub struct Plenary {
    site: Site,
    browser: Browser,
    dialer: Arc<Dialer>,
    sockets: Options,
    clock: Clock,
    events: Events,
    trace: Arc<dyn Trace>,
    /// The seed of the next socket's masks and nonces.
    seeds: AtomicU64,
}

impl Plenary {
    /// A driver for the events of one server, without connections.
    ///
    /// # Errors
    /// A URL that is not http(s), a CA file that cannot be read or holds no certificate.
    pub fn new(settings: DriverSettings) -> Result<Self, SetupError> {
        let mut site = Site::new(&settings.base, &settings.room)?;
        let dialer = settings.connection.dialer()?;
        let sockets = Options::of(&settings.connection);
        site.origin.headers = settings.connection.headers;
        let trace = settings.trace;
        let browser = Browser::new(BrowserSettings {
            dialer: Arc::clone(&dialer),
            timeout: settings.connection.http_timeout,
            secrets: settings.secrets,
            harmless: &forms::OWN_SENTENCES,
            probe: settings.probe,
            trace: Arc::clone(&trace),
        });
        Ok(Self {
            site,
            browser,
            dialer,
            sockets,
            clock: settings.clock,
            events: Events::told_to(trace.transcript()),
            trace,
            seeds: AtomicU64::new(rand::random()),
        })
    }

    /// Requests and reads the event page.
    async fn event_page(&self, session: &mut Session) -> Result<RoomPage, Failure> {
        let ask = Ask {
            step: HttpStep::Room,
            url: self.site.event(session.room_or(self.site.slug())),
            form: None,
            limit: EVENT_LIMIT,
            leads_on: false,
            custom: None,
        };
        let shared = self.events.of(session.room_or(self.site.slug()));
        self.browser
            .visit(&self.site.origin, session, ask, |page| {
                let state = self.state_of(&page)?;
                state.check_open()?;
                let user_id = SenderId::number(state.user()?);
                let side_rooms = shared.rooms.learn(state.breakouts_open(), state.breakouts());
                Ok(RoomPage { user_id, side_rooms, capacity: state.capacity(), page_bytes: page.body.len() })
            })
            .await
    }

    /// The state of an event page, or why it has none.
    fn state_of(&self, page: &Page) -> Result<InitialState, Failure> {
        self.check_page(page)?;
        InitialState::find(&page.body).map_err(|failure| match failure.kind {
            vocabulary::NO_STATE if is_over_capacity(&page.body) => {
                Failure::with(vocabulary::OVER_CAPACITY, "the event is full").classed(FailureClass::HopelessAtStart)
            }
            _ => failure,
        })
    }

    /// Whether an answer is a page to a signed-in user.
    fn check_page(&self, page: &Page) -> Result<(), Failure> {
        match self.site.redirect(page)? {
            Some(Redirect::LogIn) => Err(Failure::with(FailureKind::SignedOut, "redirected to the log-in")),
            Some(Redirect::Inside(path)) => {
                Err(Failure::with(FailureKind::BadRedirect, format!("the page is at {path}")))
            }
            None if page.status == StatusCode::OK => Ok(()),
            None if page.status == StatusCode::NOT_FOUND => Err(Failure::with(
                FailureKind::NotFound,
                "HTTP 404: there is no such page; upper and lower case differ",
            )),
            None if page.status == StatusCode::BAD_REQUEST => Err(Failure::with(
                FailureKind::BadRequest,
                "HTTP 400: the server may not know the host name of the URL (wrong Host)",
            )),
            None => Err(page.unhoped()),
        }
    }

    /// Opens the socket at a page's path.
    async fn open_socket(&self, page: &Url, session: &mut Session) -> Result<PlenarySocket, Failure> {
        let seed = self.seeds.fetch_add(1, Ordering::Relaxed);
        let opening = async {
            let (origin, traceparent) = (&self.site.origin, self.trace.traceparent());
            let upgrade = Upgrade { origin, url: page, session, traceparent, asked: UpgradeHeaders::default() };
            handshake::open(&self.dialer, upgrade, self.sockets, self.clock, seed).await
        };
        let span = spans::handshake(page);
        let opened = opening.instrument(span.clone()).await;
        let explained = |failure| self.browser.mask(&self.site.origin, session, None).failure(session.explain(failure));
        let opened = opened.map_err(explained);
        spans::end(&span, opened.as_ref().err().map(|failure| failure.kind.as_str()));
        let shared = self.events.of(session.room_or(self.site.slug()));
        if let (Ok(_), Some(transcript)) = (&opened, &shared.transcript) {
            transcript.note(Said::Opened(page.path()));
        }
        Ok(PlenarySocket::new(opened?, shared))
    }

    async fn breakout_page(&self, session: &mut Session, url: Url) -> Result<(), Failure> {
        let ask = Ask { step: HttpStep::SideRoom, url, form: None, limit: EVENT_LIMIT, leads_on: false, custom: None };
        self.browser.visit(&self.site.origin, session, ask, |page| self.check_page(&page)).await
    }

    async fn ask_without_account(&self) -> Result<(), Failure> {
        let mut visitor = Session::default();
        let ask = Ask {
            step: HttpStep::Room,
            url: self.site.event(self.site.slug()),
            form: None,
            limit: EVENT_LIMIT,
            leads_on: false,
            custom: None,
        };
        let judge = |page: Page| match self.state_of(&page) {
            // An open event sends strangers to the log-in.
            Err(failure) if failure.class == FailureClass::SignedOut => Ok(()),
            Err(failure) => Err(failure),
            Ok(state) => state.check_open(),
        };
        self.browser.visit(&self.site.origin, &mut visitor, ask, judge).await
    }
}

/// Whether a page is that of a full event. It is parsed only where it may be: a page that is not
/// what it should be must not cost more than one that is.
fn is_over_capacity(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"over-capacity").is_some()
        && FormPage::parse(body).is_ok_and(|page| page.is_over_capacity())
}

/// What a socket's HTTP refusal means here: 403 is what a full room answers.
fn refused_socket(failure: Failure, when_full: FailureClass) -> Failure {
    match failure.kind {
        FailureKind::Forbidden => Failure { kind: vocabulary::OVER_CAPACITY, class: when_full, ..failure },
        _ => failure,
    }
}

// The steps are boxed: a user's task lives for hours, and must not hold room for each step's
// largest state all that time.
impl Driver for Plenary {
    type Connection = PlenarySocket;

    fn sign_up(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        Box::pin(forms::sign_up(&self.browser, &self.site, who, session))
    }

    fn log_in(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        Box::pin(forms::log_in(&self.browser, &self.site, who, session))
    }

    fn open(&self, session: &mut Session) -> impl Future<Output = Result<RoomPage, Failure>> + Send {
        Box::pin(self.event_page(session))
    }

    fn connect(&self, session: &mut Session) -> impl Future<Output = Result<PlenarySocket, Failure>> + Send {
        Box::pin(async move {
            let page = self.site.event(session.room_or(self.site.slug()));
            let opened = self.open_socket(&page, session).await;
            opened.map_err(|failure| refused_socket(failure, FailureClass::HopelessAtStart))
        })
    }

    fn connect_side_room(
        &self,
        session: &mut Session,
        breakout: SideRoomId,
    ) -> impl Future<Output = Result<PlenarySocket, Failure>> + Send {
        Box::pin(async move {
            let url = self.site.breakout(breakout);
            self.breakout_page(session, url.clone()).await?;
            let opened = self.open_socket(&url, session).await;
            opened.map_err(|failure| refused_socket(failure, FailureClass::Declined))
        })
    }

    fn delete(&self, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        Box::pin(forms::delete(&self.browser, &self.site, session))
    }

    fn preflight(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        Box::pin(self.ask_without_account())
    }

    fn members(&self, list: Members<'_>, each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        members::read(list.text, each)
    }

    fn addresses(&self) -> impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send {
        let endpoint = &self.site.origin.endpoint;
        async move {
            let addresses = self.dialer.addresses(endpoint).await?;
            Ok(addresses.iter().map(SocketAddr::ip).collect())
        }
    }
}
