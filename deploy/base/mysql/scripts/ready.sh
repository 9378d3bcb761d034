#!/bin/bash
# The member serves: its steward has opened it, the primary takes writes, a replica copies and takes none.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

[ ! -e "$run/leaving" ]
state=$(here "SELECT @@global.offline_mode, @@global.super_read_only")
if is_primary; then
  [ "$state" = $'0\t0' ]
else
  [ "$state" = $'0\t1' ]
  look_at_replication
  is_replicating
fi
