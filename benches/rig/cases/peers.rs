//! Other load generators on the same server in the same run: their cost per connection and per
//! received frame, and what each of them verifies.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Scale, keep};
use crate::Outcome;
use crate::lab::{Reader, Server, cache_file};
use crate::process::{Process, eventually, tree_cpu, tree_memory};

/// One generator's figures.
#[derive(Debug, Serialize)]
struct Line {
    who: &'static str,
    verifies: &'static str,
    sockets: usize,
    cpu_per_million: f64,
    /// Resident memory of all its processes, in kB per connection, its own base included.
    memory_each: f64,
}

/// Frames per second to all sockets together.
const FRAMES: f64 = 10_000.0;

/// All of them in turn.
pub fn peers(scale: Scale) -> Outcome<()> {
    let (sockets, seconds) = if scale.quick { (200, 4) } else { (1_000, 10) };
    let mut lines = Vec::new();
    for (who, verifies, start) in PEERS {
        let mut server = Server::bare()?;
        let directory = tempfile::tempdir()?;
        let process = start(&server, sockets, &directory)?;
        eventually("its sockets", || {
            let open = *server.process.count().ok()?.first()?;
            (open >= sockets as u64).then_some(())
        })?;
        // soakrig sends its chats itself.
        if *who != "soakrig" {
            server.process.order(&format!("drive {} 1", FRAMES / sockets as f64))?;
        }
        std::thread::sleep(Duration::from_secs(3));
        let id = process.id();
        let begin = Instant::now();
        let before = (server.frames()?, tree_cpu(id)?);
        std::thread::sleep(Duration::from_secs(seconds));
        let (frames, cpu) = (server.frames()? - before.0, tree_cpu(id)? - before.1);
        let line = Line {
            who,
            verifies,
            sockets,
            cpu_per_million: cpu / frames * 1e6,
            memory_each: tree_memory(id)? as f64 / 1024.0 / sockets as f64,
        };
        println!(
            "{who}: {:.1} CPU s per million frames, {:.1} kB per connection ({frames:.0} frames in {:.1} s)",
            line.cpu_per_million,
            line.memory_each,
            begin.elapsed().as_secs_f64()
        );
        lines.push(line);
    }
    keep("peers", &lines)
}

type Start = fn(&Server, usize, &tempfile::TempDir) -> Outcome<Process>;

const PEERS: &[(&str, &str, Start)] = &[
    ("raw tokio reader", "nothing: bytes are counted", |server, sockets, _| {
        Ok(Reader::raw(server, sockets, "/event/test/", "sessionid=1")?.process)
    }),
    ("soakrig", "every delivery: who, whether, when, how often, in order, undamaged", |server, sockets, directory| {
        let chats = FRAMES / sockets as f64;
        Ok(Reader::rig(server, sockets, chats, &cache_file(directory, "sessions"), &[])?.process)
    }),
    ("asyncio websockets", "that frames are JSON; counts by type", |server, sockets, _| {
        let mut command = Command::new(place(".cache/peers/bin/python")?);
        command.args(["benches/peers/client.py", &url(server), &sockets.to_string(), "120"]);
        started(command)
    }),
    ("k6", "that frames are JSON; counts by type", |server, sockets, _| {
        let mut command = Command::new(place(".cache/peers/bin/k6")?);
        command.args(["run", "--quiet", "--no-usage-report", "benches/peers/k6.js"]);
        command.env("URL", url(server)).env("SOCKETS", sockets.to_string()).env("SECONDS", "120");
        started(command)
    }),
    ("artillery", "nothing: frames are read and dropped", |server, _, _| {
        let mut command = Command::new(place(".cache/artillery/node_modules/.bin/artillery")?);
        command.args(["run", "--quiet", "benches/peers/artillery.yml"]);
        command.env("URL", url(server)).env("ARTILLERY_DISABLE_TELEMETRY", "true");
        started(command)
    }),
];

fn started(mut command: Command) -> Outcome<Process> {
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    Process::start(command)
}

fn url(server: &Server) -> String {
    format!("ws://{}/event/test/", server.address)
}

fn place(path: &str) -> Outcome<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: run benches/peers/install.sh", path.display()).into())
    }
}
