#!/bin/sh
# The fleet's checks. --quick leaves out those that boot hosts; other words go to pytest.
#
# What is looked at, each with the real tool (versions: requirements.txt):
#   lint        ansible-lint's production profile; shell scripts parsed; vault and just calls
#   EC2         the plays against a moto server
#   generator   the roles on hosts that boot Debian's systemd and sshd in network namespaces
#   unit        systemd-analyze verify and security
#   Kubernetes  kubectl kustomize, kubernetes-validate --strict, podman play kube
#
# Runs the binary that SOAKRIG_BINARY names, else the one that cargo built last under target/.
# Needs root, and Debian's packages:
#   openssh-server openssh-client iproute2 systemd-container podman runc catatonit
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
venv=$repository/.cache/fleet

[ "$(id -u)" = 0 ] || { echo "tests/fleet/run.sh: needs root, for network namespaces" >&2; exit 1; }
for tool in /usr/sbin/sshd ip systemd-nspawn systemd-analyze podman; do
    command -v "$tool" >/dev/null || {
        echo "tests/fleet/run.sh: $tool is missing: apt-get install openssh-server openssh-client iproute2 systemd-container podman runc catatonit" >&2
        exit 1
    }
done

stamp=$venv/requirements.txt
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$stamp"
fi

# Namespaces of its own: no port, address, mount or process of the tests meets the machine's,
# and all of them end with this command.
cd "$here"
export PYTHONDONTWRITEBYTECODE=1
exec unshare --net --mount --pid --fork --mount-proc --kill-child \
    sh -c 'mkdir -p /run/netns && mount -t tmpfs netns /run/netns && ip link set lo up && exec "$@"' sh \
    "$venv/bin/python" -m pytest -p no:cacheprovider -q "$@"
