#!/bin/sh
# Builds what a release holds, into dist/: static binaries, completions, man pages, an SBOM,
# checksums.
#
# x86_64 always (on an x86_64 machine); aarch64 where Rust's standard library and a linker for it
# are installed: rustup target add aarch64-unknown-linux-gnu; apt-get install gcc-aarch64-linux-gnu
set -eu
cd "$(dirname "$0")/.."

SBOM_TOOL=cargo-cyclonedx
SBOM_VERSION=0.5.9
dist=dist
tools=.cache/tools

say() { printf 'dist: %s\n' "$*" >&2; }

# Whether this machine can build for the target: its standard library, and a linker.
can_build() {
    [ -d "$(rustc --print target-libdir --target "$1")" ] || {
        say "no $1: rustup target add $1"
        return 1
    }
    case $1 in
        aarch64-*)
            [ "$(uname -m)" = aarch64 ] || command -v aarch64-linux-gnu-gcc >/dev/null || {
                say "no $1: apt-get install gcc-aarch64-linux-gnu"
                return 1
            }
            ;;
    esac
}

# glibc, linked in; names are resolved by soakrig's own resolver, which a static glibc could not.
build() {
    if [ "$1" = aarch64-unknown-linux-gnu ] && [ "$(uname -m)" != aarch64 ]; then
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER CC_aarch64_unknown_linux_gnu
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
    "$host" --version
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
