//! The plenaries of a command: the one that was named, or those of the file's `[[plenary]]` tables.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::error::StartError;
use crate::marker::RoomTag;

use super::super::layers::{Layers, Table};
use super::super::value::Slug;
use super::build::{Draft, ERRAND, RUN};
use super::division::{ROOM_NUMBER, numbered_name};
use super::files::{keeps_nothing, own_files};
use super::protocol::DEFAULT_PROTOCOL;
use super::task::{Check, Cleanup, Run, Task};
use super::types::Users;

/// A plenary, and its table if the file has any.
type Chosen = (Slug, Option<Table>);

impl Draft<'_> {
    /// `soakrig run`: one plenary, or all that the file has tables for.
    ///
    /// # Errors
    /// Options that are missing, do not fit together, or name a file that cannot be read; a
    /// plenary that the file does not know; the same username in two plenaries at once.
    pub fn run(&mut self) -> Result<Task, StartError> {
        let mut runs = Vec::new();
        let mut run_id = self.layers.settings.report.run_id.clone();
        self.target()?;
        let chosen = self.chosen()?;
        let several = chosen.len() > 1;
        for (slug, table) in chosen {
            let mut layers = table.as_ref().map_or_else(|| self.layers.clone(), |table| table.layers.clone());
            // Generated once, for all of them.
            layers.settings.report.run_id.clone_from(&run_id);
            let mut draft = self.with(layers);
            let (target, mut plan) = (draft.target()?, draft.plan(RUN)?);
            run_id = Some(plan.report.run_id.clone());
            if let (Some(table), true) = (&table, several) {
                let report = &mut plan.report;
                report.metrics_listen = listen(report.metrics_listen, table, runs.len(), &draft.layers)?;
                let files = [
                    ("summary", &mut report.summary),
                    ("report", &mut report.page),
                    ("junit", &mut report.junit),
                    ("anomaly_log", &mut report.anomaly_log),
                ];
                for (key, path) in files {
                    *path = path.take().map(|path| {
                        if table.gives(key) || keeps_nothing(&path) { path } else { of_plenary(&path, &slug) }
                    });
                }
                if !table.gives("control_socket") {
                    report.control_socket = report.control_socket.take().map(|path| of_plenary(&path, &slug));
                }
            }
            self.adopt(draft);
            runs.push(Run { target, plenary: slug, plan });
        }
        self.disjoint(&runs)?;
        self.told_apart(&runs)?;
        self.same_columns(&runs)?;
        own_files(&runs, |run| self.layers_of(run))?;
        Ok(Task::Run(runs))
    }

    /// `soakrig check`: one plenary.
    ///
    /// # Errors
    /// As [`Draft::run`], and if there are several plenaries and none was named.
    pub fn check(&mut self) -> Result<Task, StartError> {
        self.target()?;
        let mut chosen = self.chosen()?;
        if chosen.len() > 1 {
            let known = self.known();
            return Err(Self::missing("plenary").remedy(format!("name the one to check: the file has {known}")));
        }
        let Some((plenary, table)) = chosen.pop() else { return Err(Self::missing("plenary")) };
        let plenary = self.first_room(plenary)?;
        let layers = table.map_or_else(|| self.layers.clone(), |table| table.layers);
        let mut draft = self.with(layers);
        let (target, users, connection) = (draft.target()?, draft.users(ERRAND)?, draft.connection()?);
        let (protocol, logging) = (draft.protocol_of(&users), draft.logging());
        self.adopt(draft);
        Ok(Task::Check(Check { protocol, target, plenary, users, patient: false, connection, logging }))
    }

    /// `soakrig cleanup`: the users of every plenary.
    ///
    /// # Errors
    /// As [`Draft::run`].
    pub fn cleanup(&mut self) -> Result<Task, StartError> {
        let target = self.target()?;
        let given = self.layers.plenaries.iter().map(|table| &table.layers).chain([&self.layers]);
        if let Some(layers) = given.into_iter().find(|layers| layers.settings.users.accounts.is_some()) {
            let why = "the accounts of a file are not soakrig's to delete";
            return Err(layers.conflict(&["accounts"], why).remedy("leave it out, or delete them on the server"));
        }
        let tables: Vec<Layers> = self.layers.plenaries.iter().map(|table| table.layers.clone()).collect();
        let all = if tables.is_empty() { vec![self.layers.clone()] } else { tables };
        let mut users: Vec<Users> = Vec::new();
        for layers in all {
            let mut draft = self.with(layers);
            let of_table = draft.users(ERRAND)?;
            self.adopt(draft);
            if !users.contains(&of_table) {
                users.push(of_table);
            }
        }
        let (protocol, connection, logging) = (self.protocol(), self.connection()?, self.logging());
        Ok(Task::Cleanup(Cleanup { protocol, target, users, connection, logging }))
    }

    /// Checks that a room's name is one that a plenary can have, if the protocol is plenary's.
    pub(super) fn check_slug(&self, slug: &Slug) -> Result<(), StartError> {
        if slug.is_plenary() || self.protocol().name != DEFAULT_PROTOCOL {
            return Ok(());
        }
        let why = "not a plenary's slug, the part of its address behind /event/";
        let remedy = if slug.as_str().contains(ROOM_NUMBER) {
            "say with --rooms how many rooms there are, whose numbers %s stands for"
        } else {
            "give letters, digits, - and _"
        };
        Err(self.layers.conflict(&["plenary"], why).remedy(remedy))
    }

    /// The chosen plenaries, at least one.
    fn chosen(&self) -> Result<Vec<Chosen>, StartError> {
        let chosen = self.named()?;
        let numbered = self.rooms()?.is_some();
        for (slug, _) in &chosen {
            if numbered { self.check_numbered(slug) } else { self.check_slug(slug) }?;
        }
        Ok(chosen)
    }

    fn named(&self) -> Result<Vec<Chosen>, StartError> {
        let tables = &self.layers.plenaries;
        for (n, table) in tables.iter().enumerate() {
            if tables.iter().take(n).any(|other| other.slug == table.slug) {
                let why = format!("{} has two tables", table.slug.as_str());
                return Err(table.layers.conflict(&["plenary"], why).remedy("give each plenary one [[plenary]] table"));
            }
        }
        let named = self.layers.settings.plenary.plenary.clone();
        match named {
            Some(slug) if tables.is_empty() => Ok(vec![(slug, None)]),
            Some(slug) => match tables.iter().find(|table| table.slug == slug) {
                Some(table) => Ok(vec![(slug, Some(table.clone()))]),
                None => {
                    let why = format!("{} has no [[plenary]] table; the file has {}", slug.as_str(), self.known());
                    let remedy = "name one of them, or none for all of them at once, or add a table";
                    Err(self.layers.conflict(&["plenary"], why).remedy(remedy))
                }
            },
            None if tables.is_empty() => Err(Self::missing("plenary")),
            None => Ok(tables.iter().map(|table| (table.slug.clone(), Some(table.clone()))).collect()),
        }
    }

    /// The room itself, or the first of numbered ones.
    fn first_room(&self, typed: Slug) -> Result<Slug, StartError> {
        let Some((_, min)) = self.rooms()? else { return Ok(typed) };
        let name = numbered_name(typed.as_str(), min, 0);
        name.parse().map_err(|e| self.layers.conflict(&["plenary", "rooms"], format!("{name}: {e}")))
    }

    fn known(&self) -> String {
        let slugs: Vec<&str> = self.layers.plenaries.iter().map(|table| table.slug.as_str()).collect();
        slugs.join(", ")
    }

    /// Takes over the warnings of another draft, each once.
    fn adopt(&mut self, draft: Draft<'_>) {
        for warning in draft.into_warnings() {
            if !self.layers.warnings.contains(&warning) {
                self.layers.warnings.push(warning);
            }
        }
    }

    /// Checks that no account is in two plenaries: it would have one session in both, and each sign-in or
    /// sign-out in one would show in the other's figures.
    fn disjoint(&self, runs: &[Run]) -> Result<(), StartError> {
        for (n, run) in runs.iter().enumerate() {
            for other in runs.iter().take(n) {
                let Some(name) = common(&other.plan.users, &run.plan.users) else { continue };
                let (first, second) = (other.plenary.as_str(), run.plenary.as_str());
                let why = format!("{name} would be in {first} and in {second} at once");
                return Err(self
                    .layers_of(run)
                    .conflict(&["user_range_min", "user_range_max"], why)
                    .remedy("give the plenaries ranges that share no user, or a username-template each"));
            }
        }
        Ok(())
    }

    /// Checks that the hashes by which markers name plenaries differ.
    fn told_apart(&self, runs: &[Run]) -> Result<(), StartError> {
        for (n, run) in runs.iter().enumerate() {
            let (tag, second) = (RoomTag::of(run.plenary.as_str()), run.plenary.as_str());
            if let Some(other) = runs.iter().take(n).find(|other| RoomTag::of(other.plenary.as_str()) == tag) {
                let first = other.plenary.as_str();
                let why = format!(
                    "{first} and {second} have the same 32-bit hash (CRC-32), by which messages name their room"
                );
                let error = self.layers_of(run).conflict(&["plenary"], why);
                return Err(error.remedy("rename one of the two, or run them one after the other"));
            }
        }
        Ok(())
    }

    /// Checks that all accounts have the same columns, since one protocol file takes its variables from them.
    fn same_columns(&self, runs: &[Run]) -> Result<(), StartError> {
        let columns = |run: &Run| run.plan.users.accounts.as_ref().map(|accounts| accounts.columns().to_vec());
        match runs.iter().find(|run| columns(run) != runs.first().and_then(columns)) {
            None => Ok(()),
            Some(run) => {
                let why = format!("the accounts of {} have different columns from those before", run.plenary.as_str());
                let remedy = "give every plenary a file with the same columns";
                Err(self.layers_of(run).conflict(&["accounts"], why).remedy(remedy))
            }
        }
    }

    /// The options of one of several plenaries.
    fn layers_of(&self, run: &Run) -> &Layers {
        let table = self.layers.plenaries.iter().find(|table| table.slug == run.plenary);
        table.map_or(&self.layers, |table| &table.layers)
    }
}

/// A username that both have.
fn common(one: &Users, other: &Users) -> Option<String> {
    if one.accounts.is_some() || other.accounts.is_some() {
        let names = |users: &Users| -> HashSet<String> {
            (users.range.min()..users.range.max()).map(|number| users.username(number)).collect()
        };
        return names(one).intersection(&names(other)).next().cloned();
    }
    if one.template == other.template {
        let (a, b) = (one.fleet_range, other.fleet_range);
        let first = a.min().max(b.min());
        return (first < a.max().min(b.max())).then(|| one.template.name(first));
    }
    let shared = |a: &Users, b: &Users| {
        (a.range.min()..a.range.max()).map(|number| a.template.name(number)).find(|name| {
            b.template.number(name).is_some_and(|n| (b.fleet_range.min()..b.fleet_range.max()).contains(&n))
        })
    };
    shared(one, other).or_else(|| shared(other, one))
}

/// The address of the `n`-th plenary's metrics. Each has its own, since for Prometheus it is a generator
/// like any other.
fn listen(set: SocketAddr, table: &Table, n: usize, layers: &Layers) -> Result<SocketAddr, StartError> {
    if set.port() == 0 || table.gives("metrics_listen") {
        return Ok(set);
    }
    let port = u16::try_from(n).ok().and_then(|n| set.port().checked_add(n)).ok_or_else(|| {
        let why = format!("there is no port {n} after {}, for {}", set.port(), table.slug.as_str());
        layers
            .conflict(&["metrics_listen"], why)
            .remedy("give a lower port, or port 0, or metrics-listen in each table")
    })?;
    Ok(SocketAddr::new(set.ip(), port))
}

/// `night.json` of the plenary `friday`: `night-friday.json`.
fn of_plenary(path: &Path, slug: &Slug) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push("-");
    name.push(slug.as_str());
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
