//! Turns a command as typed into the task it means, through all layers.

use crate::config::entry::{OptionTexts, variable};
use crate::config::plan::{Compare, Ctl, Draft, Health, Merge, ReportPage, Task};
use crate::config::{Environment, Layers};
use crate::error::StartError;

use super::{Command, CompareArgs, CtlArgs};

/// A task, and what to say before it starts.
#[derive(Debug)]
pub struct Resolved {
    /// What to do.
    pub task: Task,
    /// Warnings to print; none keeps the task from starting.
    pub warnings: Vec<String>,
}

/// The command, and the sockets that are meant.
fn ctl(args: &CtlArgs, environment: &Environment) -> Ctl {
    let mut sockets = args.socket.clone();
    if sockets.is_empty() && args.run.is_none() {
        let named = environment.get(&variable("control_socket")).filter(|place| *place != "auto" && *place != "off");
        sockets.extend(named.map(Into::into));
    }
    Ctl {
        sockets,
        directory: environment.runtime_directory(),
        run: args.run.clone(),
        json: args.json,
        line: args.command.line(),
    }
}

impl Command {
    /// What the command means in these surroundings.
    ///
    /// # Errors
    /// What is missing, wrong or contradictory, with the flag, the variable or the file's line.
    pub fn resolve(self, environment: &Environment) -> Result<Resolved, StartError> {
        let plain = |task| Ok(Resolved { task, warnings: Vec::new() });
        let build = match &self {
            Self::Merge(args) => {
                return plain(Task::Merge(Merge {
                    files: args.files.clone(),
                    output: args.output.clone(),
                    junit: args.junit.clone(),
                }));
            }
            Self::Ctl(args) => return plain(Task::Ctl(ctl(args, environment))),
            Self::Report(args) => {
                return plain(Task::Report(ReportPage { files: args.files.clone(), output: args.output.clone() }));
            }
            Self::Compare(args) => {
                let CompareArgs { before, after, tolerance, json } = args.clone();
                return plain(Task::Compare(Compare { before, after, tolerances: tolerance, json }));
            }
            Self::Health(args) => {
                return plain(Task::Health(Health { url: args.url.clone(), timeout: args.timeout.get() }));
            }
            Self::Run(_) => Draft::run,
            Self::Demo(_) => Draft::demo,
            Self::Target(_) => Draft::target_alone,
            Self::Check(_) => Draft::check,
            Self::Cleanup(_) => Draft::cleanup,
        };
        let faults = match &self {
            Self::Target(args) => Some(args.faults.clone()),
            _ => None,
        };
        let allow_exec = match &self {
            Self::Run(args) => args.exec.allow_exec,
            Self::Check(args) => args.exec.allow_exec,
            Self::Cleanup(args) => args.exec.allow_exec,
            _ => false,
        };
        let is_patient = matches!(&self, Self::Check(args) if args.patient);
        let typed = match &self {
            Self::Run(args) => args.load.config.typed.clone(),
            Self::Demo(args) => args.load.config.typed.clone(),
            _ => OptionTexts::default(),
        };
        let (settings, config) = self.settings();
        let layers = Layers::stack(settings, config, environment)?.typed(&typed);
        let mut draft = Draft::new(layers, environment).allow_exec(allow_exec);
        let mut task = build(&mut draft)?;
        if let (Task::Target(target), Some(faults)) = (&mut task, faults) {
            target.faults = faults;
        }
        if let Task::Check(check) = &mut task {
            check.patient = is_patient;
        }
        Ok(Resolved { task, warnings: draft.into_warnings() })
    }
}
