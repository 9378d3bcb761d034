#!/bin/bash
# A copy of this member, to whoever has connected to the copy port; nothing while the member is not sound.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

is_sound || die "not sound: no copy of this member"
{
  cat "$conf"
  printf '\n[client]\nuser=backup\npassword=%s\nsocket=%s\n' "$(quoted "$(password replication)")" "$run/mysqld.sock"
} >"$run/backup.cnf"
log "somebody copies this member"
exec xtrabackup --defaults-file="$run/backup.cnf" --backup --slave-info --stream=xbstream --target-dir=/tmp 2>"$run/backup.log"
