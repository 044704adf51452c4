//! Turns a plan into a context: hands every setting to the part that it configures.

use std::sync::Arc;

use super::session_cache::SessionCache;
use super::source_addresses;
use crate::clock::{Clock, Stamp};
use crate::config::plan::{self, Plan, ProtocolChoice};
use crate::config::value::{Rate, TargetUrl};
use crate::error::StartError;
use crate::ledger::{Identity, Ledger};
use crate::marker::{GeneratorTag, RunTag};
use crate::metrics::Metrics;
use crate::model::{FrameSizes, Secret};
use crate::protocol::{Capabilities, DriverSettings, Probe, Protocol, Trace};
use crate::schedule::limit::Limit;
use crate::schedule::set_rates::Traffic;
use crate::telemetry::traces::chats::ChatTraces;
use crate::transport::ConnectionOptions;
use crate::user::{Behaviour, Credentials, Limits, Parts, Rooms, SameTag, TextShape, are_told_apart};

/// What all rooms of this process share.
#[derive(Clone, Copy)]
pub(crate) struct ProcessContext {
    pub(crate) clock: Clock,
    generator: GeneratorTag,
}

impl ProcessContext {
    /// Starts the clock and draws the process's random tag.
    pub(crate) fn start() -> Self {
        Self { clock: Clock::start(), generator: GeneratorTag(rand::random()) }
    }
}

/// What a driver is told about a target; the caller adds the observer of its requests.
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a TargetUrl,
    pub(crate) room: &'a str,
    pub(crate) connection: &'a ConnectionOptions,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) clock: Clock,
}

/// The driver for a target.
pub(crate) fn driver<P: Protocol>(
    protocol: &P,
    asked: Asked<'_>,
    probe: Arc<dyn Probe>,
    trace: Arc<dyn Trace>,
) -> Result<P::Driver, StartError> {
    source_addresses::are_ours(&asked.connection.source_ips)?;
    let made = protocol.driver(settings(asked, probe, trace));
    made.map_err(|e| StartError::environment("the way to the server", e.to_string()))
}

/// What a driver is told.
pub(crate) fn settings(
    Asked { target, room, connection, secrets, clock }: Asked<'_>,
    probe: Arc<dyn Probe>,
    trace: Arc<dyn Trace>,
) -> DriverSettings {
    DriverSettings {
        base: target.url().clone(),
        room: room.to_owned(),
        connection: connection.clone(),
        clock,
        secrets,
        probe,
        trace,
    }
}

/// Sizes of a protocol's frames, for the forecast; those of member lists only if it has them.
pub(crate) fn frame_sizes<P: Protocol>(protocol: &P) -> FrameSizes {
    let sizes = protocol.frame_sizes();
    FrameSizes { lists: sizes.lists.filter(|_| protocol.capabilities().member_lists), ..sizes }
}

/// What a protocol can do for these users. Accounts from a file are not created.
///
/// # Errors
/// The protocol asks for passwords that the accounts do not have, or the longest username of the range
/// is too long for it.
pub(crate) fn capabilities<P: Protocol>(
    protocol: &P,
    choice: &ProtocolChoice,
    users: &plan::Users,
) -> Result<Capabilities, StartError> {
    let can = protocol.capabilities();
    let longest = users.template.longest_in(users.fleet_range);
    if let Some(most) = can.max_username
        && users.accounts.is_none()
        && longest.chars().count() > most
    {
        let why = format!("{longest} is longer than {most} characters, the longest username");
        return Err(choice.long_username.because(why));
    }
    match &choice.no_passwords {
        Some(error) if can.passwords => Err(error.clone()),
        _ => Ok(Capabilities { sign_up: can.sign_up && users.accounts.is_none(), ..can }),
    }
}

/// What the users of a run share besides the driver.
#[allow(clippy::too_many_arguments, reason = "each is a part of its own")]
pub(crate) fn parts(
    plan: &Plan,
    capabilities: Capabilities,
    room: &str,
    ProcessContext { clock, generator }: ProcessContext,
    metrics: Arc<Metrics>,
    cache: &mut SessionCache,
    password: Secret,
    chats: ChatTraces,
) -> Result<Parts, StartError> {
    let usernames: Box<[Box<str>]> = usernames(&plan.users).map(String::into_boxed_str).collect();
    let identity = Identity {
        run: RunTag::of(plan.report.run_id.as_str()),
        generator,
        origin_micros: clock.unix_micros(Stamp::default()),
    };
    let rooms = rooms(plan, room)?;
    let ledger = Ledger::new(plan.terms, capabilities.delivery, identity, &rooms.shares());
    let (away, stay) = (plan.traffic.away, plan.traffic.side_room_stay);
    let seed = shard_seed(plan);
    Ok(Parts {
        capabilities,
        rooms,
        speakers: speakers(plan),
        ledger,
        metrics,
        limits: Limits {
            sign_in: Limit::evenly(plan.users.sign_in_rate.per_second(), clock),
            connect: Limit::evenly(plan.timing.connect_rate.per_second(), clock),
        },
        behaviour: Behaviour {
            away: (away.min(), away.max()),
            side_room_stay: (stay.min(), stay.max()),
            reconnect: plan.traffic.reconnect,
            texts: texts(plan.traffic.messages),
            seed,
        },
        credentials: Credentials {
            usernames,
            password,
            accounts: plan.users.accounts.clone(),
            first: plan.users.range.min().into(),
        },
        saved: cache.sessions(),
        chats,
    })
}

/// The rooms that users of this generator are in. No two rooms of the whole run may have the same tag.
pub(super) fn rooms(plan: &Plan, typed: &str) -> Result<Rooms, StartError> {
    let refuse = |e: SameTag| {
        StartError::environment("--rooms", e.to_string())
            .remedy("give the rooms another name, or --room-min another number")
    };
    if plan.division.is_numbered() {
        are_told_apart(plan.division.names(typed)).map_err(refuse)?;
    }
    let rooms = plan.division.of(typed, plan.users.range);
    Rooms::new(rooms.iter().map(|(name, users)| (name.as_str(), *users))).map_err(refuse)
}

/// Which users of this generator send; `None`: all.
fn speakers(plan: &Plan) -> Option<Box<[bool]>> {
    let range = plan.users.range;
    let of = |number| plan.division.speaks(number);
    (!plan.division.all_speak()).then(|| (range.min()..range.max()).map(of).collect())
}

fn texts(messages: plan::Messages) -> TextShape {
    TextShape { size: messages.size.map(|size| (size.min(), size.max())), alphabet: messages.alphabet }
}

/// The usernames of a range of users, in order.
pub(crate) fn usernames(users: &plan::Users) -> impl Iterator<Item = String> + '_ {
    (users.range.min()..users.range.max()).map(|number| users.username(number))
}

/// The seed of this shard: the parts of a run must not act in step.
pub(crate) fn shard_seed(plan: &Plan) -> u64 {
    plan.traffic.seed.wrapping_add(u64::from(plan.users.shard.index).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The volumes of a plan, by action.
pub(crate) fn traffic(plan: &plan::Traffic) -> Traffic {
    [plan.chat, plan.leave, plan.side_room].map(|volume| volume.map(Rate::per_second))
}
