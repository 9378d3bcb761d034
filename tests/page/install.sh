#!/bin/bash
# Installs what looks at the page: Debian's Chromium, and what drives and judges it into target/page, not into the system.
set -uo pipefail
here=$(dirname "$(realpath "$0")")
into=${PAGE:-$here/../../target/page}
"$here/../install.sh" page || echo "Chromium could not be installed"
mkdir -p "$into"
for package in playwright-core@1.65.1 axe-core@4.14.1; do
    [ ! -d "$into/node_modules/${package%@*}" ] || continue
    echo "installing $package into $into"
    npm install --silent --no-audit --no-fund --prefix "$into" "$package" >/dev/null || echo "$package could not be installed"
done
