#!/bin/sh
# Refuses what the profile `run` must not take from the demo: its published password, with which it would
# sign up on your server; its webhook, which no one reads; its generators as scrape targets.
#
# Runs in the Prometheus image, before the generator.
set -eu
files=${SECRETS_DIRECTORY:-/run/secrets}
here=$(cd "$(dirname "$0")" && pwd)
refused=0

refuse() {
    echo "profile run: $1" >&2
    refused=1
}

[ -n "${SOAKRIG_URL:-}" ] || refuse "SOAKRIG_URL is not set in .env: the server under test"
# A file that this container may not read is not the demo's, which is readable by all.
if cmp -s "$files/password" "$here/demo/password"; then
    refuse "the password is the demo's, which is published: PASSWORD_FILE in .env, see secrets/README.md"
fi
if cmp -s "$files/webhook_url" "$here/demo/webhook_url"; then
    refuse "alerts would go to the demo's webhook: WEBHOOK_URL_FILE in .env, a file with the address of yours"
fi
case ",${WATCH_TARGETS:-demo-1:9464}," in
*,demo-[1-3]:*) refuse "Prometheus would scrape the demo's generators: WATCH_TARGETS=generator:9464 in .env" ;;
esac
[ "$refused" = 0 ] || echo "profile run: nothing was started against a server" >&2
exit "$refused"
