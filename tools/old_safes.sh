#!/usr/bin/env bash
# Unpacks the oldest generations of Safe next to the packages of package.json, each held to its hash.
#
# They are not in package.json because what they depend on is not in a registry any more; we need nothing of that.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="$PWD/.tools/npm/old"
mkdir -p "$cache"
while read -r name version hash; do
    file="$cache/gnosis.pm-safe-contracts-$version.tgz"
    [[ -f "$file" ]] || (cd "$cache" && npm pack --silent --cache ../cache "@gnosis.pm/safe-contracts@$version" >/dev/null)
    echo "$hash  $file" | sha256sum --check --quiet
    mkdir -p "node_modules/$name"
    tar -xzf "$file" -C "node_modules/$name" --strip-components=1 package/build/contracts
done <<'PACKAGES'
safe01 0.1.0 acb146edf4818ab94d69fd907ee4470613790a03e6383b0b1389167161fb9028
safe10 1.0.0 0fd55fd90905a42c37cf84e49522b7354bff634121f8a918618dcbd4baf57417
safe11 1.1.1 146520263e64f87a3fdfa61ad04d917185bb6918814c89febd8a44a344984714
PACKAGES
