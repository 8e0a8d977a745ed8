#!/usr/bin/env bash
# Makes sure that Chromium is installed, which the tests of the report page use. On Debian, as root, installs it; elsewhere
# says in one line how to install it.
set -euo pipefail
command -v chromium >/dev/null && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "error: the report page is tested in Chromium; install it, such as: apt-get install chromium" >&2
    exit 2
fi
echo "browser: installing chromium"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -q -y --no-install-recommends chromium >/dev/null
