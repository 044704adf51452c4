//! Holds the code to the tables of `docs/architecture.md`: which module may import which
//! other, which crates are reserved for which modules, and which modules are pure. The page is
//! the rule; these tests read it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its module path and its text without comments and strings.
pub(crate) struct Source {
    file: PathBuf,
    pub(crate) module: Vec<String>,
    pub(crate) code: String,
}

impl Source {
    /// The module of the crate that it belongs to.
    fn top(&self) -> &str {
        &self.module[0]
    }
}

#[test]
fn modules_import_what_the_architecture_allows() {
    let rules = table("imports");
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(allowed) = rules.get(source.top()) else {
            wrong.push(format!("{}: docs/architecture.md does not name `{}`", source.file.display(), source.top()));
            continue;
        };
        for import in imports(&source) {
            let own = begins_with(&import, source.top());
            if !own && !allowed.iter().any(|rule| rule == "everything" || begins_with(&import, rule)) {
                wrong.push(format!("{}: `{}` may not import `{import}`", source.file.display(), source.top()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn crates_stay_where_the_architecture_keeps_them() {
    let rules = table("only in");
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.module.join("::");
        for (name, places) in &rules {
            if mentions(&source.code, name) && !places.iter().any(|place| begins_with(&path, place)) {
                wrong.push(format!("{}: `{name}` may not be used here", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn pure_modules_use_nothing_impure() {
    let rules = table("knows no");
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.module.join("::");
        let banned = rules.iter().filter(|(pure, _)| begins_with(&path, pure)).flat_map(|(_, names)| names);
        for name in banned {
            if words(&source.code).any(|(_, word)| word == name) {
                wrong.push(format!("{}: `{path}` is to know no `{name}`", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_architecture_names_every_module_and_no_other() {
    let mut there: Vec<String> = sources().iter().map(|s| s.top().to_owned()).collect();
    there.sort();
    there.dedup();
    let named: Vec<String> = table("imports").into_keys().collect();
    assert_eq!(named, there);
}

#[test]
fn every_dependency_is_justified() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml").parse().expect("TOML");
    let page = fs::read_to_string(root().join("docs/decisions/0001-dependencies.md")).expect("the decision");
    let names = |table: &str| manifest[table].as_table().expect("a table").keys().cloned().collect::<Vec<_>>();
    let dependencies = names("dependencies");
    let named: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|row| in_backticks(row.split('|').nth(1).unwrap_or_default()))
        .collect();
    let unnamed: Vec<_> = dependencies.iter().filter(|name| !named.contains(name)).collect();
    let gone: Vec<_> = named.iter().filter(|name| !dependencies.contains(name)).collect();
    assert!(unnamed.is_empty() && gone.is_empty(), "decision 1 lacks {unnamed:?} and still has {gone:?}");
    let for_tests = names("dev-dependencies");
    let unnamed: Vec<_> = for_tests.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(unnamed.is_empty(), "decision 1 lacks {unnamed:?}");
}

#[test]
fn imports_are_found_in_every_spelling() {
    let seen = |code: &str| {
        let code = without_comments_and_strings(code);
        imports(&Source { file: PathBuf::new(), module: vec!["user".into(), "keepalive".into()], code })
    };
    assert_eq!(seen("use crate::model::Event;"), ["model::Event"]);
    assert_eq!(seen("use crate::{model::{Event, Kind}, clock};"), ["model", "clock"]);
    assert_eq!(seen("fn f() { $crate::ledger::x(crate :: metrics) }"), ["ledger::x", "metrics"]);
    assert_eq!(seen("use super::super::pool::slot;"), ["pool::slot"]);
    assert_eq!(seen("mod tests {\n    use super::super::clock;\n}"), [""; 0]);
    assert_eq!(seen("// crate::a\n/* crate::b */ let x = \"crate::c \\\" crate::d\"; r#\"crate::e\"#;"), [""; 0]);
}

/// The rows of the table whose second heading is `heading`: the names in backticks of the
/// first column, each with those of the second.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    let rows = page
        .lines()
        .skip_while(|line| line.split('|').nth(2).map(str::trim) != Some(heading))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        for name in in_backticks(cells[1]) {
            table.insert(name, in_backticks(cells[2]));
        }
    }
    assert!(!table.is_empty(), "docs/architecture.md has no table with the heading `{heading}`");
    table
}

fn in_backticks(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a path is `prefix` or lies under it.
fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `src` that belongs to a module.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src") {
            let file = entry.expect("an entry of src").path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|e| e == "rs") {
                found.extend(source(file));
            }
        }
    }
    assert!(found.len() > 50, "only {} sources were found", found.len());
    found
}

fn source(file: PathBuf) -> Option<Source> {
    let inside = file.strip_prefix(root().join("src")).expect("under src").with_extension("");
    let mut module: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    if module == ["lib"] || module == ["main"] {
        return None;
    }
    let text = fs::read_to_string(&file).expect("a source file");
    Some(Source { file, module, code: without_comments_and_strings(&text) })
}

/// The paths from the crate's root that a source names, whether by `crate` or by `super`.
fn imports(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (at, word) in words(&source.code) {
        let rest = &source.code[at + word.len()..];
        if word == "crate" {
            found.extend(targets(rest));
        } else if word == "super" && !source.code[..at].trim_end().ends_with("::") {
            let (mut steps, mut rest) = (1, rest);
            while let Some(higher) = rest.strip_prefix("::super") {
                (steps, rest) = (steps + 1, higher);
            }
            if steps >= source.module.len() + inner_modules(&source.code[..at]) {
                found.extend(targets(rest));
            }
        }
    }
    found
}

/// The first two names of each path that follows: `::a::b`, or `::{a::b, c}` by its first names.
fn targets(rest: &str) -> Vec<String> {
    let Some(rest) = rest.trim_start().strip_prefix("::").map(str::trim_start) else { return Vec::new() };
    if let Some(group) = rest.strip_prefix('{') {
        let mut depth = 0;
        let end = group.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        });
        let mut depth = 0;
        let parts = group[..end.unwrap_or(group.len())].split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        return parts.flat_map(|part| targets(&format!("::{}", part.trim()))).collect();
    }
    let path = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap_or_default();
    let names: Vec<&str> = path.split("::").filter(|name| !name.is_empty()).take(2).collect();
    if names.is_empty() { Vec::new() } else { vec![names.join("::")] }
}

/// How many inline modules are open at the end of `code`.
fn inner_modules(code: &str) -> usize {
    let mut open = Vec::new();
    let mut last = ("", "");
    for (at, word) in words_and_braces(code) {
        match word {
            "{" => open.push(last.0 == "mod" && code[..at].trim_end().ends_with(last.1)),
            "}" => drop(open.pop()),
            _ => last = (last.1, word),
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// Whether the code names an item of the crate (or path) `name`.
fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let (before_path, after) = (code[..at].ends_with("::"), &code[at + name.len()..]);
        !before.is_alphanumeric() && before != '_' && !before_path && after.starts_with("::")
    })
}

pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    words_and_braces(code).filter(|(_, word)| *word != "{" && *word != "}")
}

fn words_and_braces(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].find(|c| in_word(c) || c == '{' || c == '}')?;
        let rest = &code[at..];
        let length = if rest.starts_with(['{', '}']) { 1 } else { rest.find(|c| !in_word(c)).unwrap_or(rest.len()) };
        let found = (at, &rest[..length]);
        at += length;
        Some(found)
    })
}

/// The code alone. Characters and lifetimes stay: neither hides an import.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            string_length(rest, code.chars().next_back())
        };
        if skipped == 0 {
            code.push(first);
        }
        rest = &rest[skipped.max(first.len_utf8())..];
    }
    code
}

/// The length of the string literal that `rest` begins with, or 0.
fn string_length(rest: &str, before: Option<char>) -> usize {
    let within_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !matches!(before, Some('b' | 'c'));
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !within_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = hashes + 1;
            return raw[begin..].find(&end).map_or(rest.len(), |at| 1 + begin + at + end.len());
        }
    }
    if !rest.starts_with('"') {
        return 0;
    }
    let mut escaped = false;
    let end = rest[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |at| at + 2)
}
