#!/usr/bin/env bash
# Makes sure that a container engine is running. On Debian, as root, installs and starts it; elsewhere says in one line how
# to get one.
set -euo pipefail

# Bubblewrap is the other engine, for machines where no container engine is allowed; its tests need it.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v bwrap >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null && apt-get install -q -y --no-install-recommends bubblewrap >/dev/null
fi

answers() { docker version >/dev/null 2>&1; }
answers && exit 0

how="install and start one, such as: apt-get install docker.io mmdebstrap"
if [ "$(id -u)" != 0 ]; then
    echo "error: no container engine answers; $how (or run as root, and this is done for you)" >&2
    exit 2
fi
if ! command -v dockerd >/dev/null; then
    command -v apt-get >/dev/null || { echo "error: no container engine and no apt-get; $how" >&2; exit 2; }
    echo "engine: installing docker.io"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null
    apt-get install -q -y --no-install-recommends docker.io iptables mmdebstrap ca-certificates >/dev/null
fi
command -v mmdebstrap >/dev/null || apt-get install -q -y --no-install-recommends mmdebstrap >/dev/null
answers && exit 0

echo "engine: starting dockerd"
mkdir -p /var/log
setsid nohup dockerd >/var/log/evalharness-dockerd.log 2>&1 </dev/null &
for _ in $(seq 60); do
    sleep 1
    answers && exit 0
done
echo "error: dockerd did not come up; its log: /var/log/evalharness-dockerd.log" >&2
tail -3 /var/log/evalharness-dockerd.log >&2
exit 2
