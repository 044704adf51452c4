#!/usr/bin/env bash
# Everything about the stack that needs it to run: real Prometheus, Alertmanager, targets and
# generators, all on free ports of 127.0.0.1.
#
#   live.sh SOAKRIG
#
# Both tests at once: most of their time they wait for windows to pass. Needs
# Debian's prometheus and prometheus-alertmanager, and the Python packages of requirements.txt.
set -euo pipefail
soakrig=$(realpath "${1:?usage: live.sh SOAKRIG}")
cd "$(dirname "$0")"
python3 -c 'import yaml' 2>/dev/null || { echo "PyYAML is missing: pip install -r tests/watch/requirements.txt" >&2; exit 1; }

export PYTHONDONTWRITEBYTECODE=1
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
failed=0
# They end what they started, asked as they like it.
trap 'kill $(cat "$said"/*.pid) 2>/dev/null; wait; exit 130' INT TERM
for test in live alerts; do
    python3 -u "$test.py" "$soakrig" >"$said/$test" 2>&1 &
    echo $! >"$said/$test.pid"
done
for test in live alerts; do
    wait "$(cat "$said/$test.pid")" || { failed=1 && echo "$test.py failed" >&2; }
    cat "$said/$test"
done
exit $failed
