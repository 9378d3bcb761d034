#!/bin/bash
# Before the server is told to end. A replica says so by stopping to copy: the proxies see it at their next look and
# read elsewhere, before connections break. The primary has nobody to hand over to, but its replicas must let it go: a server
# that ends waits ten seconds for those who copy from it, and they come back every second. Offline it lets in administrators only.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

: >"$run/leaving"
if is_primary; then
  here "SET GLOBAL offline_mode = ON" || true
else
  here "STOP REPLICA" || true
  sleep 3
fi
