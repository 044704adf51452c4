#!/bin/sh
# The report and the live page in Chromium. Words go to node's test runner: `tests/page/run.sh --test-name-pattern hostile`;
# `--shots DIRECTORY` takes pictures of the report for people to look at, and tests nothing.
#
# Installs playwright-core, pinned, under .cache/page. Runs the binaries of target/debug, or those that
# SOAKRIG_BINARY and SOAKRIG_MADE_NIGHT name. Needs Debian's packages: nodejs npm chromium
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=$root/.cache/page
for tool in node npm chromium; do
    command -v "$tool" >/dev/null || {
        echo "tests/page/run.sh: $tool is missing: apt-get install --no-install-recommends nodejs npm chromium" >&2
        exit 1
    }
done
if ! cmp -s "$here/package-lock.json" "$modules/package-lock.json"; then
    mkdir -p "$modules"
    cp "$here/package.json" "$here/.npmrc" "$modules/"
    cp "$here/package-lock.json" "$modules/package-lock.json.new"
    mv "$modules/package-lock.json.new" "$modules/package-lock.json"
    (cd "$modules" && npm ci --silent --no-audit --no-fund) || { rm -f "$modules/package-lock.json"; exit 1; }
fi
export PAGE_MODULES="$modules/"
export SOAKRIG_BINARY="${SOAKRIG_BINARY:-$root/target/debug/soakrig}"
export SOAKRIG_MADE_NIGHT="${SOAKRIG_MADE_NIGHT:-$root/target/debug/examples/made_night}"
if [ "${1-}" = --shots ]; then
    exec node "$here/shots.js" "$2"
fi
exec node --test "$@" "$here"/*.test.js
