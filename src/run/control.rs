//! What the commands of `soakrig ctl` do to a run.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::halt::Halt;
use super::reporter::Reporter;
use super::runner::Runner;
use super::snapshots;
use crate::config::value::shown;
use crate::control::answer::Answer;
use crate::control::command::{Command, NewRate};
use crate::control::listener::{ControlSocket, Steer};
use crate::error::StartError;
use crate::model::{Action, ControlKind, UserState, Volume};
use crate::protocol::Driver;
use crate::report::numbers::{count, rate, span};
use crate::report::{recoveries, status};
use crate::user::RunContext;

/// Steers one room of a process.
pub(super) struct Control<D: Driver> {
    runner: Arc<Runner<D>>,
    reporter: Reporter<D>,
    halt: Halt,
}

/// Takes commands at `path` until `over` is cancelled.
pub(super) fn listen<D: Driver>(
    path: &Path,
    runner: Arc<Runner<D>>,
    reporter: Reporter<D>,
    halt: Halt,
    over: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let socket = ControlSocket::at(path.to_owned())
        .map_err(|e| StartError::environment("--control-socket", e.why).remedy(e.remedy))?;
    tracing::info!("soakrig ctl --socket {} steers this run", path.display());
    Ok(socket.listen(Arc::new(Control { runner, reporter, halt }), over))
}

impl<D: Driver> Steer for Control<D> {
    fn carry_out(&self, command: Command) -> Answer {
        let answer = self.answer(&command);
        let text = match &command {
            Command::MarkBegin(text) => text.to_string(),
            Command::MarkEnd => answer.said.clone(),
            command => command.to_string(),
        };
        self.note(command.kind(), &text, &answer);
        answer
    }

    fn refused(&self, answer: &Answer) {
        self.note(ControlKind::Refused, "no command", answer);
    }
}

impl<D: Driver> Control<D> {
    fn context(&self) -> &RunContext<D> {
        &self.runner.context
    }

    /// Counts and logs a command and makes it an event of the run, unless it only asks.
    fn note(&self, kind: ControlKind, text: &str, answer: &Answer) {
        self.context().metrics.control(if answer.ok { kind } else { ControlKind::Refused });
        let event = match kind {
            _ if !answer.ok => return tracing::warn!("ctl: refused: {}", shown(&answer.said)),
            ControlKind::Status => return tracing::debug!("ctl: status"),
            ControlKind::MarkBegin => "mark_begin",
            ControlKind::MarkEnd => "mark_end",
            _ => "control",
        };
        match event {
            "control" => tracing::info!("ctl: {text}"),
            event => tracing::info!("ctl: {}: {text}", event.replace('_', " ")),
        }
        self.runner.recorder.note(event, text);
    }

    fn answer(&self, command: &Command) -> Answer {
        let changes_load = matches!(
            command,
            Command::Rate(_) | Command::Pause | Command::Resume | Command::Users(_) | Command::Disconnect(_)
        );
        if changes_load && self.context().stopping.is_cancelled() {
            return Answer::refused(format!("{command}: the run is stopping"), "start another one");
        }
        match command {
            Command::Status => self.status(),
            Command::Rate(rates) => self.rates(rates),
            Command::Pause => self.pause(true),
            Command::Resume => self.pause(false),
            Command::Mark(text) => Answer::done(format!("marked: {text}")),
            Command::Stop if self.halt.stop() => {
                Answer::done("stopping: deliveries settle, then the sockets close; abort ends at once")
            }
            Command::Stop => Answer::done("stopping already; abort ends at once"),
            Command::Abort => {
                self.halt.abort();
                Answer::done("ending at once (exit code 105)")
            }
            Command::Users(users) => self.users(*users),
            Command::Disconnect(share) => self.disconnect(command, share.share()),
            Command::MarkBegin(text) => self.mark_begins(command, &text.to_string()),
            Command::MarkEnd => self.mark_ends(),
        }
    }

    fn pause(&self, paused: bool) -> Answer {
        let changed = self.runner.rates.pause(paused, self.context().clock.now());
        let said = match (paused, changed) {
            (true, true) => "paused: no messages, no user leaves, connections stay; resume goes on",
            (true, false) => "paused already",
            (false, true) => "resumed, at the rates that are set",
            (false, false) => "not paused",
        };
        Answer::done(said)
    }

    /// Sets the number of users of the whole run; this generator holds its share of the first `users`.
    fn users(&self, users: u32) -> Answer {
        let plan = &self.runner.plan;
        let (whole, own) = (plan.users.fleet_range, plan.users.range);
        if users > whole.len() {
            let remedy = "start the run with a larger range: sessions and books are made for it at the start";
            return Answer::refused(format!("users {users}: the range has {}", whole.len()), remedy);
        }
        let bound = |number: u32| {
            let before = u64::from(number - whole.min()) * u64::from(users) / u64::from(whole.len());
            usize::try_from(before).unwrap_or(usize::MAX)
        };
        let here = bound(own.max()) - bound(own.min());
        let (context, before) = (self.context(), self.context().roster.target());
        context.roster.set_target(here);
        self.runner.rates.set_able(context.roster.all_able(), context.clock.now());
        let ramp = rate(plan.timing.ramp.per_second());
        let how = match here.cmp(&before) {
            Ordering::Less => format!(": {} leave, {ramp}", count((before - here) as u64)),
            Ordering::Equal => ", as before".to_owned(),
            Ordering::Greater => format!(": {} more start, {ramp}", count((here - before) as u64)),
        };
        Answer::done(format!("{} users for the whole run, {} here{how}", count(users.into()), count(here as u64)))
    }

    fn disconnect(&self, command: &Command, share: f64) -> Answer {
        let context = self.context();
        let drawn = context.roster.draw(share);
        if drawn.is_empty() {
            return Answer::refused(format!("{command}: no user is connected"), "wait until status shows users");
        }
        let held = context.roster.counts()[UserState::Connected as usize];
        context.recoveries.reset(command.to_string(), context.clock.now(), held, &drawn);
        drawn.iter().for_each(|user| context.roster.reset(*user));
        let said = format!("resetting {} connections here; status tells how many are back", count(drawn.len() as u64));
        Answer::done(said)
    }

    fn mark_begins(&self, command: &Command, text: &str) -> Answer {
        let (marks, recorder) = (&self.runner.marks, &self.runner.recorder);
        if !marks.begin(self.context(), text, recorder.now()) {
            let (open, _) = marks.open().unwrap_or_default();
            return Answer::refused(format!("{command}: {open} goes on"), "give mark end first");
        }
        recorder.mark(true, self.context(), &self.runner.phases);
        if marks.is_tolerated() {
            self.runner.rulebook.planned_begins();
        }
        let judged = if marks.is_tolerated() { "in no threshold" } else { "judged like the rest (--tolerate-marked)" };
        Answer::done(format!("{text}: what happens until mark end is counted separately, and {judged}"))
    }

    fn mark_ends(&self) -> Answer {
        match self.runner.marks.end(self.context()) {
            Some((text, lasted)) => {
                self.runner.recorder.mark(false, self.context(), &self.runner.phases);
                self.runner.rulebook.planned_ends();
                Answer::done(format!("{text}: over after {}", span(lasted.as_secs_f64())))
            }
            None => Answer::refused("mark end: no planned disruption is open", "give mark begin TEXT first"),
        }
    }

    fn rates(&self, rates: &[NewRate]) -> Answer {
        let no_side_rooms = !self.context().capabilities.side_rooms;
        if no_side_rooms && rates.iter().any(|rate| rate.action == Action::SideRoom) {
            return Answer::refused("breakout: this protocol has no breakouts", "leave it out");
        }
        let now = self.context().clock.now();
        let before = self.runner.rates.set_volumes();
        let mut said = Vec::new();
        for NewRate { action, rate: new } in rates {
            let volume = self.runner.plan.part_of_rate(*action, *new).map(|rate| rate.per_second());
            self.runner.rates.set(*action, volume, now);
            let whole = new.map_or_else(|| "off".to_owned(), |new| new.to_string());
            let (here, was) = (self.here(*action, volume), self.here(*action, before[*action as usize]));
            said.push(format!("{}: {whole} for the whole run, {here} here (before {was})", action.as_str()));
        }
        if self.runner.rates.is_paused() {
            said.push("the run is paused: resume puts them in force".to_owned());
        }
        Answer::done(said.join("\n"))
    }

    /// This generator's volume, once every user is connected.
    fn here(&self, action: Action, volume: Volume<f64>) -> String {
        rate(volume.per_second(self.context().roster.able(action).1))
    }

    fn status(&self) -> Answer {
        let plan = &self.runner.plan;
        let head =
            format!("run {} on {}, shard {}", plan.report.run_id.as_str(), self.reporter.room(), plan.users.shard);
        let now = self.reporter.status_now();
        let is_paused = self.runner.rates.is_paused();
        let set = self.runner.rates.now();
        let rates = Action::ALL.iter().map(|action| format!("{} {}", action.as_str(), rate(set[*action as usize])));
        let rates: Vec<String> = rates.collect();
        let said = [
            head,
            format!("{}{}", status::phase_times(&now), if is_paused { ", PAUSED" } else { "" }),
            format!("{} of {} users connected", count(now.connected), count(now.target)),
            if is_paused {
                "set here: nothing, until resume".to_owned()
            } else {
                format!("set here: {}", rates.join(", "))
            },
            status::line(&now),
        ];
        let recoveries = snapshots::recoveries(self.context());
        let back = recoveries.iter().map(|recovery| format!("{}: {}", recovery.what, recoveries::said(recovery)));
        let open = self.runner.marks.open().map(|(text, _)| text);
        let marked = open.iter().map(|text| format!("marked as planned: {text}"));
        let said: Vec<String> = said.into_iter().chain(marked).chain(back).collect();
        let set: serde_json::Map<_, _> =
            Action::ALL.iter().map(|action| (action.as_str().to_owned(), json!(set[*action as usize]))).collect();
        Answer::done(said.join("\n")).with(json!({
            "run": plan.report.run_id.as_str(),
            "shard": plan.users.shard.to_string(),
            "phase": now.phase.as_str(),
            "elapsed_seconds": now.elapsed.as_secs_f64(),
            "held_seconds": now.held.as_secs_f64(),
            "paused": is_paused,
            "users": { "target": now.target, "connected": now.connected, "away": now.away, "failed": now.failed },
            "rates": { "set": set, "chat_now": now.chats },
            "deliveries": {
                "on_time": now.on_time, "late": now.late, "lost": now.lost, "outstanding": now.outstanding,
            },
            "p50_seconds": now.p50,
            "p99_seconds": now.p99,
            "errors": now.errors,
            "saturated": now.saturated,
            "recoveries": recoveries,
            "marked": open,
        }))
    }
}
