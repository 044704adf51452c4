#!/bin/sh
# soakrig against chat servers that it did not write, each with the protocol file that ships for it.
# Words go to pytest: `tests/servers/run.sh -k prosody`; `--install` alone installs and tests nothing,
# `--serve NAME PORT` installs and runs one of the servers until it is interrupted.
#
# The servers are installed from npm, PyPI and Debian, pinned, under .cache/servers (two minutes, once).
# Runs the binary that SOAKRIG_BINARY names, else target/debug/soakrig.
# Needs Debian's packages: nodejs npm python3-venv ruby-rails puma prosody inspircd redis-server
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$here/../.." && pwd)/.cache/servers-tests
# Debian puts daemons where only root looks.
PATH=$PATH:/usr/sbin
export PYTHONDONTWRITEBYTECODE=1
cd "$here"

if [ "${1-}" = --serve ]; then
    shift
    exec python3 lab.py "$@"
fi

for tool in node npm rails puma prosody inspircd redis-server; do
    command -v "$tool" >/dev/null || {
        echo "tests/servers/run.sh: $tool is missing: apt-get install --no-install-recommends nodejs npm python3-venv ruby-rails puma prosody inspircd redis-server" >&2
        exit 1
    }
done

if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi

"$venv/bin/python" -c 'import lab; [recipe.install() for recipe in lab.RECIPES.values()]'
if [ "${1-}" = --install ]; then exit 0; fi
# The tests mostly wait; the servers are small.
exec "$venv/bin/python" -m pytest -p no:cacheprovider -q -n 4 "$@"
