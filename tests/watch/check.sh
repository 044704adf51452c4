#!/usr/bin/env bash
# Everything about the stack that can be checked without starting it.
#
# Needs: prometheus, prometheus-alertmanager, docker-compose (Debian), and the Python packages of
# requirements.txt in the python3 that is first in PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."

need() {
    command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }
}
need promtool "apt-get install prometheus"
need amtool "apt-get install prometheus-alertmanager"
need docker-compose "apt-get install docker-compose"
need cargo "https://rustup.rs"
need check-jsonschema "pip install -r tests/watch/requirements.txt"

export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The routes that an alert of these labels takes.
route() {
    local wanted=$1
    shift
    local taken
    taken=$(amtool config routes test --config.file=alertmanager/alertmanager.yml "$@")
    [ "$taken" = "$wanted" ] || { echo "an alert with $* goes to $taken, not to $wanted" >&2; exit 1; }
}

promtool check config prometheus/prometheus.yml >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
promtool test rules prometheus/tests/*.yml
# Rendered, with every setting.
WATCH_TARGETS=127.0.0.1:1,127.0.0.1:2 WATCH_ALERTMANAGER=127.0.0.1:3 WATCH_PROMETHEUS=127.0.0.1:4 \
    WATCH_SCRAPE_INTERVAL=1s WATCH_ALERT_FOR=7s WATCH_RUNBOOK_URL=https://wiki.example/runbook \
    WATCH_PUBLIC_URL='https://watch.example/a&b/' \
    prometheus/render.sh "$work/prometheus"
promtool check config "$work/prometheus/prometheus.yml" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
[ "$(grep -c 'for: 7s' "$work/prometheus/rules/alerts.yml")" = "$(grep -c 'for: [1-9]' prometheus/rules/alerts.yml)" ]
grep -qF 'url: "https://watch.example/a&b" ' "$work/prometheus/rules/public.yml"
grep -qF "runbook_url: 'https://wiki.example/runbook#soakrigwatchdog'" "$work/prometheus/rules/alerts.yml"
if grep -rqE 'demo-1|viewPanel|127.0.0.1:3000|for: [1-689]' "$work/prometheus"/prometheus.yml "$work/prometheus"/rules; then
    echo "render.sh left a setting out" >&2
    exit 1
fi

amtool check-config alertmanager/alertmanager.yml >/dev/null
route wake severity=critical alertname=SoakrigDeliveriesLost run=r1
route morning severity=warning alertname=SoakrigDeliverySlow run=r1
route morning severity=something-new
route nobody severity=none alertname=SoakrigWatchdog
echo 'https://hooks.example/secret&more' >"$work/url"
WATCH_WEBHOOK_FILE="$work/url" WATCH_GROUP_WAIT=1s WATCH_GROUP_INTERVAL=2s alertmanager/render.sh "$work/alertmanager"
amtool check-config "$work/alertmanager/alertmanager.yml" >/dev/null
grep -qF 'url: https://hooks.example/secret&more/wake ' "$work/alertmanager/alertmanager.yml"

# What the Dockerfile copies is all that cargo asks for.
mkdir "$work/context"
sed -n 's/^COPY \(Cargo.*\|src\) [a-z.\/]*$/\1/p' Dockerfile | xargs -n 1 | xargs -I{} cp -r {} "$work/context/"
(cd "$work/context" && cargo metadata --locked --offline --no-deps --format-version 1 >/dev/null)

python3 tests/watch/check_files.py
python3 tests/watch/check_compose.py
