#!/usr/bin/env bash
# Takes from a host what deploy/install.sh put there.
#
#   sudo bash deploy/uninstall.sh            units, command, checkout, uv and its Python, supercronic; state and secrets stay
#   sudo bash deploy/uninstall.sh --purge    state and secrets as well: the history of alerts is gone then
#
# Start it from a clone of your own: whatever the user of the units can write, root must not run.
# Runs in flight are ended. Packages, the user, and programs that were here before stay. Safe to run again.
# Variables, as for install.sh: REPO_DIR, CACHE_DIR, ETC_DIR, UV_DIR, UNIT_DIR.
set -Eeuo pipefail

REPO_DIR="${REPO_DIR:-/srv/monitoring}"
CACHE_DIR="${CACHE_DIR:-/srv/cache}"
ETC_DIR="${ETC_DIR:-/etc/monitoring}"
UV_DIR="${UV_DIR:-/opt/uv}"
UNIT_DIR="${UNIT_DIR:-/etc/systemd/system}"
SUPERCRONIC=/usr/local/bin/supercronic
COMMAND=/usr/local/bin/monitoring
UV_COMMAND=/usr/local/bin/uv
SUDOERS=/etc/sudoers.d/monitoring
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
JOURNALD=/etc/systemd/journald.conf.d/monitoring.conf

say() { printf '%s\n' "$*"; }
die() {
    printf 'uninstall.sh: %s\n' "$*" >&2
    trap - ERR
    exit 1
}
trap 'die "failed (line $LINENO: $BASH_COMMAND); fix that and run this again"' ERR

remove() { # paths
    local path
    for path in "$@"; do
        [[ -e "$path" || -L "$path" ]] || continue
        rm -rf -- "$path"
        say "$path removed"
    done
}

check() {
    ((EUID == 0)) || die "run this as root: sudo bash deploy/uninstall.sh"
    [[ $# -eq 0 || "$*" == --purge ]] || die "unknown: $*; only --purge is"
    local name
    for name in REPO_DIR CACHE_DIR ETC_DIR UV_DIR UNIT_DIR; do
        [[ "${!name}" =~ ^(/[A-Za-z0-9._-]+){2,}$ && ! "${!name}" =~ (^|/)\.\.?(/|$) ]] ||
            die "$name=${!name}: that is no place of an installation"
    done
}

# A run in flight, which `systemctl stop` would spare, is asked to end, and writes its row.
stop_units() {
    local unit lock
    for unit in monitoring.service monitoring-api.service monitoring-chat.service; do
        [[ -e "$UNIT_DIR/$unit" ]] || continue
        systemctl kill --signal=SIGTERM "$unit" 2>/dev/null || true
        systemctl disable --quiet --now "$unit"
        for lock in "$CACHE_DIR"/locks/run.*.lock; do
            [[ ! -e "$lock" ]] || flock --timeout 60 "$lock" true || die "a run does not end: see $lock"
        done
        remove "$UNIT_DIR/$unit" "$UNIT_DIR/$unit.d"
        systemctl reset-failed --quiet "$unit" 2>/dev/null || true
    done
    systemctl daemon-reload
}

# Tracked files are origin's; anything else in the checkout is somebody's.
remove_checkout() {
    [[ -e "$REPO_DIR/.git" ]] || return 0
    # As its owner: the configuration of a repository can name programs that git starts (core.fsmonitor, hooks).
    local git=(git -C "$REPO_DIR") owner
    owner="$(stat -c %u "$REPO_DIR")"
    ((owner == 0)) || git=(setpriv "--reuid=$owner" "--regid=$(stat -c %g "$REPO_DIR")" --clear-groups -- env HOME=/ "${git[@]}")
    [[ "$("${git[@]}" config --get monitoring.sync || true)" == true ]] || {
        say "$REPO_DIR stays: it is no deployed checkout"
        return 0
    }
    local foreign
    foreign="$("${git[@]}" ls-files --others --exclude-standard)"
    if [[ -n "$foreign" ]]; then
        say "$REPO_DIR stays: files of yours are in it, as ${foreign%%$'\n'*}"
        return 0
    fi
    remove "$REPO_DIR"
}

# A supercronic that install.sh did not bring is somebody's.
remove_supercronic() {
    [[ -f "$SUPERCRONIC" ]] || return 0
    local found
    found="$(sha256sum "$SUPERCRONIC" | cut -d' ' -f1)"
    if grep -q "$found" "$HERE/install.sh"; then remove "$SUPERCRONIC"; fi
}

main() {
    check "$@"
    cd / # the directory this was called from may be closed to the owner of the checkout
    stop_units
    remove_supercronic
    remove_checkout
    if grep -qs 'Installed by deploy/install.sh' "$COMMAND"; then remove "$COMMAND"; fi
    if grep -qs 'Installed by deploy/install.sh' "$UV_COMMAND"; then remove "$UV_COMMAND"; fi
    [[ "$(readlink "$UV_COMMAND" || true)" != "$UV_DIR"/* ]] || remove "$UV_COMMAND"
    remove "$SUDOERS"
    [[ ! -x "$UV_DIR/bin/uv" ]] || remove "$UV_DIR"
    if [[ -e "$JOURNALD" ]]; then
        remove "$JOURNALD"
        systemctl restart systemd-journald.service
    fi
    if [[ "${1:-}" == --purge ]]; then
        remove "$CACHE_DIR" "$ETC_DIR"
    else
        say "kept: the state in $CACHE_DIR and the secrets in $ETC_DIR (--purge removes them)"
    fi
}

main "$@"
