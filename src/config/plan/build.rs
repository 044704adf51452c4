//! Turns options into plans: fills in defaults, and refuses contradictory options.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::StartError;
use crate::marker::RunTag;
use crate::model::{DeliveryTerms, LogFormat, Pacing, Shard, Thresholds, Volume};
use crate::server::Faults;
use crate::server::PresenceMode;
use crate::transport::ConnectionOptions;
use crate::transport::tls::{ClientCertificate, TlsSettings};

use super::super::entry::{flag, in_file, variable};
use super::super::environment::Environment;
use super::super::layers::Layers;
use super::super::value::{Amount, DurationRange, OrOff, Percent, Rate, RunId, Switch, TargetUrl, WatchText};
use super::division::Division;
use super::files::single_purpose;
use super::headers::read_headers;
use super::proxy::read_proxy;
use super::resolved::resolved;
use super::task::{Demo, Target, Task};
use super::types::{Logging, Messages, Plan, ProtocolChoice, Report, Timing, Traffic, Users};

/// Maximum number of watched series of the server's own metrics.
const MOST_WATCHED: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
/// Default address of a generator's `/metrics`.
const METRICS_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// Default address of the embedded target.
const TARGET_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);
/// A chattiness of 5.
const CHATS_PER_USER: f64 = 0.05;
/// 0.5/s per 100 connected users.
const LEAVES_PER_USER: f64 = 0.005;
/// 1/s per 100 connected users.
const SIDE_ROOMS_PER_USER: f64 = 0.01;

const fn seconds(min: u64, max: u64) -> DurationRange {
    DurationRange::between(Duration::from_secs(min), Duration::from_secs(max))
}

/// The defaults that differ between commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) users: u32,
    pub(super) chat: Option<Rate>,
    pub(super) duration: Option<Duration>,
    pub(super) keeps_sessions: bool,
    /// Whether the command covers only a shard's part.
    pub(super) splits: bool,
}

pub(super) const RUN: Defaults = Defaults { users: 10, chat: None, duration: None, keeps_sessions: true, splits: true };
/// Defaults of commands that put on no load and cover the whole range.
pub(super) const ERRAND: Defaults = Defaults { splits: false, ..RUN };
const DEMO: Defaults = Defaults {
    users: 50,
    chat: Some(Rate::FIVE_A_SECOND),
    duration: Some(Duration::from_secs(60)),
    keeps_sessions: false,
    splits: true,
};

/// All layers, in the process of becoming a plan.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(super) layers: Layers,
    pub(super) environment: &'a Environment,
    pub(super) allow_exec: bool,
}

impl<'a> Draft<'a> {
    /// A draft of these options in this environment.
    #[must_use]
    pub fn new(layers: Layers, environment: &'a Environment) -> Self {
        Self { layers, environment, allow_exec: false }
    }

    /// Sets whether protocol files may run programs.
    #[must_use]
    pub fn allow_exec(self, allowed: bool) -> Self {
        Self { allow_exec: allowed, ..self }
    }

    /// Another draft of the same command, with these options.
    pub(super) fn with(&self, layers: Layers) -> Self {
        Self { layers, ..*self }
    }

    /// The warnings to print, none of which keeps anything from starting; call it at the end.
    #[must_use]
    pub fn into_warnings(self) -> Vec<String> {
        self.layers.warnings
    }

    /// `soakrig demo`.
    ///
    /// # Errors
    /// Contradictory options, or a file that cannot be read.
    pub fn demo(&mut self) -> Result<Task, StartError> {
        let plan = self.plan(DEMO)?;
        if plan.users.accounts.is_some() {
            let why = "the demo's server has only the accounts that its users create";
            return Err(self.layers.conflict(&["accounts"], why).remedy("leave it out"));
        }
        single_purpose(&plan, &self.layers)?;
        Ok(Task::Demo(Demo { presence: self.presence(), rooms: self.rooms()?, plan }))
    }

    /// `soakrig target`.
    ///
    /// # Errors
    /// A control address that others could reach.
    pub fn target_alone(&mut self) -> Result<Task, StartError> {
        let listen = &self.layers.settings.listen;
        let control = listen.control.map(|control| control.0);
        if control.is_some_and(|control| !control.ip().is_loopback()) {
            return Err(self
                .layers
                .conflict(&["control"], "anyone who reaches it can inject faults: it must be a loopback address")
                .remedy("give 127.0.0.1 with a port"));
        }
        Ok(Task::Target(Target {
            listen: listen.listen.map_or(TARGET_LISTEN, |listen| listen.0),
            control,
            rooms: self.rooms()?,
            prefix: listen.prefix.clone().unwrap_or_default(),
            presence: self.presence(),
            seed: self.seed(Shard::WHOLE),
            faults: Faults::default(),
            logging: self.logging(),
        }))
    }

    pub(super) fn plan(&mut self, defaults: Defaults) -> Result<Plan, StartError> {
        let users = self.users(defaults)?;
        let shard = users.shard;
        let division = self.division(users.fleet_range)?;
        let report = self.report(shard)?;
        let terms = self.terms()?;
        Ok(Plan {
            protocol: ProtocolChoice { run: report.run_id.as_str().to_owned(), ..self.protocol_of(&users) },
            traffic: self.traffic(&users, &division, defaults),
            timing: self.timing(shard, defaults, terms),
            terms,
            thresholds: self.thresholds(),
            tolerates_marked: self.layers.settings.thresholds.tolerate_marked.is_some_and(|switch| switch.0),
            rules: self.rules()?,
            connection: self.connection()?,
            report,
            logging: self.logging(),
            options: resolved(&self.layers, !defaults.keeps_sessions),
            dry_run: self.layers.settings.dry_run.dry_run.is_some_and(|switch| switch.0),
            users,
            division,
        })
    }

    pub(super) fn missing(key: &str) -> StartError {
        let what = if key == "url" { "the server's address" } else { "the room's name" };
        StartError::usage(flag(key), "not given").remedy(format!(
            "give {what} on the command line, as {}, or as {} in the file of --config",
            variable(key),
            in_file(key)
        ))
    }

    pub(super) fn target(&self) -> Result<TargetUrl, StartError> {
        self.layers.settings.url.url.clone().ok_or_else(|| Self::missing("url"))
    }

    fn presence(&self) -> PresenceMode {
        self.layers.settings.presence.presence.unwrap_or(PresenceMode::Full)
    }

    /// The seed, short enough to type again. The shards of a fleet must not generate one each, so it follows
    /// from the run id if they have one.
    fn seed(&self, shard: Shard) -> u64 {
        let settings = &self.layers.settings;
        match (settings.seed.seed, &settings.report.run_id) {
            (Some(seed), _) => seed.0,
            (None, Some(run_id)) if shard.is_partial() => u64::from(RunTag::of(run_id.as_str()).0),
            (None, _) => u64::from(rand::random::<u32>()),
        }
    }

    fn traffic(&self, users: &Users, division: &Division, defaults: Defaults) -> Traffic {
        let (typed, shard) = (&self.layers.settings.traffic, users.shard);
        let off = |switch: Option<Switch>| switch.is_some_and(|switch| switch.0);
        let volume = |off: bool, total: Option<Rate>, each: f64| match total {
            _ if off => Volume::Off,
            Some(rate) => Volume::Total(rate.part(shard)),
            None if each > 0.0 => Volume::PerUser(each),
            None => Volume::Off,
        };
        let chattiness = typed.chattiness.map(|value| value.per_user_per_second());
        let set_chat = if chattiness.is_none() { defaults.chat } else { None };
        let total = typed.chat_rate.or(set_chat);
        let (each, no_chat) = (chattiness.unwrap_or(CHATS_PER_USER), off(typed.disable_chat));
        let speakers = division.speakers_around(users.range);
        let chat = match total.filter(|_| !no_chat && !division.all_speak()) {
            // A shard's part follows from its speakers.
            Some(rate) => rate.part_of_users(speakers).map_or(Volume::Off, Volume::Total),
            None => volume(no_chat, total, each),
        };
        #[allow(clippy::cast_precision_loss, reason = "users are far fewer than 2⁵³")]
        let fleet_chat = match total {
            _ if no_chat => 0.0,
            Some(rate) => rate.per_second(),
            None => each * speakers.2 as f64,
        };
        Traffic {
            chat,
            fleet_chat,
            messages: Messages { size: typed.message_size, alphabet: typed.alphabet.unwrap_or_default() },
            leave: volume(off(typed.disable_event_leaving), typed.leave_rate, LEAVES_PER_USER),
            side_room: volume(off(typed.disable_breakout_joining), typed.breakout_rate, SIDE_ROOMS_PER_USER),
            away: typed.away.unwrap_or(seconds(2, 30)),
            reconnect: self.layers.settings.connection.reconnect.unwrap_or_default(),
            side_room_stay: typed.breakout_stay.unwrap_or(seconds(30, 300)),
            pacing: typed.pacing.unwrap_or(Pacing::Even),
            seed: self.seed(shard),
        }
    }

    fn timing(&mut self, shard: Shard, defaults: Defaults, terms: DeliveryTerms) -> Timing {
        let typed = self.layers.settings.time.clone();
        let start_at = typed.start_at.map(|at| at.0);
        if start_at.is_some_and(|at| at + SECOND < SystemTime::now()) {
            self.layers.warnings.push("--start-at is in the past: starting at once".to_owned());
        }
        Timing {
            duration: typed.duration.map(|span| span.get()).or(defaults.duration),
            start_at,
            ramp: typed.ramp.unwrap_or(Rate::TWENTY_A_SECOND).part(shard),
            connect_rate: typed.connect_rate.unwrap_or(Rate::TWENTY_A_SECOND).part(shard),
            // Long enough that every delivery gets a verdict; a server that delivers ends the wait sooner.
            grace: typed.grace.map_or(terms.horizon + 2 * SECOND, |wait| wait.get()),
            slice: 60 * SECOND,
        }
    }

    fn terms(&self) -> Result<DeliveryTerms, StartError> {
        let settings = &self.layers.settings;
        let deadline = settings.delivery.delivery_deadline.map_or(10 * SECOND, |span| span.get());
        let horizon = settings.delivery.delivery_horizon.map_or(60 * SECOND, |span| span.get());
        if deadline > horizon {
            let shown = humantime::format_duration;
            return Err(self
                .layers
                .conflict(
                    &["delivery_deadline", "delivery_horizon"],
                    format!("the deadline {} is beyond the horizon {}", shown(deadline), shown(horizon)),
                )
                .remedy("a delivery is late after the deadline and lost after the horizon"));
        }
        Ok(DeliveryTerms { deadline, horizon })
    }

    fn thresholds(&self) -> Thresholds {
        let typed = &self.layers.settings.thresholds;
        let share = |typed: Option<OrOff<Percent>>, default| match typed {
            Some(limit) => limit.get().map(Percent::share),
            None => default,
        };
        let (max_lost, max_lost_share) = match typed.max_lost.map_or(Some(Amount::Count(0)), OrOff::get) {
            Some(Amount::Count(most)) => (Some(most), None),
            Some(Amount::Share(most)) => (None, Some(most)),
            None => (None, None),
        };
        Thresholds {
            max_lost,
            max_lost_share,
            max_late: share(typed.max_late, Some(0.01)),
            max_anomalies: share(typed.max_anomalies, Some(0.001)),
            max_cut: share(typed.max_cut, Some(0.05)),
            max_p99_seconds: typed.max_p99.and_then(OrOff::get).map(|most| most.get().as_secs_f64()),
            max_error_rate: share(typed.max_error_rate, Some(0.01)),
            max_saturated: share(typed.max_saturated, Some(0.01)),
        }
    }

    pub(super) fn connection(&mut self) -> Result<ConnectionOptions, StartError> {
        let typed = self.layers.settings.connection.clone();
        let insecure = typed.insecure_skip_verify.is_some_and(|switch| switch.0);
        if insecure {
            let text = "--insecure-skip-verify: anyone in between can read every password and chat";
            self.layers.warnings.push(text.to_owned());
        }
        if let Some(path) = &typed.ca_file {
            let opened = std::fs::File::open(path);
            opened.map_err(|e| self.layers.conflict(&["ca_file"], format!("{}: {e}", path.display())))?;
        }
        let headers = read_headers(&mut self.layers, typed.header.as_deref().unwrap_or_default())?;
        let client = match (typed.client_cert, typed.client_key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => return Err(self.layers.conflict(&["client_cert", "client_key"], "each needs the other")),
        };
        let proxy = typed.proxy.map(|proxy| read_proxy(&mut self.layers, self.environment, &proxy)).transpose()?;
        Ok(ConnectionOptions {
            proxy,
            tls: TlsSettings { ca_file: typed.ca_file, insecure_skip_verify: insecure, client },
            headers,
            resolve: typed.resolve.into_iter().flatten().map(|text| text.0).collect(),
            source_ips: typed.source_ip.iter().flatten().map(|ip| ip.0).collect(),
            compression: typed.compression.is_some_and(|switch| switch.0),
            max_frame: typed.max_frame.map_or(16 << 20, |size| size.bytes()),
            http_timeout: typed.http_timeout.map_or(30 * SECOND, |span| span.get()),
        })
    }

    fn report(&mut self, shard: Shard) -> Result<Report, StartError> {
        let typed = self.layers.settings.report.clone();
        self.can_hold("summary", typed.summary.as_deref())?;
        self.can_hold("report", typed.report.as_deref())?;
        self.can_hold("junit", typed.junit.as_deref())?;
        self.can_hold("anomaly_log", typed.anomaly_log.as_deref())?;
        if shard.is_partial() && typed.run_id.is_none() {
            let why = "a fleet needs a --run-id: it ties the chats and the summaries of its generators together";
            return Err(self
                .layers
                .conflict(&[self.shard_key()], why)
                .remedy("give all of them the same --run-id, or the variable SOAKRIG_RUN_ID"));
        }
        let run_id = typed.run_id.unwrap_or_else(|| RunId::make(SystemTime::now()));
        Ok(Report {
            metrics_listen: typed.metrics_listen.map_or(METRICS_LISTEN, |listen| listen.0),
            control_socket: self.control_socket(&run_id, shard)?,
            run_id,
            summary: typed.summary,
            page: typed.report,
            junit: typed.junit,
            anomaly_log: typed.anomaly_log,
            watch: self.watch(typed.watch.unwrap_or_default())?,
            otlp_endpoint: typed.otlp_endpoint,
            traceparent: !typed.no_traceparent.is_some_and(|switch| switch.0),
        })
    }

    /// The series to watch, all with different names.
    fn watch(&self, typed: Vec<WatchText>) -> Result<Vec<WatchText>, StartError> {
        let wrong = |why: String| Err(self.layers.conflict(&["watch"], why));
        if typed.len() > MOST_WATCHED {
            return wrong(format!("{} series are too many; watch at most {MOST_WATCHED}", typed.len()));
        }
        let mut names: Vec<&str> = typed.iter().map(|watch| watch.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => wrong(format!("two series are called {}; give each a name of its own", pair[0])),
            None => Ok(typed),
        }
    }

    /// Checks that a file that is only written at the end of a long run can be written.
    fn can_hold(&self, key: &'static str, path: Option<&Path>) -> Result<(), StartError> {
        let Some(path) = path else { return Ok(()) };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let why = if path.is_dir() {
            format!("{} is a directory", path.display())
        } else if !directory.is_dir() {
            format!("{} is not a directory", directory.display())
        } else {
            return Ok(());
        };
        Err(self.layers.conflict(&[key], why).remedy("give the path of a file in a directory that exists"))
    }

    pub(super) fn logging(&self) -> Logging {
        let typed = &self.layers.settings.log;
        Logging {
            format: typed.log_format.unwrap_or(LogFormat::Human),
            verbose: typed.verbose.is_some_and(|switch| switch.0),
        }
    }
}
