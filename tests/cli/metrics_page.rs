//! The metrics page matches the code.

use std::path::Path;

use soakrig::drivers::plenary::vocabulary::VOCABULARY;
use soakrig::metrics::page;

#[test]
fn the_page_in_docs_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let made = page::markdown(&VOCABULARY);
    if std::env::var_os("SOAKRIG_BLESS").is_some() {
        std::fs::write(&path, &made).expect("docs/metrics.md can be written");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/metrics.md");
    assert!(kept == made, "docs/metrics.md is stale: SOAKRIG_BLESS=1 cargo test --test cli metrics_page");
}
