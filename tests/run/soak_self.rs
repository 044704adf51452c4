//! The tests that lie in the program of `just soak-self`: examples are built by `cargo test`, their
//! tests are not run.

#[path = "../../examples/soak_self/main.rs"]
#[allow(dead_code)]
mod program;
