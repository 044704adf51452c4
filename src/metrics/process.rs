//! The standard `process_*` families, read from the kernel at scrape time.
//!
//! This replaces the prometheus crate's collector, which rounds CPU time to whole seconds and lists
//! every open file at each scrape.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::metrics::families::{
    PROCESS_CPU, PROCESS_MAX_FDS, PROCESS_OPEN_FDS, PROCESS_RESIDENT_MEMORY, PROCESS_START_TIME, PROCESS_THREADS,
    PROCESS_VIRTUAL_MEMORY,
};
use crate::metrics::sample;

/// The kernel's figures of this process; one that is not available is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessFigures {
    /// CPU time in user code, in seconds.
    pub cpu_user: f64,
    /// CPU time in the kernel, in seconds.
    pub cpu_system: f64,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Peak resident memory, in bytes.
    pub peak_resident: u64,
    /// Virtual memory, in bytes.
    pub virtual_size: u64,
    /// Threads.
    pub threads: u64,
}

impl ProcessFigures {
    /// Reads the current figures.
    #[must_use]
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (cpu_user, cpu_system) =
            getrusage(UsageWho::RUSAGE_SELF).map_or((0.0, 0.0), |u| (seconds(u.user_time()), seconds(u.system_time())));
        Self {
            cpu_user,
            cpu_system,
            resident: field(&status, "VmRSS:") * 1024,
            peak_resident: field(&status, "VmHWM:") * 1024,
            virtual_size: field(&status, "VmSize:") * 1024,
            threads: field(&status, "Threads:"),
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// The number after a name in a `/proc` file of lines, 0 if there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Number of open files. Since Linux 6.2 the size of the directory says it; before, it must be listed.
fn open_files() -> u64 {
    match fs::metadata("/proc/self/fd") {
        Ok(directory) if directory.len() > 0 => directory.len(),
        _ => fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
    }
}

pub(crate) struct ProcessCollector {
    descs: Vec<Desc>,
    started: f64,
}

impl ProcessCollector {
    /// Takes the current time as the start of the process, a few milliseconds late.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let families = [
            &PROCESS_CPU,
            &PROCESS_OPEN_FDS,
            &PROCESS_MAX_FDS,
            &PROCESS_VIRTUAL_MEMORY,
            &PROCESS_RESIDENT_MEMORY,
            &PROCESS_START_TIME,
            &PROCESS_THREADS,
        ];
        let descs = families.iter().map(|family| sample::desc(family)).collect::<prometheus::Result<_>>()?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Ok(Self { descs, started })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let figures = ProcessFigures::read();
        let most_files = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        vec![
            sample::single(&PROCESS_CPU, figures.cpu_user + figures.cpu_system),
            sample::single(&PROCESS_OPEN_FDS, open_files() as f64),
            sample::single(&PROCESS_MAX_FDS, most_files as f64),
            sample::single(&PROCESS_VIRTUAL_MEMORY, figures.virtual_size as f64),
            sample::single(&PROCESS_RESIDENT_MEMORY, figures.resident as f64),
            sample::single(&PROCESS_START_TIME, self.started),
            sample::single(&PROCESS_THREADS, figures.threads as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let figures = ProcessFigures::read();
        assert!(figures.resident > 1_000_000 && figures.peak_resident >= figures.resident, "{figures:?}");
        assert!(figures.threads >= 1 && figures.virtual_size > figures.resident, "{figures:?}");
        assert!(open_files() >= 3);
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field("Name:\tx\nVmHWM:\t   5124 kB\n", "VmHWM:"), 5124);
        assert_eq!(field("Name:\tx\n", "VmHWM:"), 0);
    }
}
