//! The cost of soakrig beside a bare reader, over real sockets: `cargo bench --bench rig`.
//!
//! `-- CASE...` runs some of the cases, `--quick` a short form of each. Every process is measured by
//! the kernel's own account of its CPU time and memory; figures to be compared come from one run,
//! alternating. Results go to `target/bench/CASE.json`, and from there into the tables of
//! `docs/performance.md` (`-- tables`).

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub
)]

mod broadcaster;
mod cases;
mod lab;
mod process;
mod reader;
mod stats;
mod tls;
mod wire;

/// The outcome of anything here: a failed measurement is reported, and ends the bench.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    raise_open_files()?;
    match words.as_slice() {
        ["broadcast"] => runtime()?.block_on(broadcaster::serve())?,
        ["tls", behind] => runtime()?.block_on(tls::serve(behind.parse()?))?,
        ["read", server, path, cookie, count, sources] => {
            let sources = sources.split(',').filter(|s| !s.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
            runtime()?.block_on(reader::read(
                server.parse()?,
                (*path).to_owned(),
                (*cookie).to_owned(),
                count.parse()?,
                sources,
            ))?;
        }
        wanted => cases::run(wanted)?,
    }
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// The lines of the standard input.
fn orders() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (tell, lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // Sending fails only once the program is ending.
        let _ = std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| tell.send(line));
    });
    lines
}

fn raise_open_files() -> Outcome<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}
