#!/bin/bash
# Makes `data`, once: of the copy that is in `incoming`, or a new cluster's. The last step renames it; whatever is interrupted
# before that is done anew, whatever comes after finds `data` and leaves it alone.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

server=''
stop_server() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
    server=''
  fi
}
trap 'stop_server; exit 143' TERM INT

# Nobody can connect meanwhile but over the socket.
start_server() { # statements to begin with
  printf '%s' "$1" >"$run/first.sql"
  rm -f "$run"/mysqld.sock* "$run"/mysqld.pid
  mysqld --defaults-file="$conf" --datadir="$incoming" --skip-networking --skip-slave-start --init-file="$run/first.sql" &
  server=$!
  until here 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || die "the server has ended while it started"
    sleep 0.5
  done
  rm -f "$run/first.sql"
}

root_only() {
  printf 'SET SESSION sql_log_bin = 0;\n'
  printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")"
}

# The copy has its donor's replication, which must not run here. Replication is set up while none can run, so it begins at
# the copy's position however often this is done; with the renamed file it is done for good.
settle_copy() {
  if [ ! -e "$incoming/change_master_to.sql.in" ]; then return; fi
  start_server "$(root_only)
"
  {
    printf 'STOP SLAVE;\nRESET SLAVE ALL;\n%s, ' "$(cat "$incoming/change_master_to.sql.in")"
    printf "MASTER_HOST = '%s', MASTER_PORT = 3306, MASTER_USER = 'replication', " "$primary"
    printf 'MASTER_PASSWORD = %s, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 2;\n' "$(literal "$(password replication)")"
  } | ask_here
  [ "$(replication Master_Host)" = "$primary" ] || die "replication was not set up"
  log "$name goes on from $(replication Master_Log_File) $(replication Read_Master_Log_Pos)"
  stop_server
  sync
  mv "$incoming/change_master_to.sql.in" "$incoming/change_master_to.sql.orig"
}

# All of it is in the first binary log, so that a replica could also begin there.
begin_cluster() {
  rm -rf "$incoming"
  mkdir "$incoming"
  mysqld --defaults-file="$conf" --datadir="$incoming" --initialize-insecure
  start_server "$(root_only)
SET SESSION sql_log_bin = 1;
CREATE DATABASE lineage;
CREATE TABLE lineage.cluster (id CHAR(32) PRIMARY KEY) ENGINE = InnoDB;
INSERT INTO lineage.cluster VALUES ('$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')');
CREATE USER replication@'%' IDENTIFIED BY $(literal "$(password replication)");
GRANT REPLICATION SLAVE ON *.* TO replication@'%';
GRANT SELECT ON lineage.* TO replication@'%';
CREATE USER backup@localhost IDENTIFIED BY $(literal "$(password replication)");
GRANT RELOAD, LOCK TABLES, PROCESS, REPLICATION CLIENT ON *.* TO backup@localhost;
CREATE USER proxy@'%' IDENTIFIED BY $(literal "$(password monitor)");
GRANT REPLICATION CLIENT ON *.* TO proxy@'%';
GRANT SELECT (User, plugin, authentication_string) ON mysql.user TO proxy@'%';
CREATE DATABASE app;
CREATE USER app@'%' IDENTIFIED BY $(literal "$(password application)");
GRANT ALL ON app.* TO app@'%';
"
  # The statements run before anybody is let in: if it answers as root, they have.
  [ -n "$(here "$identity")" ] || die "the accounts were not made"
  stop_server
}

rm -f "$volume/begin"
if [ -d "$data" ]; then
  log "$name is filled already"
  exit 0
fi
adopt_root_password
if [ -e "$incoming/change_master_to.sql.in" ] || [ -e "$incoming/change_master_to.sql.orig" ]; then
  settle_copy
elif is_primary && [ -e "$volume/may-begin" ]; then
  log "no member has data: a new cluster"
  begin_cluster
else
  die "there is nothing to make data of"
fi
printf '%s\n' "$name" >"$incoming/belongs-to"
sync
mv -T "$incoming" "$data"
sync
rm -f "$volume/may-begin"
log "$name is filled"
