#!/bin/bash
# Before the server is told to end. A replica says so by stopping to copy: the proxies see it at their next look and
# read elsewhere, before connections break. The primary has nobody to hand over to.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

: >"$run/leaving"
if ! is_primary; then
  here "STOP REPLICA" || true
  sleep 3
fi
