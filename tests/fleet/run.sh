#!/bin/sh
# The fleet's checks, in two lanes beside each other. --quick leaves out those that boot hosts;
# with other words there is one lane, and they go to pytest.
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

unshare --net --mount --pid --fork true 2>/dev/null || {
    echo "tests/fleet/run.sh: this root may not make namespaces; in a container that takes CAP_SYS_ADMIN" >&2
    exit 1
}

# Namespaces of its own for each lane: no port, address, mount or process of the tests meets the
# machine's or the other lane's, and all of them end with this command.
lane() {
    unshare --net --mount --pid --fork --mount-proc --kill-child \
        sh -c 'mkdir -p /run/netns && mount -t tmpfs netns /run/netns && ip link set lo up && exec "$@"' sh \
        "$venv/bin/python" -m pytest -p no:cacheprovider -q "$@"
}

cd "$here"
export PYTHONDONTWRITEBYTECODE=1
case $* in
    '' | --quick) ;;
    *)
        lane "$@"
        exit
        ;;
esac

told=$(mktemp)
lane --lane=cloud "$@" >"$told" 2>&1 &
cloud=$!
trap 'kill "$cloud" 2>/dev/null || true; rm -f "$told"' EXIT
trap 'exit 130' INT TERM
failed=0
echo "lane: units, manifests, hosts of one's own"
lane --lane=rest "$@" || failed=1
wait "$cloud" || failed=1
echo "lane: EC2"
cat "$told"
exit "$failed"
