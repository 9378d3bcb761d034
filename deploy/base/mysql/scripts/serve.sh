#!/bin/bash
# Becomes the server. Before it accepts connections it has set its root password, and on the primary the accounts:
# all of it each time, so that nothing depends on what an earlier start came to.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

[ -d "$data" ] || die "$data is not complete: nothing to serve"
owner=$(cat "$data/belongs-to")
[ "$owner" = "$name" ] || die "$data belongs to $owner, not to $name: refusing to serve it"

require_passwords
adopt_root_password
# Each statement in one line. root is each member's own affair and stays out of the binary log.
{
  printf 'SET SESSION sql_log_bin = 0;\n'
  printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")"
  if is_primary; then
    printf 'SET SESSION sql_log_bin = 1;\n'
    printf "CREATE USER IF NOT EXISTS replication@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password replication)")"
    printf "GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO replication@'%%';\n"
    printf "GRANT SELECT ON performance_schema.replication_connection_status TO replication@'%%';\n"
    printf "GRANT SELECT ON performance_schema.replication_applier_status TO replication@'%%';\n"
    printf "CREATE USER IF NOT EXISTS proxy@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password monitor)")"
    printf "GRANT REPLICATION CLIENT ON *.* TO proxy@'%%';\n"
    printf 'CREATE DATABASE IF NOT EXISTS app;\n'
    printf "CREATE USER IF NOT EXISTS app@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password application)")"
    printf "GRANT ALL ON app.* TO app@'%%';\n"
  fi
} >"$run/init.sql"
rm -f "$run"/mysqld.sock* "$run"/mysqld.pid "$run/leaving" "$run/opened"
exec mysqld --defaults-file="$conf" --init-file="$run/init.sql"
