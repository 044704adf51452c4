//! What the command line says about itself: completions for shells, and man pages.

use std::io::{self, Write};

use clap::{CommandFactory, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::Cli;

/// Commands that print and do nothing else; they are for packagers, and not in the help.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Document {
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
        /// Of which command; without it, that of soakrig itself
        #[arg(value_name = "COMMAND")]
        page: Option<Page>,
    },
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
    Health,
}

impl Document {
    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut command = Cli::command();
        // Fills in the usage lines and the full names of the subcommands.
        command.build();
        match self {
            Self::Completions { shell } => {
                // The generator panics where writing fails, so it writes to memory.
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

    fn written(document: &Document) -> String {
        let mut out = Vec::new();
        document.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_shell_completes_the_flags() {
        for shell in Shell::value_variants() {
            assert!(written(&Document::Completions { shell: *shell }).contains("chat-rate"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_its_page() {
        assert!(written(&Document::Man { page: None }).contains("soakrig\\-run(1)"));
        let listed: Vec<String> = Cli::command()
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
