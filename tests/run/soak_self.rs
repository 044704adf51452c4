//! The tests inside the program of `just soak-self`: `cargo test` builds examples, but does not run
//! their tests.

#[path = "../../examples/soak_self/main.rs"]
#[allow(dead_code)]
mod program;
