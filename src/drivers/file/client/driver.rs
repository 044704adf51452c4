//! Implements the driver: carries out the steps of a user by a file.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::{Position, Url};

use super::connection::FileConnection;
use super::exec;
use super::procedure::List;
use super::request::{header, rendered, request};
use super::shared::{Person, Shared, Target};
use super::words::Words;
use crate::drivers::file::description::{Action, Description};
use crate::model::{Account, AccountRow, DeliveryRules, Failure, FailureClass, FailureKind, SenderId, Vocabulary};
use crate::protocol::{
    Capabilities, Connection as _, Driver, DriverSettings, Event, Members, Progress, Protocol, RoomPage, Said, Session,
    SessionUser, SetupError,
};
use crate::transport::dial::Turn;
use crate::transport::http::{Browser, BrowserSettings, Origin};
use crate::transport::spans;
use crate::transport::ws::handshake::{self, Options, Upgrade, UpgradeHeaders};

/// Longest time for closing the socket of a sign-up or log-in: its user waits for it, and nothing is lost if the server
/// never answers.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The protocol that a file describes.
#[derive(Debug, Clone)]
pub struct FileProtocol {
    name: Box<str>,
    run: Box<str>,
    description: Arc<Description>,
    words: Arc<Words>,
}

impl FileProtocol {
    /// The protocol of a file, with the name by which it was requested, for a run.
    #[must_use]
    pub fn new(name: &str, run: &str, description: Description) -> Self {
        let words = Arc::new(Words::of(&description));
        Self { name: name.into(), run: run.into(), description: Arc::new(description), words }
    }
}

impl Protocol for FileProtocol {
    type Driver = FileDriver;

    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        let Description { message, rules, sign_up, uses_password, .. } = &*self.description;
        Capabilities {
            delivery: DeliveryRules { echo: message.echo, ordered: message.ordered, senders: rules.names_senders() },
            sign_up: !sign_up.is_empty(),
            passwords: *uses_password,
            delete: false,
            side_rooms: false,
            member_lists: rules.has_lists(),
            max_text: None,
            max_username: None,
        }
    }

    fn vocabulary(&self) -> Vocabulary {
        self.words.vocabulary
    }

    fn place(&self, key: &str) -> Option<String> {
        self.description.place(key)
    }

    fn driver(&self, settings: DriverSettings) -> Result<FileDriver, SetupError> {
        let mut target = Target::new(&settings.base, settings.room.clone(), self.run.to_string())?;
        let dialer = settings.connection.dialer()?;
        let sockets = Options::of(&settings.connection);
        target.origin.headers = settings.connection.headers;
        let browser = Browser::new(BrowserSettings {
            dialer: Arc::clone(&dialer),
            timeout: settings.connection.http_timeout,
            secrets: settings.secrets,
            harmless: &[],
            probe: settings.probe,
            trace: Arc::clone(&settings.trace),
        });
        Ok(FileDriver(Arc::new(Shared {
            description: Arc::clone(&self.description),
            words: Arc::clone(&self.words),
            target,
            browser,
            dialer,
            sockets,
            clock: settings.clock,
            transcript: settings.trace.transcript(),
            trace: settings.trace,
            seeds: AtomicU64::new(rand::random()),
            programs: Arc::new(Semaphore::new(exec::MOST_AT_ONCE)),
            timeout: settings.connection.http_timeout,
        })))
    }
}

/// The driver; one for all users.
#[derive(Debug)]
pub struct FileDriver(pub(super) Arc<Shared>);

impl FileDriver {
    /// Opens the file's socket for a user, and makes it carry out `list` from step `at`.
    async fn open_socket(
        &self,
        person: Person,
        session: &mut Session,
        list: (List, usize),
    ) -> Result<FileConnection, Failure> {
        let shared = &self.0;
        let page = self.socket_url(&person)?;
        let no_host = || Failure::with(FailureKind::BadRequest, "the URL of the socket has no host");
        let mut origin = Origin::of(&page).ok().flatten().ok_or_else(no_host)?;
        let at_target = origin.name == shared.target.origin.name;
        if at_target {
            origin.headers = shared.target.origin.headers.clone();
        }
        let asked = self.asked(&person)?;
        let seed = shared.seeds.fetch_add(1, Ordering::Relaxed);
        // Cookies and headers are only for the target.
        let mut strange = Session::default();
        let whose = if at_target { &mut *session } else { &mut strange };
        let traceparent = shared.trace.traceparent();
        let upgrade = Upgrade { origin: &origin, url: &page, session: whose, traceparent, asked };
        let span = spans::handshake(&page);
        let opening = handshake::open(&shared.dialer, upgrade, shared.sockets, shared.clock, seed);
        let opened = opening.instrument(span.clone()).await;
        let opened = opened.map_err(|failure| {
            let failure = shared.browser.mask(&shared.target.origin, session, None).failure(session.explain(failure));
            match failure.kind {
                FailureKind::Forbidden => failure.classed(FailureClass::HopelessAtStart),
                FailureKind::ClientError if failure.detail.starts_with("HTTP 401") => {
                    failure.classed(FailureClass::SignedOut)
                }
                _ => failure,
            }
        });
        spans::end(&span, opened.as_ref().err().map(|failure| failure.kind.as_str()));
        if opened.is_ok() {
            shared.note(&person, Some(session), &page[Position::BeforePath..Position::AfterQuery], |path| {
                Said::Opened(path)
            });
        }
        let kept = Session { connection: Default::default(), ..session.clone() };
        Ok(FileConnection::new(opened?, Arc::clone(shared), person, kept, list))
    }

    /// The URL of the socket, with the scheme of a page.
    fn socket_url(&self, person: &Person) -> Result<Url, Failure> {
        let text = rendered(&self.0.description.socket.url, &person.values(&self.0.target, None))?;
        let page = match text.strip_prefix("ws") {
            Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => format!("http{rest}"),
            _ => {
                return Err(Failure::with(
                    FailureKind::BadRequest,
                    "the URL of the socket does not begin with ws:// or wss://",
                ));
            }
        };
        Url::parse(&page).map_err(|e| Failure::with(FailureKind::BadRequest, format!("the URL of the socket: {e}")))
    }

    fn asked(&self, person: &Person) -> Result<UpgradeHeaders, Failure> {
        let (socket, values) = (&self.0.description.socket, person.values(&self.0.target, None));
        let header = |template| header(template, &values);
        Ok(UpgradeHeaders {
            origin: Some(header(&socket.origin)?),
            headers: socket
                .headers
                .iter()
                .map(|(name, template)| Ok((name.clone(), header(template)?)))
                .collect::<Result<_, Failure>>()?,
            subprotocols: socket
                .subprotocols
                .iter()
                .map(|template| rendered(template, &values).map(Into::into))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// Carries out the steps of sign-up or log-in; from the first one on the socket, all run on it.
    async fn account(&self, list: List, session: &mut Session) -> Result<(), Failure> {
        let shared = &self.0;
        let mut person = Person::of(session, &shared.description);
        for (at, step) in list.steps(&shared.description).iter().enumerate() {
            match &step.action {
                Action::Request(asked) => {
                    let named = (list.http_step(), step.title.as_str());
                    let made = request(shared, named, (asked, step.timeout), (&person, None), session).await?;
                    list.keep(&made, &mut person);
                    person.keep(&shared.description, session)?;
                }
                Action::Wait(time) => tokio::time::sleep(*time).await,
                Action::Exec(program) => {
                    let made = exec::run(shared, step, program, &person).await?;
                    list.keep(&made, &mut person);
                    person.keep(&shared.description, session)?;
                }
                Action::Frames { .. } => return self.account_on_socket((list, at), person, session).await,
            }
        }
        Ok(())
    }

    async fn account_on_socket(
        &self,
        list: (List, usize),
        person: Person,
        session: &mut Session,
    ) -> Result<(), Failure> {
        let mut connection = self.open_socket(person, session, list).await?;
        let mut done = false;
        while !done {
            let progress = connection.drive(|frame| done |= frame.event == Event::Joined).await;
            match progress {
                Progress::Ended(_) | Progress::Closing(_) if !done => {
                    let ended = || Failure::with(FailureKind::ConnectionClosed, "the connection ended");
                    return Err(connection.failure().unwrap_or_else(ended));
                }
                _ => {}
            }
        }
        let written = async {
            while connection.is_writing() {
                connection.drive(|_| {}).await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, written).await;
        connection.hang_up();
        let over = async { while !matches!(connection.drive(|_| {}).await, Progress::Ended(_)) {} };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, over).await;
        let (person, _) = connection.into_parts();
        person.keep(&self.0.description, session)
    }

    async fn signed_up(&self, session: &mut Session) -> Result<(), Failure> {
        if self.0.description.sign_up.is_empty() {
            return Err(Failure::with(FailureKind::NotFound, "the protocol file has no sign_up"));
        }
        self.account(List::SignUp, session).await?;
        self.account(List::LogIn, session).await
    }

    /// The server's name of the user. A session saved when the file captured less must sign in again.
    fn identity(&self, session: &Session) -> Result<SenderId, Failure> {
        let person = Person::of(session, &self.0.description);
        if let Some(name) = self.0.description.missing_of_log_in(&person.session) {
            return Err(Failure::with(FailureKind::SignedOut, format!("the saved session has no {name}")));
        }
        match &self.0.description.message.identity {
            None => Ok(SenderId::NONE),
            Some(template) => Ok(SenderId::text(&rendered(template, &person.values(&self.0.target, None))?)),
        }
    }
}

/// Sets the user of a session that has none yet.
fn name(session: &mut Session, who: &Account) {
    session.user.get_or_insert_with(|| SessionUser {
        account: who.clone(),
        index: 0,
        row: AccountRow::default(),
        room: None,
    });
}

// Boxed, because a user's task lives for hours and must not hold memory for each step's largest state.
impl Driver for FileDriver {
    type Connection = FileConnection;

    fn sign_up(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        name(session, who);
        Box::pin(self.signed_up(session))
    }

    fn log_in(&self, who: &Account, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send {
        name(session, who);
        Box::pin(self.account(List::LogIn, session))
    }

    fn open(&self, session: &mut Session) -> impl Future<Output = Result<RoomPage, Failure>> + Send {
        session.hang_up();
        let identity = self.identity(session);
        let room = identity.map(|user_id| RoomPage { user_id, side_rooms: Vec::new(), capacity: None, page_bytes: 0 });
        std::future::ready(room)
    }

    fn connect(&self, session: &mut Session) -> impl Future<Output = Result<FileConnection, Failure>> + Send {
        let person = Person::of(session, &self.0.description);
        Box::pin(self.open_socket(person, session, (List::Join, 0)))
    }

    fn members(&self, list: Members<'_>, mut each: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        let nameless = Person::default();
        let rules = self.0.description.rules.bind(&nameless.values(&self.0.target, None));
        let read = rules.read_members(list.text, |name| each(SenderId::text(name), name));
        read.map(drop).ok_or_else(|| Failure::with(FailureKind::Malformed, "no list of members"))
    }

    /// Checks only whether the server takes connections; nothing more is possible without an account.
    async fn preflight(&self) -> Result<(), Failure> {
        let mut turn = Turn::default();
        let dialled = self.0.dialer.dial(&self.0.target.origin.endpoint, &mut turn);
        match tokio::time::timeout(self.0.timeout, dialled).await {
            Ok(dialled) => dialled.map(drop),
            Err(_) => Err(Failure::with(FailureKind::Timeout, "no connection in time")),
        }
    }

    fn addresses(&self) -> impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send {
        let endpoint = &self.0.target.origin.endpoint;
        async move {
            let addresses = self.0.dialer.addresses(endpoint).await?;
            Ok(addresses.iter().map(SocketAddr::ip).collect())
        }
    }
}
