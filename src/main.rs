//! The command: see `soakrig --help`.

fn main() {}
