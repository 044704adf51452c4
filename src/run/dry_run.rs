//! `--dry-run`: what a run would do, without doing it.

use std::fmt::Write as _;

use super::room_run::load;
use super::{setup, source_addresses};
use crate::config::plan::{Plan, ResolvedOption, Run};
use crate::error::StartError;
use crate::protocol::Protocol;
use crate::report::forecast::{Forecast, Shortage};
use crate::report::machine::Machine;

/// The text of `--dry-run`: each run's options in force, this generator's part, and the forecast.
///
/// # Errors
/// What would keep the run from starting, as far as can be known without connecting.
pub fn dry_run<P: Protocol>(protocol: &P, runs: &[Run]) -> Result<String, StartError> {
    let mut machine = Machine::read();
    let pages: Vec<String> = runs
        .iter()
        .map(|run| {
            setup::capabilities(protocol, &run.plan.protocol, &run.plan.users)?;
            source_addresses::are_ours(&run.plan.connection.source_ips)?;
            let tls = run.plan.connection.dialer();
            tls.map_err(|e| StartError::environment("the way to the server", e.to_string()))?;
            let forecast = Forecast::of(&load(&run.plan, setup::frame_sizes(protocol)), &machine);
            // The number of the server's addresses is unknown without a look-up.
            if let Some(Shortage { what, why, remedy }) = forecast.shortage(&machine, u64::MAX) {
                return Err(StartError::environment(what, why).remedy(remedy));
            }
            machine = forecast.leaves(machine);
            Ok(page(run, &part(run)?, &forecast))
        })
        .collect::<Result<_, _>>()?;
    Ok(pages.join("\n\n"))
}

fn page(run: &Run, part: &[(&str, String)], forecast: &Forecast) -> String {
    let options = &run.plan.options;
    let mut page = format!("configuration for {}\n", run.plenary.as_str());
    let width = |of: fn(&ResolvedOption) -> &str| options.iter().map(|o| of(o).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|option| &option.name), width(|option| &option.value).min(60));
    for ResolvedOption { name, value, origin } in options {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "  {name:<names$}  {value:<values$}  {origin}");
    }
    let _ = writeln!(page, "this generator");
    for (name, value) in part {
        let _ = writeln!(page, "  {name:<names$}  {value}");
    }
    let _ = write!(page, "{forecast}");
    page.trim_end().to_owned()
}

/// This generator's part, by name and value.
fn part(Run { plenary, plan, .. }: &Run) -> Result<Vec<(&'static str, String)>, StartError> {
    let Plan { users, division, .. } = plan;
    let rooms = setup::rooms(plan, plenary.as_str())?;
    let named = [rooms.name(0), rooms.name(rooms.len().saturating_sub(1))];
    let mut part = vec![
        ("run id", plan.report.run_id.as_str().to_owned()),
        ("seed", plan.traffic.seed.to_string()),
        (
            "users",
            format!(
                "{} of {}, {} to {}",
                users.range.len(),
                users.fleet_range.len(),
                setup::usernames(users).next().unwrap_or_default(),
                setup::usernames(users).last().unwrap_or_default()
            ),
        ),
        ("speakers", format!("{} of {}", division.speakers(users.range), division.speakers(users.fleet_range))),
    ];
    if division.is_numbered() {
        part.push(("rooms", format!("{} of {}, {} to {}", rooms.len(), division.rooms(), named[0], named[1])));
    }
    Ok(part)
}
