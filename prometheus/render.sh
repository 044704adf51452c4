#!/bin/sh
# Copies this directory to another one, with the settings of the environment in it.
# Prometheus reads no environment in its files, and there is to be one set of rules only.
#
#   SOAKRIG_SCRAPE_INTERVAL=10s prometheus/render.sh /tmp/prometheus
#
#   SOAKRIG_TARGETS            generators, host:port separated by commas
#   SOAKRIG_ALERTMANAGER       host:port
#   SOAKRIG_PROMETHEUS         host:port at which this Prometheus scrapes itself
#   SOAKRIG_SCRAPE_INTERVAL    of scrapes and of rules
#   SOAKRIG_ALERT_FOR          one `for` for every alert that waits, e.g. 10s, to try them out
#   SOAKRIG_RUNBOOK_URL        where runbook.md is read, without the #section;
#                              by default this Prometheus' own copy
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

# An edit in place that works with every sed.
edit() {
    sed "$1" "$2" >"$2.new" && mv "$2.new" "$2"
}

# The line that ends in the comment "# NAME" gets this value.
setting() {
    edit "s|^\( *-* *[a-z_]*:\) .* # $1\$|\1 $2 # $1|" "$to/prometheus.yml"
}

# a:1,b:2 as ["a:1", "b:2"].
list() {
    printf '["%s"]' "$(printf %s "$1" | sed 's/,/", "/g')"
}

[ -z "${SOAKRIG_TARGETS:-}" ] || setting SOAKRIG_TARGETS "$(list "$SOAKRIG_TARGETS")"
[ -z "${SOAKRIG_ALERTMANAGER:-}" ] || setting SOAKRIG_ALERTMANAGER "$(list "$SOAKRIG_ALERTMANAGER")"
[ -z "${SOAKRIG_PROMETHEUS:-}" ] || setting SOAKRIG_PROMETHEUS "$(list "$SOAKRIG_PROMETHEUS")"
[ -z "${SOAKRIG_SCRAPE_INTERVAL:-}" ] || setting SOAKRIG_SCRAPE_INTERVAL "$SOAKRIG_SCRAPE_INTERVAL"

alerts=$to/rules/alerts.yml
[ -z "${SOAKRIG_ALERT_FOR:-}" ] || edit "s|^\( *for:\) [1-9].*|\1 $SOAKRIG_ALERT_FOR|" "$alerts"
[ -z "${SOAKRIG_RUNBOOK_URL:-}" ] ||
    edit "s|{{ \$externalURL }}/user/runbook.md|$SOAKRIG_RUNBOOK_URL|" "$alerts"
