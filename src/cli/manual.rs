//! What the command line says about itself: completions for shells, and man pages.

use std::io::{self, Write};

use clap::builder::PossibleValuesParser;
use clap::{Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::drivers::file::schema;
use crate::drivers::file::shipped::{SHIPPED, Shipped};

/// Commands that print and do nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Document {
    /// List the protocol files that ship, show one, or print their JSON schema
    Protocol {
        /// What to print
        #[command(subcommand)]
        what: ProtocolPage,
    },
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print a man page in roff
    #[command(hide = true)]
    Man {
        /// The command; without one, soakrig itself
        #[arg(value_name = "COMMAND")]
        page: Option<Page>,
    },
}

/// What there is to print about protocol files.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ProtocolPage {
    /// List the protocol files that ship, and what each is for
    List,
    /// Print a protocol file that ships, as a start for your own
    Show {
        /// Its name
        #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(SHIPPED.map(|file| file.name)))]
        name: String,
    },
    /// Print the JSON schema of protocol files, for editors
    Schema,
}

impl ProtocolPage {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::List => SHIPPED.iter().try_for_each(|file| writeln!(out, "{:<12} {}", file.name, file.about())),
            Self::Show { name } => out.write_all(Shipped::named(name).map_or("", |file| file.text).as_bytes()),
            Self::Schema => {
                serde_json::to_writer_pretty(&mut *out, &schema::schema())?;
                writeln!(out)
            }
        }
    }
}

/// Commands that have a man page of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum Page {
    Run,
    Demo,
    Target,
    Check,
    Cleanup,
    Merge,
    Ctl,
    Report,
    Compare,
    Health,
    Protocol,
}

impl Document {
    /// Writes the document for the command line that `command` describes.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, mut command: clap::Command, out: &mut impl Write) -> io::Result<()> {
        // Fills in the usage lines and the full names of the subcommands.
        command.build();
        match self {
            Self::Protocol { what } => what.write(out),
            Self::Completions { shell } => {
                // The generator panics if writing fails, so it writes to memory.
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut command, "soakrig", &mut text);
                out.write_all(&text)
            }
            Self::Man { page } => {
                let name = page.and_then(|page| page.to_possible_value());
                let found = name.and_then(|name| command.find_subcommand(name.get_name()).cloned());
                clap_mangen::Man::new(found.unwrap_or(command)).render(out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::definition;

    fn written(document: &Document) -> String {
        let mut out = Vec::new();
        document.write(definition(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_shell_completes_the_flags() {
        for shell in Shell::value_variants() {
            assert!(written(&Document::Completions { shell: *shell }).contains("chat-rate"), "{shell}");
        }
    }

    #[test]
    fn protocol_files_are_listed_and_shown_as_they_are() {
        let printed = |what| written(&Document::Protocol { what });
        let list = printed(ProtocolPage::List);
        for file in SHIPPED {
            assert!(list.lines().any(|line| line.starts_with(&format!("{} ", file.name))), "{list}");
            assert_eq!(printed(ProtocolPage::Show { name: file.name.to_owned() }), file.text);
        }
        let schema: serde_json::Value = serde_json::from_str(&printed(ProtocolPage::Schema)).unwrap();
        assert_eq!(schema["type"], "object");
    }

    #[test]
    fn every_command_has_its_page() {
        assert!(written(&Document::Man { page: None }).contains("soakrig\\-run(1)"));
        let listed: Vec<String> = definition()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(|command| command.get_name().to_owned())
            .collect();
        let pages = Page::value_variants();
        assert_eq!(listed.len(), pages.len());
        for (name, page) in listed.iter().zip(pages) {
            let text = written(&Document::Man { page: Some(*page) });
            assert!(text.contains(&format!("soakrig\\-{name}")), "{name}");
        }
    }
}
