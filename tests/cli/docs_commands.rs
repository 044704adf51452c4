//! Holds the commands in README and docs to the code: `soakrig` lines are parsed by the real
//! definition, runs are tried with `--dry-run`, and scripts, recipes and test binaries exist.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::error::ErrorKind;
use soakrig::cli::definition;
use soakrig::drivers::file::shipped::SHIPPED;

/// Programs that pages may call in addition to soakrig, cargo, just, and scripts of this repository.
const TOOLS: &str = "$EDITOR ansible-playbook ansible-vault aws cd cp curl docker done export for git grep jq kubectl mkdir pip \
                     prometheus rustup script sort ssh uniq valgrind wait head tail";

/// Options of other programs that stand in inline code by themselves.
const OTHER_OPTIONS: &str = "--check --chat-server --cycle --draft --floor --install --locked --minutes --no-fail-fast \
                             --profile --quick --serve --server-side --users";

/// A command of a page: its place and its words.
struct Found {
    place: String,
    words: Vec<String>,
}

impl Found {
    fn program(&self) -> &str {
        &self.words[0]
    }

    /// The arguments of soakrig, if this starts it.
    fn soakrig(&self) -> Option<&[String]> {
        match self.program() {
            "soakrig" => Some(&self.words[1..]),
            "cargo" if self.words.get(1).is_some_and(|word| word == "run") => {
                let begin = self.words.iter().position(|word| word == "--")?;
                Some(&self.words[begin + 1..])
            }
            _ => None,
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages that people follow. Decisions record the past; the code need not match them.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "fuzz/README.md"].map(|page| root().join(page)).to_vec();
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|e| e == "md")));
    pages
}

/// The lines of shell blocks, continued ones joined; of `console` blocks those after `$ `.
fn shell_lines(text: &str) -> Vec<(usize, String)> {
    let (mut block, mut lines, mut open) = (None, Vec::<(usize, String)>::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.to_owned()) };
            continue;
        }
        let command = match block.as_deref() {
            Some("sh") => Some(line),
            Some("console") => line.strip_prefix("$ ").or(open.then_some(line)),
            None => line.strip_prefix("    ").filter(|line| line.starts_with("soakrig ")),
            Some(_) => None,
        };
        let Some(command) = command else { continue };
        let (text, goes_on) = command.strip_suffix('\\').map_or((command, false), |text| (text, true));
        match lines.last_mut() {
            Some(last) if open => last.1.push_str(text),
            _ => lines.push((number, text.to_owned())),
        }
        open = goes_on;
    }
    lines
}

/// The simple commands of a line of shell, without redirections, assignments and comments.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    for c in line.chars().chain(['\n']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '\n') => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands.push(words);
    commands.into_iter().map(without_shell).filter(|words| !words.is_empty()).collect()
}

/// The words of a command without the shell's own.
fn without_shell(words: Vec<String>) -> Vec<String> {
    let assigns = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        })
    };
    let words = words.into_iter().skip_while(|word| word == "do" || assigns(word));
    words.take_while(|word| !word.starts_with(['>', '<'])).collect()
}

/// Every command in the blocks of every page.
fn commands() -> Vec<Found> {
    let mut found = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        for (number, line) in shell_lines(&text) {
            let place = format!("{name}:{number}");
            found.extend(simple_commands(&line).into_iter().map(|words| Found { place: place.clone(), words }));
        }
    }
    found
}

/// Text in single backticks, with where it stands.
fn inline_code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        let mut in_block = false;
        for (number, line) in (1..).zip(fs::read_to_string(&page).unwrap().lines()) {
            in_block ^= line.trim_start().starts_with("```");
            if !in_block {
                let code = line.split('`').skip(1).step_by(2);
                found.extend(code.map(|code| (format!("{name}:{number}"), code.to_owned())));
            }
        }
    }
    found
}

/// clap's verdict on the arguments; in running text, required ones may be missing.
fn complaint(arguments: &[String], whole: bool) -> Option<String> {
    let line = std::iter::once("soakrig").chain(arguments.iter().map(String::as_str)).map(filled);
    let error = definition().try_get_matches_from(line).err()?;
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation => !whole,
        _ => false,
    };
    (!fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// A value for a placeholder.
fn filled(word: &str) -> String {
    match word {
        "URL" => "http://127.0.0.1:9".to_owned(),
        "SLUG" | "ROOM" => "friday".to_owned(),
        "NAME" => "socketio".to_owned(),
        "0/N" => "0/3".to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn every_soakrig_command_of_the_pages_parses() {
    let found = commands();
    let ours: Vec<_> = found.iter().filter_map(|each| Some((each, each.soakrig()?))).collect();
    assert!(ours.len() >= 20, "only {} commands were found", ours.len());
    let wrong = ours.iter().filter_map(|(each, arguments)| {
        complaint(arguments, true).map(|why| format!("{}: {}: {why}", each.place, each.words.join(" ")))
    });
    let inline = inline_code();
    let inline = inline.iter().filter(|(_, code)| code.starts_with("soakrig ")).filter_map(|(place, code)| {
        let words = simple_commands(&code.replace(" … ", " ").replace(" …", "")).into_iter().next()?;
        complaint(&words[1..], false).map(|why| format!("{place}: {code}: {why}"))
    });
    let wrong: Vec<String> = wrong.chain(inline).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Every long option of soakrig and its commands.
fn options() -> BTreeSet<String> {
    fn add(command: &clap::Command, known: &mut BTreeSet<String>) {
        for argument in command.get_arguments() {
            known.extend(argument.get_long_and_visible_aliases().into_iter().flatten().map(|name| format!("--{name}")));
        }
        command.get_subcommands().for_each(|command| add(command, known));
    }
    let mut known = BTreeSet::from(["--help".to_owned(), "--version".to_owned()]);
    add(&definition(), &mut known);
    known
}

#[test]
fn every_option_that_a_page_names_exists() {
    let known = options();
    let wrong: Vec<String> = inline_code()
        .into_iter()
        .filter(|(_, code)| code.starts_with("--"))
        .filter_map(|(place, code)| {
            let name = code.split([' ', '=']).next().unwrap_or_default();
            let other = OTHER_OPTIONS.split_whitespace().any(|option| option == name);
            (!known.contains(name) && !other).then(|| format!("{place}: {code}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Runs and demos of the pages, tried with `--dry-run`: their values and files are accepted, too.
#[test]
fn the_runs_of_the_pages_would_start() {
    let home = tempfile::tempdir().unwrap();
    let files = write_files(home.path());
    let mut tried = 0;
    let mut wrong = Vec::new();
    let files = files.into_iter().map(|line| (line.clone(), line.split(' ').map(str::to_owned).collect::<Vec<_>>()));
    let of_pages = commands();
    let of_pages = of_pages.iter().filter_map(|each| Some((each.place.clone(), each.soakrig()?.to_vec())));
    for (place, arguments) in of_pages.chain(files) {
        if !matches!(arguments.first().map(String::as_str), Some("run" | "demo")) {
            continue;
        }
        tried += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_soakrig"));
        command.args(arguments.iter().map(|word| filled(word))).arg("--dry-run");
        command.env_clear().env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path());
        let output = command.current_dir(home.path()).output().unwrap();
        if output.status.code() != Some(0) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            wrong.push(format!("{place}: {}: {said}", arguments.join(" ")));
        }
    }
    assert!(tried >= 10, "only {tried} runs were found");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What the commands of the pages read: a password, a protocol file, and each TOML block that begins
/// with the comment `# NAME.toml`. Returns a run for each of those blocks.
fn write_files(home: &Path) -> Vec<String> {
    let own = SHIPPED.iter().find(|file| file.name == "socketio").unwrap().text;
    for (name, text) in [("p", "Correct-Horse-7\n"), ("password", "Correct-Horse-7\n"), ("my.toml", own)] {
        fs::write(home.join(name), text).unwrap();
        fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut runs = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(page).unwrap();
        for block in text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let title = block.lines().next().unwrap_or_default().strip_prefix("# ").unwrap_or_default();
            let name = title.split(':').next().unwrap_or_default();
            if name.ends_with(".toml") && !name.contains(' ') {
                fs::write(home.join(name), block.replace("/run/credentials/soakrig/password", "password")).unwrap();
                let protocol = block.contains("schema = 1");
                runs.push(if protocol {
                    format!("run URL ROOM --protocol {name}")
                } else {
                    format!("run --config {name}")
                });
            }
        }
    }
    assert!(!runs.is_empty());
    runs
}

/// Whether a script exists and is executable, from the root or from `ansible/`.
fn is_script(path: &str) -> bool {
    [root().to_owned(), root().join("ansible")].iter().any(|folder| {
        fs::metadata(folder.join(path)).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// Whether `just` has the recipe.
fn is_recipe(name: &str) -> bool {
    ["justfile", "ansible/justfile"].iter().any(|file| {
        let text = fs::read_to_string(root().join(file)).unwrap();
        text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', ':'])))
    })
}

/// The mistake in a `cargo` command: a test binary, bench or example that does not exist.
fn cargo_complaint(words: &[String]) -> Option<String> {
    let place = |option: &str| match option {
        "--test" => Some("tests"),
        "--bench" => Some("benches"),
        "--example" => Some("examples"),
        _ => None,
    };
    words.windows(2).find_map(|pair| {
        let folder = root().join(place(&pair[0])?).join(&pair[1]);
        (!folder.join("main.rs").exists() && !folder.with_extension("rs").exists()).then(|| format!("no {}", pair[1]))
    })
}

#[test]
fn scripts_recipes_and_test_binaries_of_the_pages_exist() {
    let blocks = commands().into_iter();
    let inline = inline_code().into_iter().flat_map(|(place, code)| {
        let begins = ["just ", "cargo ", "./", "tests/", "benches/"].iter().any(|begin| code.starts_with(begin));
        let commands = if begins && code.contains([' ', '.']) && !code.contains("NAME.") {
            simple_commands(&code)
        } else {
            Vec::new()
        };
        commands.into_iter().map(move |words| Found { place: place.clone(), words })
    });
    let mut wrong = Vec::new();
    for each in blocks.chain(inline) {
        let program = each.program();
        let complaint = match program {
            "cargo" => cargo_complaint(&each.words),
            "just" => each.words.get(1).filter(|name| !is_recipe(name)).map(|name| format!("no recipe {name}")),
            "soakrig" => None,
            _ if program.contains('/') && root().join(program).exists() => {
                (program.ends_with(".sh") && !is_script(program)).then(|| "cannot be started".to_owned())
            }
            _ if program.contains('/') => (!is_script(program)).then(|| "is not there".to_owned()),
            _ => (!TOOLS.split_whitespace().any(|tool| tool == program)).then(|| "an unknown program".to_owned()),
        };
        wrong.extend(complaint.map(|why| format!("{}: {}: {why}", each.place, each.words.join(" "))));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn commands_are_found_in_the_shell_of_the_pages() {
    let page = "```sh\nA=1 soakrig run URL 'a b' \\\n  --seed 7 > x & # no\n```\n```console\n$ just x\nout\n```\n\n    soakrig man\n";
    let lines: Vec<String> = shell_lines(page).into_iter().map(|(_, line)| line).collect();
    let found: Vec<Vec<String>> = lines.iter().flat_map(|line| simple_commands(line)).collect();
    let words = |text: &str| text.split('_').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(found, [words("soakrig_run_URL_a b_--seed_7"), words("just_x"), words("soakrig_man")]);
    assert!(complaint(&words("run_--no-such-option"), false).is_some());
    assert!(complaint(&words("nothing"), false).is_some());
}
