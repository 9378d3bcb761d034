#!/bin/bash
# Becomes the server. Before it accepts connections it has set its root password. Replication does not start by itself: the
# sidecar starts it, after it has looked at the primary.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

[ -d "$data" ] || die "$data is not complete: nothing to serve"
owner=$(cat "$data/belongs-to")
[ "$owner" = "$name" ] || die "$data belongs to $owner, not to $name: refusing to serve it"

adopt_root_password
# root is each member's own affair and stays out of the binary log. Each statement in one line.
{
  printf 'SET SESSION sql_log_bin = 0;\n'
  printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")"
} >"$run/init.sql"
rm -f "$run"/mysqld.sock* "$run"/mysqld.pid
exec mysqld --defaults-file="$conf" --init-file="$run/init.sql"
