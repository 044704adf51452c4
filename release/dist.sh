#!/bin/sh
# Builds what a release holds, into dist/: static binaries, completions, man pages, an SBOM,
# checksums.
#
# For each architecture whose Rust standard library can be had (rustup is asked for it) and whose
# linker is installed; for aarch64 on an x86_64 machine: apt-get install gcc-aarch64-linux-gnu.
# One that cannot be built is said and left out. qemu-aarch64-static, where it is there, tries the
# foreign binary.
set -eu
cd "$(dirname "$0")/.."

SBOM_TOOL=cargo-cyclonedx
SBOM_VERSION=0.5.9
dist=dist
tools=.cache/tools

say() { printf 'dist: %s\n' "$*" >&2; }

# The linker for another architecture than this machine's; nothing for its own.
cross_linker() {
    [ "$(uname -m)" = "${1%%-*}" ] || echo "${1%%-*}-linux-gnu-gcc"
}

# Whether this machine can build for the target: a linker, and Rust's standard library.
can_build() {
    cross=$(cross_linker "$1")
    [ -z "$cross" ] || command -v "$cross" >/dev/null || {
        say "no $1: no $cross: apt-get install gcc-$(echo "${1%%-*}" | tr _ -)-linux-gnu"
        return 1
    }
    [ -d "$(rustc --print target-libdir --target "$1")" ] || rustup target add "$1" >&2 || {
        say "no $1: no standard library for it: rustup target add $1"
        return 1
    }
}

# glibc, linked in; names are resolved by soakrig's own resolver, which a static glibc could not.
build() {
    cross=$(cross_linker "$1")
    if [ -n "$cross" ]; then
        snake=$(echo "$1" | tr - _)
        export "CC_$snake=$cross" "CARGO_TARGET_$(echo "$snake" | tr '[:lower:]' '[:upper:]')_LINKER=$cross"
    fi
    # The paths of this machine stay out of the binary, so that two machines build the same one.
    RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=soakrig --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
        CARGO_PROFILE_RELEASE_STRIP=debuginfo \
        cargo build --release --locked --bin soakrig --target "$1" --target-dir target/dist
    install -m 0755 "target/dist/$1/release/soakrig" "$dist/soakrig-$1"
    if readelf --program-headers "$dist/soakrig-$1" | grep -q INTERP; then
        say "soakrig-$1 is not static"
        exit 1
    fi
    try "$1"
}

# Runs what was built, where this machine can.
try() {
    if [ -z "$(cross_linker "$1")" ]; then
        "$dist/soakrig-$1" --version >&2
    elif command -v "qemu-${1%%-*}-static" >/dev/null; then
        "qemu-${1%%-*}-static" "$dist/soakrig-$1" --version >&2
    else
        say "soakrig-$1 was built, and not run: that takes qemu-${1%%-*}-static or such a machine"
    fi
}

rm -rf "$dist"
mkdir -p "$dist"
built=0
for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    if can_build "$target"; then
        build "$target"
        built=$((built + 1))
    fi
done
[ "$built" -gt 0 ] || { say "nothing could be built here"; exit 1; }

if ! "$tools/bin/$SBOM_TOOL" cyclonedx --version 2>/dev/null | grep -qF "$SBOM_VERSION"; then
    cargo install --quiet --locked --root "$tools" --version "$SBOM_VERSION" "$SBOM_TOOL"
fi
"$tools/bin/$SBOM_TOOL" cyclonedx --quiet --format json --override-filename soakrig.cdx
# It names this directory, which is nobody's business.
sed "s|file://$PWD|file:///soakrig|g" soakrig.cdx.json >"$dist/soakrig.cdx.json"
rm soakrig.cdx.json

# The binary for this machine writes its own completions and man pages.
host=$dist/soakrig-$(uname -m)-unknown-linux-gnu
if [ -x "$host" ]; then
    "$host" completions bash >"$dist/soakrig.bash"
    "$host" completions zsh >"$dist/_soakrig"
    "$host" completions fish >"$dist/soakrig.fish"
    "$host" man >"$dist/soakrig.1"
    for command in run demo target check cleanup merge health; do
        "$host" man "$command" >"$dist/soakrig-$command.1"
    done
fi
(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls -l "$dist" >&2
