#!/usr/bin/env bash
# The one gate: installs what the checks need, runs every one of them, says what it does.
#
#   ./check.sh           everything
#   ./check.sh --quick   without what needs further servers or takes long
#
# Runs on a bare Debian 12 with Rust, as root or with sudo. Idempotent: what is there is not installed again.
# Exit code 0: all passed; 1: a check failed; 2: wrong arguments, or the checks could not begin.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2

readonly CARGO_DENY=0.20.2
readonly CACHE="$PWD/.cache"

quick=false
case "${1-}" in
'') ;;
--quick) quick=true ;;
-h | --help)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
*)
    echo "check.sh: unknown argument $1; see ./check.sh --help" >&2
    exit 2
    ;;
esac

say() { printf '\n== %s\n' "$*"; }

give_up() {
    printf 'check.sh: %s\n' "$*" >&2
    exit 2
}

# ---- What the checks need -------------------------------------------------------------

packages=()

# need COMMAND PACKAGE...: the Debian packages to install where the command is missing.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || packages+=("$@")
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs the packages; none of their services starts, now or at the next boot.
install_packages() {
    [ ${#packages[@]} -gt 0 ] || { echo "packages: all there" && return; }
    echo "installing Debian packages: ${packages[*]}"
    command -v apt-get >/dev/null || give_up "no apt-get here; please install what '${packages[*]}' is called on this system"
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        give_up "needs root or sudo, or beforehand: apt-get install --no-install-recommends ${packages[*]}"
    local policy=/usr/sbin/policy-rc.d made=false failed=false
    if [ ! -e "$policy" ]; then
        made=true
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy"
    fi
    {
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    } || failed=true
    if $made; then as_root rm -f "$policy"; fi
    if $failed; then give_up "apt-get could not install ${packages[*]}"; fi
    keep_services_off
}

# Disables the units that came with the packages just installed.
keep_services_off() {
    [ -d /run/systemd/system ] || return 0
    local unit
    dpkg -L "${packages[@]}" | sed -n 's|^\(/usr\)\?/lib/systemd/system/\(.*\.\(service\|socket\|timer\)\)$|\2|p' |
        while read -r unit; do
            echo "not started, not enabled: $unit"
            as_root systemctl disable --quiet "$unit"
        done
}

# cargo-deny: the one on the path, or one of our own under .cache (about four minutes, once).
install_cargo_deny() {
    PATH="$CACHE/cargo-deny/bin:$PATH"
    if command -v cargo-deny >/dev/null; then
        echo "cargo-deny: $(cargo-deny --version)"
        return
    fi
    echo "installing cargo-deny $CARGO_DENY into .cache/cargo-deny"
    cargo install cargo-deny --quiet --locked --version "$CARGO_DENY" --root "$CACHE/cargo-deny" ||
        give_up "cargo-deny could not be built"
}

# The Python packages of a requirements file, in an environment of their own under .cache.
# Usage: python_environment NAME REQUIREMENTS; sets PATH for what follows in the same shell.
python_environment() {
    local place=$CACHE/$1 wanted=$2
    if ! cmp -s "$wanted" "$place/requirements.txt"; then
        echo "installing the Python packages of $wanted into .cache/$1"
        python3 -m venv "$place" &&
            "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" &&
            cp "$wanted" "$place/requirements.txt" || return 1
    fi
    PATH=$place/bin:$PATH
}

# The environments of all checks, before those that share one run beside each other.
install_python_packages() (
    python_environment watch tests/watch/requirements.txt && python_environment fleet tests/fleet/requirements.txt
)

# Prometheus rules, Alertmanager routes, dashboards and compose files, with their own tools.
check_stack() (
    python_environment watch tests/watch/requirements.txt && tests/watch/check.sh
)

# The same at work: every query with data, every alert from its fault to the webhook and back.
check_stack_at_work() (
    python_environment watch tests/watch/requirements.txt && tests/watch/live.sh target/debug/soakrig
)

# The plays, roles, units and manifests of a fleet, on hosts that boot in namespaces of the checks' own.
check_fleet() (
    python_environment fleet tests/fleet/requirements.txt || return 1
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        { echo "check.sh: the fleet's hosts need root: run this as root, or install sudo" >&2 && return 1; }
    as_root tests/fleet/run.sh
)

# The report in a browser.
check_page() {
    tests/page/run.sh
}

# What `chat servers` starts, before anything is run against it.
install_chat_servers() {
    tests/servers/run.sh --install
}

# soakrig against chat servers that it did not write, each with the protocol file that ships for it.
check_chat_servers() {
    tests/servers/run.sh
}

# ---- Steps ----------------------------------------------------------------------------

results=()
failures=0

# step NAME COMMAND...: runs one check; a failure is noted, and the others still run.
step() {
    local name=$1 begin=$SECONDS outcome=passed
    shift
    say "$name: $*"
    "$@" || { outcome=FAILED && failures=$((failures + 1)); }
    results+=("$(printf '%-8s %4d s  %s' "$outcome" $((SECONDS - begin)) "$name")")
}

# slow step|beside NAME COMMAND...: a step that --quick leaves out.
slow() {
    if $quick; then results+=("$(printf '%-16s %s' 'left out' "$2")"); else "$@"; fi
}

# Steps that mostly wait run beside those that compute, which leave the processor to them (`nice`).
declare -A beside_pid=()
logs=$(mktemp -d)

# What was started beside ends with this script, also where it is interrupted.
end_beside() {
    local pid
    for pid in "${beside_pid[@]}"; do kill -- "-$pid" 2>/dev/null; done
    rm -rf "$logs"
}
trap end_beside EXIT

# beside NAME COMMAND...: starts a step beside the next ones, in a process group of its own; its output is
# shown by `join`.
beside() {
    local name=$1
    shift
    say "$name: $* (beside the next steps)"
    set -m
    (
        set +m
        begin=$SECONDS
        "$@"
        outcome=$?
        echo $((SECONDS - begin)) >"$logs/$name.seconds"
        exit $outcome
    ) >"$logs/$name" 2>&1 </dev/null &
    set +m
    beside_pid[$name]=$!
}

# begun NAME TEXT: waits until a step beside says the text, or has ended.
begun() {
    until grep -q "$2" "$logs/$1" || ! kill -0 "${beside_pid[$1]}" 2>/dev/null; do sleep 0.2; done
}

# join NAME...: waits for steps that were started beside, and shows what they said.
join() {
    local name outcome
    for name in "$@"; do
        [ -n "${beside_pid[$name]-}" ] || continue
        outcome=passed
        wait "${beside_pid[$name]}" || { outcome=FAILED && failures=$((failures + 1)); }
        unset "beside_pid[$name]"
        say "$name"
        cat "$logs/$name"
        results+=("$(printf '%-8s %4d s  %s' "$outcome" "$(cat "$logs/$name.seconds" 2>/dev/null || echo 0)" "$name")")
    done
}

summary() {
    say "summary"
    printf '%s\n' "${results[@]}"
    local left=0 result
    for result in "${results[@]}"; do [[ $result == "left out"* ]] && left=$((left + 1)); done
    local ran=$((${#results[@]} - left))
    printf '\ncheck.sh: %d checks run, %d passed, %d failed, %d left out, in %d min %d s\n' \
        "$ran" $((ran - failures)) "$failures" "$left" $((SECONDS / 60)) $((SECONDS % 60))
    [ "$failures" = 0 ]
}

# ---- The checks -----------------------------------------------------------------------

command -v cargo >/dev/null || give_up "no cargo on the path; Rust is at https://rustup.rs"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

say "what the checks need"
need cc gcc libc6-dev
need promtool prometheus
need /usr/sbin/nginx nginx
need shellcheck shellcheck
if ! $quick; then
    need amtool prometheus-alertmanager
    need docker-compose docker-compose
    need valgrind valgrind
    need /usr/sbin/sshd openssh-server openssh-client
    need ip iproute2
    need systemd-nspawn systemd-container
    need podman podman runc catatonit
    need node nodejs
    need npm npm
    need rails ruby-rails
    need puma puma
    need prosody prosody
    need /usr/sbin/inspircd inspircd
    need redis-server redis-server
    need chromium chromium
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
fi
install_packages
if ! $quick; then install_cargo_deny; fi

mapfile -t scripts < <(find . -name target -prune -o -name .cache -prune -o -name '*.sh' -print)

step format cargo fmt --check
slow beside "Python packages" install_python_packages
slow beside "chat server packages" install_chat_servers
step build cargo test --locked --no-run
join "Python packages" "chat server packages"
# Asked for here: a step beside cannot ask for a password.
if ! $quick; then as_root true; fi
run_tests() {
    beside tests cargo test --locked --no-fail-fast
    # Cargo lets go of target/ once the tests run.
    begun tests 'Running '
}

# The alerts and the fleet's hosts mostly wait, and their time is real: what computes beside them is nice.
slow beside "stack at work" check_stack_at_work
slow beside fleet check_fleet
if $quick; then run_tests; fi
step lints nice -n 19 cargo clippy --all-targets --locked -- -D warnings
step documentation nice -n 19 env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked
step scripts shellcheck .ci/run ansible/fleet "${scripts[@]}"
slow step budget nice -n 19 benches/budget.sh
slow step stack check_stack
slow step dependencies cargo deny --locked check --hide-inclusion-graph bans licenses sources
join "stack at work"
slow beside "chat servers" check_chat_servers
slow beside page check_page
if ! $quick; then run_tests; fi
join tests fleet "chat servers" page

summary
