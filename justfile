# The steps of ./check.sh one by one, and what is done by hand. `just` alone lists them.

import 'ansible/justfile'

set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @just --list --unsorted

# a minute of load on the embedded server: just demo --user-range-max 200 --chat-rate 20/s
[positional-arguments]
demo *options:
    cargo run --release -- demo "$@"

# the embedded server alone
[positional-arguments]
target *options:
    cargo run --release -- target "$@"

# everything that ./check.sh checks
check:
    ./check.sh

# ./check.sh without what takes long
quick:
    ./check.sh --quick

# put the code into its form
fmt:
    cargo fmt

# what the compiler and clippy have to say; warnings are errors
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# all tests, or those whose names hold a word: just test ledger
[positional-arguments]
test *filter:
    cargo test --locked "$@"

# whether the rig itself grows: 20 minutes of 500 users under cycling faults (docs/endurance.md)
[positional-arguments]
soak-self *options:
    cargo build --release --locked --bin soakrig --example soak_self
    target/release/examples/soak_self "$@"

# a reader under libFuzzer: just fuzz frames 300; frames, texts, pages or cache (fuzz/README.md)
fuzz target seconds="60":
    mkdir -p fuzz/found/{{ target }}
    cargo +nightly fuzz run {{ target }} fuzz/found/{{ target }} fuzz/corpus/{{ target }} -- -max_total_time={{ seconds }} -max_len=16384 -timeout=10 -rss_limit_mb=1024

# who may import whom, as docs/architecture.md says
layers:
    cargo test --locked --test cli architecture

# licences, bans and sources of everything that is linked in
deny:
    cargo deny --locked check --hide-inclusion-graph bans licenses sources

# the code's own documentation, opened in a browser
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked --open

# what a user and a delivery cost beside a raw reader: just bench deliveries memory; --quick for a look
[positional-arguments]
bench *cases:
    cargo bench --bench rig -- "$@"

# times of the pieces, without sockets
bench-pieces:
    cargo bench --bench pieces

# instructions of the hot pieces, held to benches/budgets.txt
budget:
    benches/budget.sh

# docs/metrics.md anew from the families in the code
metrics-page:
    SOAKRIG_BLESS=1 cargo test --locked --test cli metrics_page

# accept changed snapshots (help texts, reports) after looking at `git diff`
snapshots:
    INSTA_UPDATE=always cargo test --locked

_watch-python:
    python3 -m venv .cache/watch
    .cache/watch/bin/pip install --quiet --disable-pip-version-check --requirement tests/watch/requirements.txt

# Prometheus and Alertmanager at work: every query with data, every alert there and back; seven minutes
watch-live: _watch-python
    cargo build --locked
    PATH="$PWD/.cache/watch/bin:$PATH" tests/watch/live.sh target/debug/soakrig

# pictures of the dashboards with data of three generators; needs chromium, Node and prometheus
dashboards-shot directory="target/dashboards": _watch-python
    cargo build --release --locked
    cd tests/watch/shot && npm ci --no-audit --no-fund && npm run build
    .cache/watch/bin/python tests/watch/shot.py target/release/soakrig "{{directory}}"

# the compose file's demo under a Docker engine of its own; as root, see docs/observability.md
compose-e2e:
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --bin soakrig --target x86_64-unknown-linux-gnu
    tests/watch/compose.sh target/x86_64-unknown-linux-gnu/release/soakrig

# what a release holds, in dist/: static binaries, completions, man pages, checksums
dist:
    release/dist.sh
