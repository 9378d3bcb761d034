#!/bin/bash
# The member serves: the primary takes writes, a replica copies and takes none.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

if is_primary; then
  [ "$(here 'SELECT @@global.read_only')" = 0 ]
else
  [ "$(here 'SELECT @@global.read_only')" = 1 ]
  is_replicating
fi
