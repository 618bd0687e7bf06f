#!/usr/bin/env bash
# Imports the legacy text cache files into the database.
#
#   ./deploy/migrate-file-cache-to-db.sh [--overwrite | --export] [--wait SECONDS]
#
# Variables:
#   REPO_DIR    the checkout with its .venv      (default: the one this script lies in)
#   CACHE_DIR   where state and text files live  (default: as the checkout finds it)
#
# Without --overwrite values already in the database win, so running it again is safe. It waits up to two
# minutes for runs that are going, else exits 75 and names them.
#
# Start it as the user of the units: sudo -u monitoring deploy/migrate-file-cache-to-db.sh. Started by root it becomes
# the owner of CACHE_DIR (else of the checkout) before it loads anything of the checkout.
set -Eeuo pipefail

REPO_DIR="${REPO_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
python="$REPO_DIR/.venv/bin/python"
[[ -x "$python" ]] || {
    echo "$python is missing: run 'make sync' in $REPO_DIR, or set REPO_DIR" >&2
    exit 2
}
export CACHE_DIR="${CACHE_DIR-}"
[[ -n "$CACHE_DIR" ]] || unset CACHE_DIR
become=()
if ((EUID == 0)); then
    home="$REPO_DIR"
    [[ ! -d "${CACHE_DIR:-}" || "$(stat -c %u "$CACHE_DIR")" == 0 ]] || home="$CACHE_DIR"
    owner="$(stat -c %u "$home")"
    ((owner == 0)) ||
        become=(setpriv "--reuid=$owner" "--regid=$(stat -c %g "$home")" --clear-groups -- env "HOME=$home")
fi
cd "$REPO_DIR"
exec "${become[@]}" "$python" -m utils.migrate_cache_to_db "$@"
