#!/usr/bin/env bash
# The compose file's demo for real, under a Docker engine of its own.
#
#   compose.sh SOAKRIG      a static binary of soakrig
#
# No image is pulled: the images of Prometheus, Alertmanager, Python and Rust are made of one tree of
# Debian packages under the pinned names, and `cargo` in it hands out SOAKRIG, so that the Dockerfile
# itself is run. Grafana, of which there is no package, is left out.
#
# Needs root, and Debian's docker.io, docker-compose, debootstrap, iproute2 and iptables.
set -euo pipefail
cd "$(dirname "$0")/../.."
soakrig=$(realpath "${1:?usage: compose.sh SOAKRIG}")

need() {
    command -v "$1" >/dev/null || { echo "$1 is missing: apt-get install $2" >&2; exit 1; }
}
need dockerd docker.io
need docker-compose docker-compose
need debootstrap debootstrap
need ip iproute2
need iptables iptables
if ldd "$soakrig" 2>/dev/null | grep -q '=>'; then
    echo "$soakrig is not static" >&2
    exit 1
fi

work=$(mktemp -d /tmp/soakrig-compose-XXXXXX)
net=soakrig-$$
export DOCKER_HOST=unix://$work/docker.sock COMPOSE_PROJECT_NAME=soakrig-watch DOCKER_BUILDKIT=0
# The demo in small and in a hurry.
export DEMO_USERS=30 SOAKRIG_DELIVERY_DEADLINE=2s SOAKRIG_DELIVERY_HORIZON=5s WATCH_SCRAPE_INTERVAL=2s WATCH_ALERT_FOR=4s WATCH_GROUP_WAIT=1s WATCH_GROUP_INTERVAL=2s
services=(target demo-1 demo-2 demo-3 prometheus alertmanager webhook)

clean_up() {
    local code=$?
    trap - EXIT
    set +e
    if [ "$code" != 0 ]; then
        docker ps --all --format '{{.Names}} {{.Status}}'
        docker ps --all --quiet | while read -r each; do
            docker logs --tail 8 "$each" 2>&1
            docker inspect --format '{{.Name}} {{json .State.Health}}' "$each" | cut -c1-600
        done
        tail -5 "$work/dockerd.log"
    fi
    docker ps --quiet | xargs -r docker kill >/dev/null
    kill "$dockerd" && wait "$dockerd"
    ip netns delete "$net"
    # What the engine has left mounted.
    awk -v under="$work/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount -l
    rm -rf "$work"
    exit "$code"
}

# Prints what succeeded, or fails after so many seconds.
wait_for() {
    local seconds=$1 what=$2
    shift 2
    local end=$((SECONDS + seconds))
    until "$@" 2>/dev/null; do
        if [ "$SECONDS" -gt "$end" ]; then
            echo "waited $seconds s for: $what" >&2
            return 1
        fi
        sleep 1
    done
    echo "$what"
}

# Prints nothing; for conditions.
quiet() {
    "$@" >/dev/null 2>&1
}

inside() {
    nsenter --net="/var/run/netns/$net" "$@"
}

value() {
    inside curl -fsG http://127.0.0.1:9090/api/v1/query --data-urlencode "query=$1" |
        python3 -c 'import json, sys; r = json.load(sys.stdin)["data"]["result"]; print(r[0]["value"][1] if r else "")'
}

is() {
    [ "$(value "$1")" = "$2" ]
}

heard() {
    docker logs "$webhook" 2>&1 | grep -qE "$1"
}

# A network of its own: no rule and no address of this machine is touched.
ip netns add "$net"
inside ip link set lo up
# Not through a function, whose subshell would be what is ended in the end.
nsenter --net="/var/run/netns/$net" \
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
    --default-ulimit nofile=20000:20000 >"$work/dockerd.log" 2>&1 &
dockerd=$!
trap clean_up EXIT
wait_for 60 "the engine runs" quiet docker info

tree=${SOAKRIG_TEST_TREE:-}
if [ -z "$tree" ]; then
    tree=$work/tree
    debootstrap --variant=minbase \
        --include=prometheus,prometheus-alertmanager,python3,wget,ca-certificates bookworm "$tree" >"$work/tree.log"
fi
ln -sf prometheus-alertmanager "$tree/usr/bin/alertmanager"
install -d -o 65534 -g 65534 "$tree/prometheus" "$tree/alertmanager"
install "$soakrig" "$tree/usr/bin/soakrig-built-before"
cat >"$tree/usr/bin/rustc" <<'RUSTC'
#!/bin/sh
echo "host: x86_64-unknown-linux-gnu"
RUSTC
cat >"$tree/usr/bin/cargo" <<'CARGO'
#!/bin/sh
mkdir -p target/x86_64-unknown-linux-gnu/release
cp /usr/bin/soakrig-built-before target/x86_64-unknown-linux-gnu/release/soakrig
CARGO
chmod +x "$tree/usr/bin/rustc" "$tree/usr/bin/cargo"

image=$(tar -C "$tree" -c . | docker import --change 'USER 65534:65534' - soakrig-test:nobody)
sed -n 's/.*_IMAGE:-\(prom[^}]*\|python[^}]*\)}.*/\1/p' docker-compose.yml | while read -r name; do
    docker tag "$image" "$name"
done
tar -C "$tree" -c . | docker import - "rust:$(sed -n 's/^ARG RUST_VERSION=//p' Dockerfile)-bookworm" >/dev/null

docker-compose --profile demo build --quiet target
[ "$(docker image inspect --format '{{.Config.User}}' soakrig:0.1.0)" = 65532:65532 ]
docker-compose --profile demo up -d --no-build "${services[@]}"

healthy() {
    [ "$(docker ps --quiet --filter health=healthy | wc -l)" = "${#services[@]}" ]
}
wait_for 180 "all services are healthy" healthy
wait_for 60 "three generators are scraped" is 'count(up{job="soakrig"} == 1)' 3
wait_for 60 "three generators hold one run" is 'sum(soakrig_run_phase{phase="hold"} * on (instance) group_left () soakrig_run_info{run="demo"})' 3
wait_for 60 "deliveries arrive, those of other generators too" is 'count(sum by (origin) (rate(soakrig_deliveries_total{outcome="on_time"}[30s])) > 0)' 2
wait_for 30 "rules record" is 'count(run_quantile:soakrig_delivery_duration_seconds:histogram_quantile)' 3
webhook=$(docker ps --quiet --filter label=com.docker.compose.service=webhook)
demo3=$(docker ps --quiet --filter label=com.docker.compose.service=demo-3)
docker kill "$demo3" >/dev/null
wait_for 90 "a dead generator is reported" heard 'wake firing critical SoakrigGeneratorGone run=demo room=test generator=demo-3:9464 .* http://127.0.0.1:3000/d/soakrig-runbook'
docker start "$demo3" >/dev/null
wait_for 90 "and is back" heard 'wake resolved critical SoakrigGeneratorGone run=demo room=test generator=demo-3:9464'

# The server restarts with a fault; on a saturated machine the generators' figures are not reliable.
DEMO_FAULTS="--fault-drop 20%" docker-compose --profile demo up -d --no-build --no-deps target
wait_for 120 "a server that loses chats is reported" heard 'wake firing critical SoakrigDeliveriesLost run=demo'

demo1=$(docker ps --quiet --filter label=com.docker.compose.service=demo-1)
docker stop --time 60 "$demo1" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$demo1")
echo "demo-1 stopped with $code, its summary written"
[ "$code" = 0 ] || [ "$code" = 99 ] || [ "$code" = 106 ]
