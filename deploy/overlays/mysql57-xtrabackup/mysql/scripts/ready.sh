#!/bin/bash
# The member serves: the primary takes writes, a replica copies and takes none.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

read_only=$(here 'SELECT @@global.read_only') || die "the server does not answer"
if is_primary; then
  [ "$read_only" = 0 ] || die "the primary is read-only"
else
  [ "$read_only" = 1 ] || die "the replica is not read-only"
  is_replicating || die "it does not replicate: $(replication Last_IO_Error) $(replication Last_SQL_Error)"
fi
