//! Checks that no file of a run is written by two plenaries or for two purposes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::StartError;

use super::super::layers::Layers;
use super::task::Run;
use super::types::{CacheLocation, Plan};

/// Longest chain of links, as in the kernel.
const MOST_LINKS: usize = 40;

/// The option whose file plenaries may share.
const CACHE: &str = "cache_file";

/// The files of a plan, each with its option.
fn files(plan: &Plan) -> Vec<(&'static str, &Path)> {
    let cache = match &plan.users.cache.place {
        CacheLocation::File(path) => Some(path),
        CacheLocation::Nowhere | CacheLocation::Directory(_) => None,
    };
    let report = &plan.report;
    let all = [
        ("summary", &report.summary),
        ("report", &report.page),
        ("junit", &report.junit),
        ("anomaly_log", &report.anomaly_log),
    ];
    let written = all.into_iter().filter_map(|(key, path)| path.as_ref().map(|path| (key, path)));
    let files = written.chain(cache.map(|path| (CACHE, path)));
    files.map(|(key, path)| (key, path.as_path())).filter(|(_, path)| !keeps_nothing(path)).collect()
}

/// Checks that each plenary writes its own files. `layers_of` gives the options of a run, for the error.
pub(super) fn own_files<'a>(runs: &[Run], layers_of: impl Fn(&Run) -> &'a Layers) -> Result<(), StartError> {
    for (n, run) in runs.iter().enumerate() {
        let layers = layers_of(run);
        single_purpose(&run.plan, layers)?;
        for other in runs.iter().take(n) {
            let shared = shared(&run.plan, &other.plan).find(|(mine, others, _)| (*mine, *others) != (CACHE, CACHE));
            if let Some((mine, others, path)) = shared {
                let keys = if mine == others { vec![mine] } else { vec![mine, others] };
                let (first, second) = (other.plenary.as_str(), run.plenary.as_str());
                let why = format!("{} would be written by {first} and by {second}", path.display());
                let remedy = "give each table a file of its own, or none: then the slug is added";
                return Err(layers.conflict(&keys, why).remedy(remedy));
            }
        }
    }
    Ok(())
}

/// Checks that no file of a plan has two purposes.
pub(super) fn single_purpose(plan: &Plan, layers: &Layers) -> Result<(), StartError> {
    match shared(plan, plan).find(|(one, other, _)| one != other) {
        Some((one, other, path)) => Err(layers
            .conflict(&[one, other], format!("both are {}", path.display()))
            .remedy("give each a file of its own: one would destroy the other")),
        None => Ok(()),
    }
}

/// The files that two plans share, each with its option in both.
fn shared<'a>(one: &'a Plan, other: &'a Plan) -> impl Iterator<Item = (&'static str, &'static str, &'a Path)> {
    files(one).into_iter().flat_map(move |(mine, path)| {
        let same = files(other).into_iter().filter(move |(_, theirs)| is_same_file(path, theirs));
        same.map(move |(others, _)| (mine, others, path))
    })
}

/// Whether two paths lead to the same file, directly or through links, even if it does not exist yet.
#[must_use]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => one == other || real(one).is_some_and(|path| real(other) == Some(path)),
        _ => false,
    }
}

/// The resolved path of a file that may not exist yet.
fn real(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::read_link(&path) {
            Ok(to) => path = directory.join(to),
            Err(_) => return Some(directory.canonicalize().ok()?.join(path.file_name()?)),
        }
    }
    None
}

/// Whether a path is a device or a FIFO, which keeps nothing that is written to it.
pub(super) fn keeps_nothing(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_any_path() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        // Before the file exists, and after.
        for _ in 0..2 {
            for same in ["a", "./a", "sub/../a", "link"] {
                assert!(is_same_file(&path("a"), &path(same)), "{same}");
            }
            assert!(!is_same_file(&path("a"), &path("b")));
            assert!(!is_same_file(&path("a"), &path("sub/a")));
            fs::write(path("a"), "x").unwrap();
        }
        assert!(!is_same_file(&path("no/such/a"), &path("no/such/b")));
    }
}
