#!/bin/bash
# The member serves: its steward has opened it, the primary takes writes, a replica copies and takes none.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

[ ! -e "$run/leaving" ] || die "it is about to end"
state=$(here "SELECT @@global.offline_mode, @@global.super_read_only") || die "the server does not answer"
if is_primary; then
  [ "$state" = $'0\t0' ] || die "offline_mode and super_read_only are $state, not 0 and 0: see the log of the steward"
else
  [ "$state" = $'0\t1' ] || die "offline_mode and super_read_only are $state, not 0 and 1: see the log of the steward"
  look_at_replication
  is_replicating || die "it does not replicate: ${replica[Last_IO_Error]:-}${replica[Last_SQL_Error]:-}"
fi
