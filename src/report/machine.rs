//! What this machine can carry, according to the kernel: files, ports, memory, cores.
//!
//! The only file of the reports that reads the machine. A figure that is not available is absent.

use std::fs;

use nix::sys::resource::{Resource, getrlimit};

/// Limits that a load may run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Machine {
    /// Maximum number of open files of this process.
    pub files: Option<u64>,
    /// Number of files that it has open.
    pub open_files: Option<u64>,
    /// Local ports that connections from one address to one server can use.
    pub ports: Option<u64>,
    /// Memory that is free or can be freed, in bytes.
    pub memory: Option<u64>,
    /// Processor cores that this process may use.
    pub cores: Option<u64>,
}

impl Machine {
    /// Reads the limits from the kernel.
    #[must_use]
    pub fn read() -> Self {
        Self {
            // The soft limit; it has been raised to the hard one where possible.
            files: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
            // Minus the directory that is being read.
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
            ports: fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok().and_then(|text| ports(&text)),
            memory: available_memory(),
            cores: std::thread::available_parallelism().ok().map(|cores| usize::from(cores) as u64),
        }
    }
}

/// The number of ports in an inclusive range of two numbers.
fn ports(text: &str) -> Option<u64> {
    let mut ends = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (last + 1).checked_sub(first)
}

/// The available memory, in bytes: the machine's, or the container's if that is less.
fn available_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo(&text));
    let number = |path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max");
    let used = number("/sys/fs/cgroup/memory.current");
    let container = limit.zip(used).map(|(limit, used)| limit.saturating_sub(used));
    machine.into_iter().chain(container).min()
}

/// `MemAvailable` in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_on_linux() {
        let machine = Machine::read();
        assert!(machine.files.is_some_and(|n| n > 100), "{machine:?}");
        assert!(machine.open_files.is_some_and(|n| (3..100_000).contains(&n)), "{machine:?}");
        assert!(machine.ports.is_some_and(|n| n > 1_000), "{machine:?}");
        assert!(machine.memory.is_some_and(|n| n > 1 << 20), "{machine:?}");
        assert!(machine.cores.is_some_and(|n| n > 0), "{machine:?}");
    }

    #[test]
    fn odd_texts_are_not_figures() {
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        assert_eq!(ports("60999 32768"), None);
        assert_eq!(ports("many"), None);
        assert_eq!(meminfo("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2_097_152));
        assert_eq!(meminfo("MemTotal: 9 kB\n"), None);
    }
}
