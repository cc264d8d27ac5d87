#!/usr/bin/env bash
# What the page's tests need: Chromium, and the packages that drive it and judge what it shows.
set -euo pipefail
cd "$(dirname "$0")"

install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    fi
}

command -v chromium >/dev/null || install chromium fonts-dejavu-core
command -v npm >/dev/null || install nodejs npm
command -v chromium >/dev/null && command -v npm >/dev/null || {
    echo "The page's tests need Chromium and npm; on Debian: apt-get install chromium npm" >&2
    exit 1
}
cmp -s package-lock.json node_modules/installed.json || {
    npm ci --no-audit --no-fund --loglevel=error
    cp package-lock.json node_modules/installed.json
}
