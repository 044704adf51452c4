#!/bin/sh
# Copies alertmanager.yml to another directory, with the settings of the environment in it.
#
#   SOAKRIG_WEBHOOK_FILE=/run/secrets/webhook_url alertmanager/render.sh /tmp/alertmanager
#
#   SOAKRIG_WEBHOOK_FILE     a file that holds the base address of the webhook, which may
#                            hold a token; /wake and /morning are added to it
#   SOAKRIG_GROUP_WAIT       how long a new group collects alerts
#   SOAKRIG_GROUP_INTERVAL   how soon a changed group is sent again
#
# Only sed: it runs in the Alertmanager image too.
set -eu
umask 077

from=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: render.sh DIRECTORY}
mkdir -p "$to"
script=''

# The line that ends in the comment "# NAME" gets this value.
setting() {
    script="$script
s|^\( *-* *[a-z_]*:\) .* # $1\$|\1 $2 # $1|"
}

if [ -n "${SOAKRIG_WEBHOOK_FILE:-}" ]; then
    webhook=$(cat "$SOAKRIG_WEBHOOK_FILE")
    setting SOAKRIG_WEBHOOK_WAKE "$webhook/wake"
    setting SOAKRIG_WEBHOOK_MORNING "$webhook/morning"
fi
[ -z "${SOAKRIG_GROUP_WAIT:-}" ] || setting SOAKRIG_GROUP_WAIT "$SOAKRIG_GROUP_WAIT"
[ -z "${SOAKRIG_GROUP_INTERVAL:-}" ] || setting SOAKRIG_GROUP_INTERVAL "$SOAKRIG_GROUP_INTERVAL"

sed "$script" "$from/alertmanager.yml" >"$to/alertmanager.yml"
