#!/usr/bin/env bash
# Makes a host of monitoring out of a fresh Debian 12/13 or Ubuntu 22.04/24.04 (amd64, arm64).
#
#   sudo bash deploy/install.sh                                       from a clone, anywhere
#   curl -fsSL <this file> | sudo REPO_URL=https://… bash             without one
#
# Safe to run again: what is right is left as it is, an installed checkout stays at its revision, and nothing is
# started or stopped. It ends with what is left to do by hand. docs/install.md shows all of it.
#
# Variables, each with its default:
#   REPO_URL         where the checkout comes from and is kept up to date from (the origin of the clone this script
#                    lies in, or that clone itself; no default when curled)
#   BRANCH           main; any other one is installed, but not kept up to date: hosts follow main
#   REPO_DIR         /srv/monitoring; the checkout, with its venv in .venv
#   CACHE_DIR        /srv/cache; the state: database, locks, legacy cache files
#   ETC_DIR          /etc/monitoring; .env with the secrets is in it
#   TARGET_USER      who runs it all (the owner of REPO_DIR or CACHE_DIR if that is not root, else `monitoring`, who is
#                    created if missing)
#   EXTRAS           none; ai, notify or web3: which requirements-<extra>.lock the venv is made from
#   PYTHON           python3 if that is 3.11 or newer, else one that uv installs below UV_DIR
#   PYTHON_VERSION   3.12; the one uv installs
#   UV_BIN           a uv that is already there; else the pinned one is installed below UV_DIR
#   UV_DIR           /opt/uv; not a home directory, which the units cannot see
#   UV_OFFLINE       unset; 1 uses no network for uv and packages (UV_CACHE_DIR or UV_FIND_LINKS has them then)
#   SUPERCRONIC_BIN  a supercronic that is already there; else the pinned release is installed, its SHA-256 verified
#   SUPERCRONIC_URL  where releases of supercronic are; below it <version>/supercronic-linux-<arch>
#   UNIT_DIR         /etc/systemd/system
#   JOURNAL_MAX      1G; the most that the journal of this host may take
set -Eeuo pipefail

UV_VERSION=0.13.9
# The wheels of uv on the Python package index, for x86_64, for aarch64 with an old and with a new C library.
UV_WHEELS_SHA256=(
    d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19
    5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe
    ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375
)
SUPERCRONIC_VERSION=v0.2.46
declare -A SUPERCRONIC_SHA256=(
    [amd64]=5adff01c5a797663948e656d2b61d10932369ee437eb5cb54fa872b2960f222b
    [arm64]=c0576a8eb092e3f79108ed0a2155a25c7766af78456e5a6070e54757ef513bfe
)
# program:package
NEEDED=(git:git sqlite3:sqlite3 flock:util-linux curl:curl make:make update-ca-certificates:ca-certificates)
DEFAULT_USER=monitoring
UNITS=(monitoring.service monitoring-api.service monitoring-chat.service)
COMMAND=/usr/local/bin/monitoring
UV_COMMAND=/usr/local/bin/uv
SUDOERS=/etc/sudoers.d/monitoring
LEFT=()      # to do by hand
CHANGED=()   # units that a running service does not follow yet

say() { printf '%s\n' "$*"; }
die() {
    printf 'install.sh: %s\n' "$*" >&2
    trap - ERR
    exit 1
}
trap 'die "step \"${STEP:-start}\" failed (line $LINENO: $BASH_COMMAND); fix that and run this again"' ERR
have() { command -v "$1" >/dev/null 2>&1; }
step() { STEP="$*"; }

settle_variables() {
    local source="${BASH_SOURCE[0]:-}" clone=""
    if [[ -n "$source" && -f "$source" ]]; then
        clone="$(cd "$(dirname "$source")/.." && pwd)"
        [[ -e "$clone/.git" && -f "$clone/automation/jobs.yaml" ]] || clone=""
    fi
    CLONE="$clone"
    REPO_URL="${REPO_URL:-}"
    BRANCH="${BRANCH:-main}"
    REPO_DIR="${REPO_DIR:-/srv/monitoring}"
    CACHE_DIR="${CACHE_DIR:-/srv/cache}"
    ETC_DIR="${ETC_DIR:-/etc/monitoring}"
    UV_DIR="${UV_DIR:-/opt/uv}"
    UNIT_DIR="${UNIT_DIR:-/etc/systemd/system}"
    PYTHON_VERSION="${PYTHON_VERSION:-3.12}"
    JOURNAL_MAX="${JOURNAL_MAX:-1G}"
    EXTRAS="${EXTRAS:-}"
    SUPERCRONIC_URL="${SUPERCRONIC_URL:-https://github.com/aptible/supercronic/releases/download}"
    TARGET_USER="${TARGET_USER:-$(owner_of "$REPO_DIR" || owner_of "$CACHE_DIR" || echo "$DEFAULT_USER")}"
    # What becomes root's must not come from a checkout that the user can write. Curled, there is only the checkout that
    # was cloned just now.
    TEMPLATES="${clone:-$REPO_DIR}/deploy"
    export UV_PYTHON_INSTALL_DIR="$UV_DIR"
}

owner_of() { # the owner of a directory, unless it is missing or root's
    local owner
    owner="$(stat -c %U "$1" 2>/dev/null)" && [[ "$owner" != root && "$owner" != UNKNOWN ]] && say "$owner"
}

# Everything that can be known to be wrong before anything is changed.
check_host() {
    step "check this host"
    ((EUID == 0)) || die "run this as root: sudo bash deploy/install.sh"
    [[ -d /run/systemd/system ]] || die "systemd does not run here, and it is what runs the units"
    ARCH="$(arch_name "$(uname -m)")"
    local name
    for name in REPO_DIR CACHE_DIR ETC_DIR UV_DIR UNIT_DIR; do
        [[ "${!name}" =~ ^(/[A-Za-z0-9._-]+)+$ ]] || die "$name=${!name}: name an absolute path of plain characters"
        [[ "$name" == UNIT_DIR || ! "${!name}/" =~ ^/(home|root|tmp|var/tmp|run/user)/ ]] ||
            die "$name=${!name}: the units cannot see that place; choose one below /srv, /opt or /var/lib"
    done
    [[ "$TARGET_USER" =~ ^[a-z_][a-z0-9_-]*$ && "$TARGET_USER" != root ]] ||
        die "TARGET_USER=$TARGET_USER: name an unprivileged user"
    [[ -z "$EXTRAS" || "$EXTRAS" =~ ^[a-z0-9]+$ ]] || die "EXTRAS=$EXTRAS: name one extra, or none"
    [[ -z "${UV_BIN:-}" || -x "$UV_BIN" ]] || die "UV_BIN=$UV_BIN is no program"
    [[ -z "${SUPERCRONIC_BIN:-}" || -x "$SUPERCRONIC_BIN" ]] || die "SUPERCRONIC_BIN=$SUPERCRONIC_BIN is no program"
    [[ -z "${PYTHON:-}" ]] || is_recent "$PYTHON" || die "PYTHON=$PYTHON is no Python 3.11 or newer"
    [[ ! -e "$REPO_DIR" || -e "$REPO_DIR/.git" || -z "$(ls -A "$REPO_DIR")" ]] ||
        die "REPO_DIR=$REPO_DIR is there and is no checkout: move it aside"
}

arch_name() {
    case "$1" in
        x86_64) say amd64 ;;
        aarch64) say arm64 ;;
        *) say "$1" ;;
    esac
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

install_packages() { # what is missing of the packages given as program:package
    local missing=() entry
    for entry in "$@"; do
        have "${entry%%:*}" || missing+=("${entry#*:}")
    done
    ((${#missing[@]})) || return 0
    have apt-get || die "missing here, and there is no apt-get to install it: ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get update -qq || die "apt-get update failed: ${missing[*]} could not be installed"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]}"
}

find_repository() {
    step "find the repository"
    if [[ -z "$REPO_URL" && -e "$REPO_DIR/.git" ]]; then
        REPO_URL="$(git_as_owner "$REPO_DIR" remote get-url origin 2>/dev/null || true)"
    fi
    if [[ -z "$REPO_URL" && -n "$CLONE" ]]; then
        REPO_URL="$(git_as_owner "$CLONE" remote get-url origin 2>/dev/null || say "$CLONE")"
    fi
    [[ -n "$REPO_URL" ]] || die "REPO_URL is not set: name the repository to clone"
}

make_user() {
    step "make the user"
    if ! id -u "$TARGET_USER" >/dev/null 2>&1; then
        useradd --system --create-home --home-dir "/home/$TARGET_USER" --shell /bin/bash --user-group "$TARGET_USER"
        say "user $TARGET_USER created"
    fi
    TARGET_GROUP="$(id -gn "$TARGET_USER")"
    TARGET_HOME="$(getent passwd "$TARGET_USER" | cut -d: -f6)"
    # So that the people on call read the journal without sudo.
    if getent group systemd-journal >/dev/null && [[ " $(id -Gn "$TARGET_USER") " != *" systemd-journal "* ]]; then
        usermod --append --groups systemd-journal "$TARGET_USER"
    fi
}

# A repository's own configuration can name programs that git starts: root never runs git in somebody's repository.
git_as_owner() { # directory, arguments of git
    local directory="$1" owner
    shift
    owner="$(stat -c %u "$directory")"
    if ((owner == 0)); then
        git -C "$directory" "$@"
    else
        setpriv "--reuid=$owner" "--regid=$(stat -c %g "$directory")" --clear-groups -- \
            env HOME=/ git -C "$directory" "$@"
    fi
}

as_user() { runuser -u "$TARGET_USER" -- env HOME="$TARGET_HOME" USER="$TARGET_USER" LOGNAME="$TARGET_USER" "$@"; }

own() { # directory: make it, and give all of it to the user if somebody else's is in it
    [[ -d "$1" ]] || install -d -m "$2" -o "$TARGET_USER" -g "$TARGET_GROUP" "$1"
    if [[ -n "$(find "$1" ! -user "$TARGET_USER" -print -quit)" ]]; then
        chown -R "$TARGET_USER:$TARGET_GROUP" "$1"
        say "$1 given to $TARGET_USER"
    fi
}

install_uv() {
    step "install uv $UV_VERSION"
    if [[ -z "${UV_BIN:-}" ]]; then
        UV_BIN="$UV_DIR/bin/uv"
        if [[ "$("$UV_BIN" --version 2>/dev/null)" != "uv $UV_VERSION"* ]]; then
            [[ -z "${UV_OFFLINE:-}" ]] || die "UV_OFFLINE is set and there is no uv $UV_VERSION: name one with UV_BIN"
            install_packages python3:python3
            python3 -c 'import ensurepip' 2>/dev/null || install_packages no-such-program:python3-venv
            install -d -m 0755 "$UV_DIR" "$UV_DIR/bin"
            python3 -m venv --clear "$UV_DIR/pip"
            printf 'uv==%s%s\n' "$UV_VERSION" "$(printf ' --hash=sha256:%s' "${UV_WHEELS_SHA256[@]}")" |
                "$UV_DIR/pip/bin/pip" install --quiet --no-deps --only-binary :all: --require-hashes -r /dev/stdin
            ln -sfn ../pip/bin/uv "$UV_BIN"
            say "uv $UV_VERSION installed below $UV_DIR"
        fi
    fi
}

find_python() {
    step "find a Python"
    if [[ -z "${PYTHON:-}" ]]; then
        PYTHON="$(command -v python3 || true)"
        if [[ -z "$PYTHON" ]] || ! is_recent "$PYTHON"; then
            "$UV_BIN" python install --quiet "$PYTHON_VERSION"
            PYTHON="$("$UV_BIN" python find --managed-python "$PYTHON_VERSION")"
            say "Python $PYTHON_VERSION installed below $UV_DIR"
        fi
    fi
    [[ ! "$(readlink -f "$(command -v "$PYTHON")")" =~ ^/(home|root)/ ]] ||
        die "PYTHON=$PYTHON lies in a home directory, which the units cannot see"
}

install_checkout() {
    step "clone the repository"
    local shown="${REPO_URL//\/\/*@/\/\/}" origin # a password in it is nobody's business
    if [[ ! -e "$REPO_DIR/.git" ]]; then
        own "$REPO_DIR" 0755
        as_user git clone --quiet --branch "$BRANCH" -- "$REPO_URL" "$REPO_DIR" ||
            die "$TARGET_USER cannot clone branch $BRANCH of $shown: the same user fetches from it later"
        say "$REPO_DIR cloned at $(as_user git -C "$REPO_DIR" rev-parse --short HEAD)"
    fi
    own "$REPO_DIR" 0755
    origin="$(as_user git -C "$REPO_DIR" remote get-url origin)"
    [[ "$origin" == "$REPO_URL" ]] || die "$REPO_DIR is a checkout of something else than $shown: move it aside"
    as_user chmod o-r "$REPO_DIR/.git/config" # an address may hold a token
    if [[ "$BRANCH" == main ]]; then
        as_user git -C "$REPO_DIR" config monitoring.sync true
    else
        LEFT+=("BRANCH=$BRANCH is not kept up to date: hosts follow main")
    fi
}

make_venv() {
    step "make the venv from the lock"
    as_user make --no-print-directory -C "$REPO_DIR" sync UV="$UV_BIN" PYTHON="$PYTHON" EXTRAS="$EXTRAS"
}

install_supercronic() {
    step "install supercronic $SUPERCRONIC_VERSION"
    [[ -z "${SUPERCRONIC_BIN:-}" ]] || return 0
    SUPERCRONIC_BIN=/usr/local/bin/supercronic
    local wanted="${SUPERCRONIC_SHA256[$ARCH]:-}" draft found
    [[ -n "$wanted" ]] || die "no supercronic is pinned for $ARCH: name one with SUPERCRONIC_BIN"
    [[ "$(sha256_of "$SUPERCRONIC_BIN")" != "$wanted" ]] || return 0
    draft="$(mktemp)"
    curl -fsSL --retry 3 --max-time 300 -o "$draft" "$SUPERCRONIC_URL/$SUPERCRONIC_VERSION/supercronic-linux-$ARCH" || {
        rm -f "$draft"
        die "supercronic could not be downloaded from $SUPERCRONIC_URL: put one here and name it with SUPERCRONIC_BIN"
    }
    found="$(sha256_of "$draft")"
    [[ "$found" == "$wanted" ]] || {
        rm -f "$draft"
        die "supercronic $SUPERCRONIC_VERSION for $ARCH is refused: its SHA-256 is $found, not $wanted"
    }
    install -m 0755 "$draft" "$SUPERCRONIC_BIN"
    rm -f "$draft"
    CHANGED+=(monitoring.service)
    say "supercronic $SUPERCRONIC_VERSION installed"
}

sha256_of() { sha256sum "$1" 2>/dev/null | cut -d' ' -f1; }

prepare_state() {
    step "prepare the state in $CACHE_DIR"
    own "$CACHE_DIR" 0750
    local status=0
    as_user env REPO_DIR="$REPO_DIR" CACHE_DIR="$CACHE_DIR" MONITORING_ENV_FILE="$(readable_env_file)" \
        "$REPO_DIR/deploy/migrate-file-cache-to-db.sh" || status=$?
    case "$status" in
        0) ;;
        75) LEFT+=("Import the legacy cache files once no run is going:
       sudo -u $TARGET_USER env CACHE_DIR=$CACHE_DIR $REPO_DIR/deploy/migrate-file-cache-to-db.sh") ;;
        *) die "the database in $CACHE_DIR could not be prepared (exit $status, see above)" ;;
    esac
}

readable_env_file() { if as_user test -r "$ETC_DIR/.env"; then say "$ETC_DIR/.env"; fi; }

guard_secrets() {
    step "guard $ETC_DIR"
    [[ -d "$ETC_DIR" ]] || install -d -m 0750 -o root -g "$TARGET_GROUP" "$ETC_DIR"
    local env_file="$ETC_DIR/.env" named
    if [[ ! -e "$env_file" ]]; then
        LEFT+=("Write the secrets; the unit does not start without this file:
       sudo install -m 0640 -o root -g $TARGET_GROUP $REPO_DIR/.env.example $env_file
       sudoedit $env_file")
        return
    fi
    if [[ "$(stat -c '%a %U:%G' "$env_file")" != "640 root:$TARGET_GROUP" ]]; then
        chown "root:$TARGET_GROUP" "$env_file"
        chmod 0640 "$env_file"
        say "$env_file is now 0640 root:$TARGET_GROUP"
    fi
    named="$(as_user env -i MONITORING_ENV_FILE="$env_file" PYTHONPATH="$REPO_DIR" "$REPO_DIR/.venv/bin/python" -c \
        'from monitoring.base.settings import load_settings; print(load_settings().environ.get("CACHE_DIR", ""))')"
    [[ -z "$named" || "$named" == "$CACHE_DIR" ]] ||
        LEFT+=("$env_file says CACHE_DIR=$named, the units may write $CACHE_DIR: make them agree")
}

place() { # file, contents on stdin, mode (0644); true if it changed
    local draft
    draft="$(mktemp)"
    cat >"$draft"
    if cmp -s "$draft" "$1"; then
        rm -f "$draft"
        return 1
    fi
    install -D -m "${2:-0644}" "$draft" "$1"
    rm -f "$draft"
    say "$1 written"
}

render() { # a template below deploy/
    sed -e "s|@REPO_DIR@|$REPO_DIR|g; s|@CACHE_DIR@|$CACHE_DIR|g; s|@ETC_DIR@|$ETC_DIR|g; s|@USER@|$TARGET_USER|g" \
        -e "s|@GROUP@|$TARGET_GROUP|g; s|@SUPERCRONIC@|$SUPERCRONIC_BIN|g" "$TEMPLATES/$1"
}

install_units() {
    step "install the units"
    local unit
    for unit in "${UNITS[@]}"; do
        if render "systemd/$unit" | place "$UNIT_DIR/$unit"; then CHANGED+=("$unit"); fi
    done
    if printf '[Journal]\nStorage=persistent\nSystemMaxUse=%s\n' "$JOURNAL_MAX" |
        place /etc/systemd/journald.conf.d/monitoring.conf; then
        systemctl restart systemd-journald.service
    fi
    systemctl daemon-reload
}

# The one way for root to run a verb: it changes the user before anything of the checkout is loaded.
install_command() {
    step "install the command"
    [[ ! -e "$COMMAND" ]] || grep -q 'Installed by deploy/install.sh' "$COMMAND" ||
        die "$COMMAND is there and is not ours: move it to another place"
    render monitoring | place "$COMMAND" 0755 || true
}

# What operators have typed for years is `uv sync --frozen`; here it is make sync, and as the right user.
install_uv_command() {
    step "install uv as a command"
    if [[ -e "$UV_COMMAND" || -L "$UV_COMMAND" ]]; then
        if [[ "$(readlink "$UV_COMMAND")" == "$UV_BIN" ]]; then
            rm -f "$UV_COMMAND"
        elif ! grep -qs 'Installed by deploy/install.sh' "$UV_COMMAND"; then
            LEFT+=("$UV_COMMAND is not ours and stays: \`uv sync\` does not work there, type: make sync")
            return 0
        fi
    fi
    render uv | sed "s|@UV@|$UV_BIN|g" | place "$UV_COMMAND" 0755 || true
}

install_sudoers() {
    step "let $TARGET_USER start and stop the units"
    if ! have visudo || [[ ! -d "$(dirname "$SUDOERS")" ]]; then
        LEFT+=("There is no sudo here: what the runbook types behind sudo is for root")
        return 0
    fi
    render sudoers | visudo -cqf - || die "the rules of sudo for $TARGET_USER are not sound: $TEMPLATES/sudoers"
    render sudoers | place "$SUDOERS" 0440 || true
}

note_services() {
    step "look at the services"
    local unit
    if ! systemctl is-enabled --quiet monitoring.service 2>/dev/null; then
        LEFT+=("Start it, now and at every boot: sudo systemctl enable --now monitoring")
        LEFT+=("If this host takes over: restore a backup first, and stop the old one: sudo systemctl disable --now monitoring")
    fi
    for unit in $(printf '%s\n' "${CHANGED[@]}" | sort -u); do
        if systemctl is-active --quiet "$unit"; then
            LEFT+=("Let $unit follow what changed (a run in flight goes on): sudo systemctl restart $unit")
        fi
    done
    if ! systemctl is-enabled --quiet monitoring-api.service 2>/dev/null; then
        LEFT+=("For the API and the dashboard, on loopback: sudo systemctl enable --now monitoring-api")
    fi
    if [[ -e "$REPO_DIR/automation/on_call.yaml" ]] && ! systemctl is-enabled --quiet monitoring-chat.service 2>/dev/null; then
        LEFT+=("For buttons in the chat and escalation by the minute: sudo systemctl enable --now monitoring-chat")
    fi
    [[ "$CACHE_DIR $ETC_DIR" == "/srv/cache /etc/monitoring" ]] ||
        LEFT+=("For commands in a shell: export MONITORING_ENV_FILE=$ETC_DIR/.env, with CACHE_DIR=$CACHE_DIR in that file")
    LEFT+=("See that all is well: sudo monitoring doctor")
}

print_what_is_left() {
    say "" "monitoring is installed in $REPO_DIR, its state is in $CACHE_DIR. What is left to do by hand:" | sed 's/^ //'
    local number=0 entry
    for entry in "${LEFT[@]}"; do
        number=$((number + 1))
        say "  $number. $entry"
    done
}

main() {
    settle_variables
    check_host
    cd / # the directory this was called from may be closed to the user
    umask 022
    step "install packages"
    install_packages "${NEEDED[@]}"
    find_repository
    make_user
    install_uv
    find_python
    install_supercronic
    install_checkout
    make_venv
    prepare_state
    guard_secrets
    install_units
    install_command
    install_uv_command
    install_sudoers
    note_services
    print_what_is_left
}

# On the last line: half a download does nothing.
main "$@"
