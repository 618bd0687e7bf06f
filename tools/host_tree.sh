#!/usr/bin/env bash
# Makes what the tests of a booted host (tests/host) stand on: a small Debian, and the wheels its venv is made from.
#
#   sudo make host-tree      minutes the first time, nothing when all is there
#
# Variables: HOST_TREE (default .tools/host-tree), HOST_WHEELS (.tools/host-wheels), HOST_MIRROR (debootstrap's own),
# HOST_SUITE and HOST_PYTHON (bookworm and its 3.11; trixie has 3.13): the tests take the first two as well.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE="${HOST_SUITE:-bookworm}"
PYTHON_OF_SUITE="${HOST_PYTHON:-3.11}"
# What a minimal server has, and what install.sh would fetch: the host under test has no network.
PACKAGES=systemd,systemd-sysv,dbus,sudo,python3,procps,util-linux,git,sqlite3,curl,make,ca-certificates
TREE="${HOST_TREE:-.tools/host-tree}"
WHEELS="${HOST_WHEELS:-.tools/host-wheels}"

make_tree() {
    [[ "$(cat "$TREE.made-of" 2>/dev/null)" == "$SUITE $PACKAGES" ]] && return
    if ((EUID != 0)) || ! command -v debootstrap >/dev/null; then
        echo "the tree of a host needs root and debootstrap: tests that boot one are left out" >&2
        [[ "${CI:-}" != true ]]
        return
    fi
    rm -rf "$TREE" "$TREE.made-of"
    mkdir -p "$(dirname "$TREE")"
    if ! debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$TREE" ${HOST_MIRROR:+"$HOST_MIRROR"} >"$TREE.log" 2>&1; then
        tail -5 "$TREE.log" >&2
        return 1
    fi
    rm -rf "$TREE"/var/cache/apt/archives/*.deb "$TREE.log"
    echo "$SUITE $PACKAGES" >"$TREE.made-of"
}

fetch_wheels() {
    cmp -s requirements.lock "$WHEELS/requirements.lock" && return
    rm -rf "$WHEELS"
    .venv/bin/python -m pip download --quiet --require-hashes --only-binary :all: --no-deps \
        --python-version "$PYTHON_OF_SUITE" --dest "$WHEELS" --requirement requirements.lock
    cp requirements.lock "$WHEELS/"
}

make_tree
fetch_wheels
