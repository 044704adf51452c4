//! Holds `docs/reliability.md` to the code: every test and every metric that it names exists.

use std::fs;
use std::path::Path;

use soakrig::metrics::families;

/// The rows of the page's tables, as cells.
fn rows() -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> =
        rows.map(cells).filter(|cells: &Vec<String>| cells.last().unwrap() != "test").collect();
    assert!(rows.len() > 30, "only {} rows were found", rows.len());
    rows
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The file of a test's path: one of `tests/`, or a module of the crate.
fn text_of(module: &str) -> String {
    let inside = module.replace("::", "/");
    let tests = ["cli", "drivers", "run", "server"].map(|binary| format!("tests/{binary}/{inside}.rs"));
    let places =
        tests.into_iter().chain([format!("src/{inside}.rs"), format!("src/{inside}/mod.rs")]).collect::<Vec<_>>();
    places.iter().find_map(|place| fs::read_to_string(root().join(place)).ok()).unwrap_or_default()
}

#[test]
fn every_row_names_tests_that_exist() {
    let mut wrong = Vec::new();
    for cells in rows() {
        let tests: Vec<&str> = in_backticks(cells.last().unwrap()).collect();
        if tests.is_empty() {
            wrong.push(format!("{}: no test", cells[0]));
        }
        for test in tests {
            let (module, name) = test.rsplit_once("::").unwrap_or(("", test));
            let text = text_of(module);
            let found = text.match_indices(&format!("fn {name}(")).any(|(at, _)| {
                let before = text[..at].trim_end().trim_end_matches("async").trim_end();
                before.rsplit('\n').next().is_some_and(|line| line.trim().starts_with("#[") && line.contains("test"))
            });
            if !found {
                wrong.push(format!("{}: there is no test {test}", cells[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_metric_that_is_named_exists() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let names = in_backticks(&page).filter(|name| name.starts_with("soakrig_"));
    let names = names.map(|name| name.split('{').next().unwrap());
    let unknown: Vec<&str> = names.filter(|name| families::ALL.iter().all(|family| family.name != *name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
