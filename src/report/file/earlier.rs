//! Keeps what an earlier run left at a summary's path under another name, so that nothing is lost and
//! yesterday's summary is not taken for today's.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::destination::Destination;
use super::{FileError, SummaryFile, read};
use crate::report::numbers::plain;
use crate::report::summary::Summary;

/// Maximum number of lives of one shard whose summaries are kept.
const MOST_LIVES: u32 = 1_000;

/// What an earlier run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing to keep.
    Nothing,
    /// A summary of the same generator and run, from before a restart.
    SameRun {
        /// Its new path.
        kept: PathBuf,
        /// Number of lives before this one.
        lives: u32,
    },
    /// Another file.
    Other {
        /// Its new path.
        kept: PathBuf,
        /// What it was, in words.
        what: String,
    },
}

impl SummaryFile {
    /// Keeps what an earlier run left before `summary` replaces it: an earlier life of the same generator as
    /// `FILE.life-N`, anything else as the one `FILE.previous`.
    ///
    /// # Errors
    /// If it can neither be linked nor copied.
    pub fn keep_earlier(&self, summary: &Summary) -> Result<Earlier, FileError> {
        let Destination::File(path) = &self.place else { return Ok(Earlier::Nothing) };
        match fs::metadata(path) {
            Ok(found) if found.len() > 0 => {}
            Ok(_) => return Ok(Earlier::Nothing),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Earlier::Nothing),
            Err(error) => return Err(self.failed(error)),
        }
        let earlier = match read(path) {
            Ok(found) if is_same(&found, summary) => {
                let lives = found.run.earlier_lives.saturating_add(1);
                Earlier::SameRun { kept: free(path, lives).map_err(|e| self.failed(e))?, lives }
            }
            // A merged summary that is merged again with more parts.
            Ok(found) if is_whole(&found, summary) => return Ok(Earlier::Nothing),
            Ok(found) => {
                let run = &found.run;
                let what = format!("the summary of run {}, started {}", plain(&run.id), plain(&run.started));
                Earlier::Other { kept: beside(path, "previous"), what }
            }
            Err(_) => {
                Earlier::Other { kept: beside(path, "previous"), what: "a file that is not a summary".to_owned() }
            }
        };
        if let Earlier::SameRun { kept, .. } | Earlier::Other { kept, .. } = &earlier {
            keep(path, kept).map_err(|error| self.failed(error))?;
        }
        Ok(earlier)
    }

    /// What the path holds after a write has failed, in words.
    #[must_use]
    pub fn what_is_there(&self, summary: &Summary) -> String {
        let Destination::File(path) = &self.place else { return "nothing was written".to_owned() };
        match read(path) {
            Ok(found) if is_same(&found, summary) && found.run.earlier_lives == summary.run.earlier_lives => {
                let after = crate::report::numbers::span(found.run.duration_seconds);
                format!("the file holds this run's checkpoint after {after}")
            }
            Ok(found) => format!("THE FILE HOLDS ANOTHER RUN: {}", plain(&found.run.id)),
            Err(_) if path.exists() => "the file holds no summary".to_owned(),
            Err(_) => "the file does not exist".to_owned(),
        }
    }
}

/// Whether both are of the same generator of the same run.
fn is_same(one: &Summary, other: &Summary) -> bool {
    let key = |summary: &Summary| {
        let (run, users) = (&summary.run, &summary.users);
        (run.id.clone(), run.plenary.clone(), run.shard, users.min, users.max)
    };
    one.parts.is_empty() && key(one) == key(other)
}

/// Whether both are merged summaries of the same run.
fn is_whole(one: &Summary, other: &Summary) -> bool {
    let merged = !one.parts.is_empty() && !other.parts.is_empty();
    merged && (&one.run.id, &one.run.plenary) == (&other.run.id, &other.run.plenary)
}

/// The first unused `FILE.life-N`, from N = `from`.
fn free(path: &Path, from: u32) -> io::Result<PathBuf> {
    (from..from.saturating_add(MOST_LIVES))
        .map(|life| beside(path, &format!("life-{life}")))
        .find(|kept| fs::symlink_metadata(kept).is_err())
        .ok_or_else(|| io::Error::other("too many earlier lives are kept beside it"))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// Gives a file a second name, or copies it if the file system has no links.
fn keep(path: &Path, kept: &Path) -> io::Result<()> {
    match fs::remove_file(kept) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::hard_link(path, kept).or_else(|_| fs::copy(path, kept).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::night;

    fn file(home: &tempfile::TempDir) -> SummaryFile {
        SummaryFile::at(home.path().join("night.json")).unwrap()
    }

    #[test]
    fn another_runs_summary_is_kept_as_the_previous_one() {
        let home = tempfile::tempdir().unwrap();
        let file = file(&home);
        let today = night();
        assert_eq!(file.keep_earlier(&today).unwrap(), Earlier::Nothing);
        let mut yesterday = night();
        yesterday.run.id = "yesterday\u{1b}[2J".into();
        file.write(&yesterday).unwrap();
        let kept = home.path().join("night.json.previous");
        let Earlier::Other { kept: found, what } = file.keep_earlier(&today).unwrap() else { panic!("it is another") };
        assert_eq!(found, kept);
        assert!(what.contains("run yesterday\\u{1b}[2J"), "{what}");
        file.write(&today).unwrap();
        assert_eq!(read(&kept).unwrap(), yesterday);
        assert_eq!(read(file.path()).unwrap(), today);
    }

    #[test]
    fn lives_of_the_same_generator_are_numbered() {
        let home = tempfile::tempdir().unwrap();
        let file = file(&home);
        for life in 0..3u32 {
            let mut summary = night();
            if let Earlier::SameRun { kept, lives } = file.keep_earlier(&summary).unwrap() {
                assert_eq!((lives, kept), (life, home.path().join(format!("night.json.life-{life}"))));
                summary.run.earlier_lives = lives;
            }
            assert_eq!(summary.run.earlier_lives, life);
            summary.deliveries.raced = u64::from(life);
            file.write(&summary).unwrap();
        }
        for life in 1..3u32 {
            let kept = read(&home.path().join(format!("night.json.life-{life}"))).unwrap();
            assert_eq!(kept.deliveries.raced, u64::from(life - 1));
        }
    }

    #[test]
    fn a_file_that_is_not_a_summary_is_kept_too_and_an_empty_file_is_not() {
        let home = tempfile::tempdir().unwrap();
        let file = file(&home);
        fs::write(file.path(), "").unwrap();
        assert_eq!(file.keep_earlier(&night()).unwrap(), Earlier::Nothing);
        fs::write(file.path(), "my notes").unwrap();
        assert!(matches!(file.keep_earlier(&night()).unwrap(), Earlier::Other { .. }));
        assert_eq!(fs::read_to_string(home.path().join("night.json.previous")).unwrap(), "my notes");
    }

    #[test]
    fn after_a_failure_it_says_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let file = file(&home);
        assert_eq!(file.what_is_there(&night()), "the file does not exist");
        file.write(&night()).unwrap();
        assert!(file.what_is_there(&night()).contains("this run's checkpoint"));
        let mut other = night();
        other.run.id = "tomorrow".into();
        assert!(file.what_is_there(&other).contains("ANOTHER RUN: soak-7f3a"), "{}", file.what_is_there(&other));
    }
}
