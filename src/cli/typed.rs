//! The flags typed on the command line, as texts.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::config::entry::OptionTexts;

/// The values of a subcommand's flags.
pub(super) fn typed(matches: &ArgMatches) -> OptionTexts {
    let Some((_, given)) = matches.subcommand() else { return OptionTexts::default() };
    let of_command_line = |id: &&clap::Id| given.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    let text = |id: &clap::Id| {
        // Groups of options have ids too, but no values.
        let values = given.try_get_raw(id.as_str()).ok()??;
        let lines: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
        Some((id.as_str().to_owned(), lines.join("\n")))
    };
    OptionTexts(given.ids().filter(of_command_line).filter_map(text).collect())
}
