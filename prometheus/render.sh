#!/bin/sh
# Copies this directory to another one and applies the settings in the environment, since Prometheus
# expands no variables in its files.
#
#   WATCH_SCRAPE_INTERVAL=10s prometheus/render.sh /tmp/prometheus
#
#   WATCH_TARGETS            generators, host:port separated by commas
#   WATCH_ALERTMANAGER       host:port
#   WATCH_PROMETHEUS         host:port at which this Prometheus scrapes itself
#   WATCH_SCRAPE_INTERVAL    of scrapes and of rules
#   WATCH_ALERT_FOR          replaces every `for` and `keep_firing_for`, e.g. by 10s, to try
#                              alerts out
#   WATCH_PUBLIC_URL         where people reach Grafana, for the links in alerts, to dashboards
#                              and to the runbook; by default http://127.0.0.1:GRAFANA_PORT,
#                              and 3000 where that is not set
#   WATCH_RUNBOOK_URL        another copy of runbook.md, without the #section
#
# Only sed and cp: it runs in the Prometheus image too.
set -eu

from=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: render.sh DIRECTORY}
mkdir -p "$to/rules"
cp "$from/prometheus.yml" "$to/"
cp "$from"/rules/*.yml "$to/rules/"
# A link, so that files added later are found.
[ -e "$to/targets" ] || ln -s "$from/targets" "$to/targets"
[ -e "$to/servers" ] || ln -s "$from/servers" "$to/servers"

# An edit in place that works with every sed.
edit() {
    sed "$1" "$2" >"$2.new" && mv "$2.new" "$2"
}

# A value as sed's replacement takes it.
quoted() {
    printf %s "$1" | sed 's/[&|\\]/\\&/g'
}

# The line that ends in the comment "# NAME" gets this value.
setting() {
    edit "s|^\( *-* *[a-z_]*:\) .* # $1\$|\1 $(quoted "$2") # $1|" "$to/prometheus.yml"
}

# a:1,b:2 as ["a:1", "b:2"].
list() {
    printf '["%s"]' "$(printf %s "$1" | sed 's/,/", "/g')"
}

[ -z "${WATCH_TARGETS:-}" ] || setting WATCH_TARGETS "$(list "$WATCH_TARGETS")"
[ -z "${WATCH_ALERTMANAGER:-}" ] || setting WATCH_ALERTMANAGER "$(list "$WATCH_ALERTMANAGER")"
[ -z "${WATCH_PROMETHEUS:-}" ] || setting WATCH_PROMETHEUS "$(list "$WATCH_PROMETHEUS")"
[ -z "${WATCH_SCRAPE_INTERVAL:-}" ] || setting WATCH_SCRAPE_INTERVAL "$WATCH_SCRAPE_INTERVAL"

alerts=$to/rules/alerts.yml
[ -z "${WATCH_ALERT_FOR:-}" ] || edit "s|^\( *for:\) [1-9].*|\1 $(quoted "$WATCH_ALERT_FOR")|
s|^\( *keep_firing_for:\) .*|\1 $(quoted "$WATCH_ALERT_FOR")|" "$alerts"
[ -z "${WATCH_RUNBOOK_URL:-}" ] ||
    edit "s|^\( *runbook_url: '\).*#|\1$(quoted "$WATCH_RUNBOOK_URL")#|" "$alerts"
public=${WATCH_PUBLIC_URL:-http://127.0.0.1:${GRAFANA_PORT:-3000}}
edit "s|^\( *url:\) .* # WATCH_PUBLIC_URL\$|\1 \"$(quoted "${public%/}")\" # WATCH_PUBLIC_URL|" "$to/rules/public.yml"
