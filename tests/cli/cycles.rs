//! No files of a module import each other in a circle, so that each can be read after those it
//! imports. A module's own file (`mod.rs`) counts, too: it passes on what its children hold, and
//! either uses them or is used by them. A struct of the own file may have an `impl` in a child.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::{sources, words};

/// A path from the crate's root, or a module's.
type Path = Vec<String>;

/// How a module's own file is called in a circle.
const OWN: &str = "mod.rs";

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    let code = sources().into_iter().filter(|source| !source.module.iter().any(|part| part == "tests"));
    let circles = Code::of(code.map(|source| (source.module, source.code))).circles();
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

#[test]
fn a_circle_is_seen_through_reexports_and_any_number_of_files() {
    let circles = |files: &[(&str, &str)]| {
        let path = |name: &str| name.split("::").map(str::to_owned).collect::<Path>();
        Code::of(files.iter().map(|(name, code)| (path(name), (*code).to_owned()))).circles()
    };
    let parent = ("m", "mod a; mod b; mod c; pub use b::B; pub use c::sub::C as Alias;");
    assert_eq!(circles(&[parent, ("m::a", "use super::b::B;"), ("m::b", "use super::X;")]), [""; 0]);
    let two = circles(&[parent, ("m::a", "use super::B;"), ("m::b", "fn f() { crate::m::a::A }")]);
    assert_eq!(two, ["m: a imports b", "m: b imports a"]);
    let three = [
        ("m::a", "use crate::m::{b, x};"),
        ("m::b", "use super::Alias;"),
        ("m::c", ""),
        ("m::c::sub", "use crate::m::a;"),
    ];
    let three = circles(&[&[parent][..], &three].concat());
    assert_eq!(three, ["m: a imports b", "m: b imports c", "m: c imports a"]);
    let tests =
        circles(&[parent, ("m::a", "use super::b;"), ("m::b", "#[cfg(test)] mod tests { use super::super::a; }")]);
    assert_eq!(tests, [""; 0]);
    let used_by_child = ("m::a", "use super::Shared;");
    let passes_on = ("m", "mod a; pub use a::A; pub struct Shared;");
    assert_eq!(circles(&[passes_on, used_by_child]), [""; 0]);
    for uses_child in ["mod a; fn f() { a::f() }", "mod a; use a::A;", "mod a; pub use a::A; fn f() -> A { A }"] {
        assert_eq!(circles(&[("m", uses_child), used_by_child]), ["m: a imports mod.rs", "m: mod.rs imports a"]);
    }
}

/// The files of the crate, what each uses, and what each passes on.
struct Code {
    /// What each file uses.
    paths: BTreeMap<Path, Vec<Path>>,
    reexports: BTreeMap<Path, Path>,
}

impl Code {
    fn of(files: impl Iterator<Item = (Path, String)>) -> Self {
        let files: BTreeMap<Path, String> = files.map(|(path, code)| (path, without_tests(&code))).collect();
        let (mut paths, mut reexports) = (BTreeMap::new(), BTreeMap::new());
        for (module, code) in &files {
            let children: Vec<&str> = children(module, &files).collect();
            let mut used = Vec::new();
            for Named { path, local, is_public } in named(code, &children) {
                let Some(path) = absolute(module, &path, &files) else { continue };
                let Some(local) = local else {
                    used.push(path);
                    continue;
                };
                let is_used = !is_public || words(code).filter(|(_, word)| *word == local).count() > 1;
                reexports.insert([module.as_slice(), &[local]].concat(), path.clone());
                if is_used {
                    used.push(path);
                }
            }
            paths.insert(module.clone(), used);
        }
        Self { paths, reexports }
    }

    /// The file in which what a path names is declared.
    fn file(&self, path: &[String], steps: usize) -> Option<Path> {
        let (at, file) =
            (0..=path.len()).rev().map(|at| (at, &path[..at])).find(|(_, file)| self.paths.contains_key(*file))?;
        let reexport = path.get(..=at).and_then(|name| self.reexports.get(name)).filter(|to| to.as_slice() != path);
        match reexport {
            Some(to) if steps > 0 => self.file(&[to.as_slice(), &path[at + 1..]].concat(), steps - 1),
            _ => Some(file.to_vec()),
        }
    }

    /// The imports that are part of a circle.
    fn circles(&self) -> Vec<String> {
        let mut imports: BTreeMap<Path, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        let own = || OWN.to_owned();
        for (module, paths) in &self.paths {
            for (path, file) in paths.iter().filter_map(|path| Some((path, self.file(path, 8)?))) {
                let shared = module.iter().zip(&file).take_while(|(one, other)| one == other).count();
                let (from, to) = match (module.get(shared), file.get(shared)) {
                    (Some(from), Some(to)) => (from.clone(), to.clone()),
                    (None, Some(to)) => (own(), to.clone()),
                    // The parent's bare name is that of a visibility, `pub(super)`.
                    (Some(from), None) if *path != file => (from.clone(), own()),
                    _ => continue,
                };
                imports.entry(file[..shared].to_vec()).or_default().entry(from).or_default().insert(to);
            }
        }
        let mut circles = Vec::new();
        for (parent, siblings) in imports {
            for (from, to) in siblings.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
                if reaches(&siblings, to, from) {
                    circles.push(format!("{}: {from} imports {to}", parent.join("::")));
                }
            }
        }
        circles
    }
}

fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(imports.get(at).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// A path as it is written, and the name that a `use` gives to what it names.
struct Named {
    path: Path,
    local: Option<String>,
    /// Whether the `use` is a `pub use`.
    is_public: bool,
}

/// Every path that begins with `crate`, `self`, `super` or a child, and every one of a `use`.
fn named(code: &str, children: &[&str]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, word) in words(code) {
        let is_child = children.contains(&word) && code[at + word.len()..].starts_with("::");
        if at < end
            || code[..at].trim_end().ends_with("::")
            || !(is_child || ["use", "crate", "self", "super"].contains(&word))
        {
            continue;
        }
        if word == "use" {
            let before = code[..at].trim_end();
            let is_public = before.ends_with("pub") || before.ends_with(')');
            let rest = &code[at + word.len()..];
            let length = rest.find(';').unwrap_or(rest.len());
            tree(&rest[..length], &[], is_public, &mut found);
            end = at + word.len() + length;
        } else {
            let rest = &code[at..];
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let path: Path = rest[..length].split("::").map(str::to_owned).collect();
            found.push(Named { path, local: None, is_public: false });
        }
    }
    found
}

/// The paths of a `use`, groups opened.
fn tree(text: &str, prefix: &[String], is_public: bool, found: &mut Vec<Named>) {
    let text = text.trim();
    let Some((head, group)) = text.split_once('{') else {
        let (path, alias) = text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias.trim())));
        let mut path = [prefix, &names(path)].concat();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let local = alias.map(str::to_owned).or_else(|| path.last().cloned());
        return found.push(Named { path, local, is_public });
    };
    let prefix = [prefix, &names(head)].concat();
    let mut depth = 0;
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let parts = group.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).for_each(|part| tree(part, &prefix, is_public, found));
}

fn names(path: &str) -> Path {
    path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The names of the files right below a module.
fn children<'a>(module: &'a [String], files: &'a BTreeMap<Path, String>) -> impl Iterator<Item = &'a str> {
    let below = files.keys().filter(|file| file.len() == module.len() + 1 && file.starts_with(module));
    below.filter_map(|file| file.last().map(String::as_str))
}

/// The path from the crate's root; `None` for another crate's.
fn absolute(module: &[String], path: &[String], files: &BTreeMap<Path, String>) -> Option<Path> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([&module[..module.len().checked_sub(supers)?], &path[supers..]].concat()),
        child => {
            let child = [module, &[child.to_owned()]].concat();
            files.contains_key(&child).then(|| [&child, &path[1..]].concat())
        }
    }
}

/// The code without what only tests see.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut rest = code;
    let mut kept = String::with_capacity(code.len());
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && (c == ';' || c == '}')
        });
        rest = end.map_or("", |end| &rest[end + 1..]);
    }
    kept + rest
}
