#!/bin/sh
# Copies alertmanager.yml to another directory and applies the settings in the environment.
#
#   WATCH_WEBHOOK_FILE=/run/secrets/webhook_url alertmanager/render.sh /tmp/alertmanager
#
#   WATCH_WEBHOOK_FILE     a file with the webhook's base address, which may contain a
#                            token; /wake and /morning are appended
#   WATCH_GROUP_WAIT       how long a new group collects alerts
#   WATCH_GROUP_INTERVAL   how soon a changed group is sent again
#
# Only sed: it runs in the Alertmanager image too.
set -eu
umask 077

from=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: render.sh DIRECTORY}
mkdir -p "$to"
script=''

# Sets the line that ends in the comment "# NAME" to this value, which may contain any characters.
setting() {
    value=$(printf %s "$2" | sed 's/[&|\\]/\\&/g')
    script="$script
s|^\( *-* *[a-z_]*:\) .* # $1\$|\1 $value # $1|"
}

if [ -n "${WATCH_WEBHOOK_FILE:-}" ]; then
    webhook=$(cat "$WATCH_WEBHOOK_FILE")
    setting WATCH_WEBHOOK_WAKE "$webhook/wake"
    setting WATCH_WEBHOOK_MORNING "$webhook/morning"
fi
[ -z "${WATCH_GROUP_WAIT:-}" ] || setting WATCH_GROUP_WAIT "$WATCH_GROUP_WAIT"
[ -z "${WATCH_GROUP_INTERVAL:-}" ] || setting WATCH_GROUP_INTERVAL "$WATCH_GROUP_INTERVAL"

sed "$script" "$from/alertmanager.yml" >"$to/alertmanager.yml"
