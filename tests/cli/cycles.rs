//! No files of a module import each other in a circle, so that each can be read after those it
//! imports. A module's own file (`mod.rs`) and its children may know each other: it declares the
//! children and passes on what they hold, so it always names them, and what all of them share may
//! stand in it. The modules in [`PARENT_ONLY_PASSES_ON`] do without that.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::{sources, words};

/// A path from the crate's root, or a module's.
type Path = Vec<String>;

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    let code = sources().into_iter().filter(|source| !source.module.iter().any(|part| part == "tests"));
    let circles = Code::of(code.map(|source| (source.module, source.code))).circles();
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

/// Modules whose children import nothing that the module's own file declares.
const PARENT_ONLY_PASSES_ON: [&str; 2] = ["config::plan", "config::value"];

#[test]
fn children_of_the_listed_modules_import_nothing_of_their_parents_own_file() {
    let crate_code = Code::of(sources().into_iter().map(|source| (source.module, source.code)));
    for parent in PARENT_ONLY_PASSES_ON {
        let own: Path = parent.split("::").map(str::to_owned).collect();
        assert!(crate_code.paths.contains_key(&own), "{parent}");
        let children =
            crate_code.paths.iter().filter(|(module, _)| module.len() > own.len() && module.starts_with(&own));
        let wrong: Vec<_> = children
            .filter(|(_, paths)| {
                // The parent's bare name is that of a visibility, `pub(super)`.
                paths.iter().any(|path| *path != own && crate_code.file(path, 8).as_ref() == Some(&own))
            })
            .map(|(module, _)| module.join("::"))
            .collect();
        assert!(wrong.is_empty(), "{parent}: {wrong:?}");
    }
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
}

/// The files of the crate, what each names, and what each passes on.
struct Code {
    paths: BTreeMap<Path, Vec<Path>>,
    reexports: BTreeMap<Path, Path>,
}

impl Code {
    fn of(files: impl Iterator<Item = (Path, String)>) -> Self {
        let files: BTreeMap<Path, String> = files.map(|(path, code)| (path, without_tests(&code))).collect();
        let (mut paths, mut reexports) = (BTreeMap::new(), BTreeMap::new());
        for (module, code) in &files {
            let named = named(code).into_iter().filter_map(|named| {
                let path = absolute(module, &named.path, &files)?;
                Some((path, named.local))
            });
            let named: Vec<(Path, Option<String>)> = named.collect();
            for (path, local) in &named {
                if let Some(local) = local {
                    reexports.insert([module.as_slice(), std::slice::from_ref(local)].concat(), path.clone());
                }
            }
            paths.insert(module.clone(), named.into_iter().map(|(path, _)| path).collect());
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
        for (module, paths) in &self.paths {
            for file in paths.iter().filter_map(|path| self.file(path, 8)) {
                let shared = module.iter().zip(&file).take_while(|(one, other)| one == other).count();
                if let (Some(from), Some(to)) = (module.get(shared), file.get(shared)) {
                    let siblings = imports.entry(file[..shared].to_vec()).or_default();
                    siblings.entry(from.clone()).or_default().insert(to.clone());
                }
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
}

/// Every path that begins with `crate`, `self` or `super`, and every one of a `use`.
fn named(code: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, word) in words(code).filter(|(_, word)| ["use", "crate", "self", "super"].contains(word)) {
        if at < end || code[..at].trim_end().ends_with("::") {
            continue;
        }
        if word == "use" {
            let rest = &code[at + word.len()..];
            let length = rest.find(';').unwrap_or(rest.len());
            tree(&rest[..length], &[], &mut found);
            end = at + word.len() + length;
        } else {
            let rest = &code[at..];
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let path: Path = rest[..length].split("::").map(str::to_owned).collect();
            found.push(Named { path, local: None });
        }
    }
    found
}

/// The paths of a `use`, groups opened.
fn tree(text: &str, prefix: &[String], found: &mut Vec<Named>) {
    let text = text.trim();
    let Some((head, group)) = text.split_once('{') else {
        let (path, alias) = text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias.trim())));
        let mut path = [prefix, &names(path)].concat();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let local = alias.map(str::to_owned).or_else(|| path.last().cloned());
        return found.push(Named { path, local });
    };
    let prefix = [prefix, &names(head)].concat();
    let mut depth = 0;
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let parts = group.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).for_each(|part| tree(part, &prefix, found));
}

fn names(path: &str) -> Path {
    path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
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
