#!/bin/bash
# Beside the server: streams copies of it to those who come after, says that it is filled, keeps replication as it should be
# and the passwords as in the Secret. It may be killed at any time.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

here_is=$(cd "$(dirname "$0")" && pwd)
copies='' standing=''
trap 'kill $copies $standing 2>/dev/null || true; exit 0' TERM INT

listen() {
  if [ -z "$copies" ] || ! kill -0 "$copies" 2>/dev/null; then
    ncat --listen --keep-open --send-only --max-conns=1 --sh-exec "bash $here_is/stream.sh" "$copy_port" &
    copies=$!
  fi
  if [ -z "$standing" ] || ! kill -0 "$standing" 2>/dev/null; then
    ncat --listen --keep-open --send-only --sh-exec 'echo filled' "$standing_port" &
    standing=$!
  fi
}

# Whoever has the old password only is locked out: 5.7 keeps one password for an account.
renew_password() { # account secret
  local answer
  if answer=$(timeout 20 mysql --defaults-file="$(login "$1" "$2")" --host=127.0.0.1 --protocol=tcp --execute='DO 0' 2>&1); then return; fi
  case $answer in
    *'ERROR 1045'*)
      # First the one that is not looked at: what is interrupted here is done again.
      if [ "$1" = replication ]; then
        printf 'ALTER USER backup@localhost IDENTIFIED BY %s;\n' "$(literal "$(password "$2")")" | ask_here || return
      fi
      printf "ALTER USER %s@'%%' IDENTIFIED BY %s;\n" "$1" "$(literal "$(password "$2")")" | ask_here || return
      log "the account $1 has the Secret's new password"
      ;;
  esac
}

tend_primary() {
  renew_password replication replication
  renew_password proxy monitor
  renew_password app application
}

# As volumes of before have it: an idle replica would take the primary for gone, by `slave-net-timeout`, and connect anew all the time.
beats_slowly() {
  local slowly='SELECT heartbeat_interval > 2 FROM performance_schema.replication_connection_configuration'
  [ "$(here "$slowly" 2>/dev/null)" = 1 ]
}

tend_replica() {
  local theirs
  # The primary is away: the replica stays as it is.
  theirs=$(ask "$primary" "$identity" 2>/dev/null) || return 0
  if [ "$theirs" != "$(here "$identity")" ]; then
    here 'STOP SLAVE'
    say "$primary is of another cluster: this replica follows it no more"
    return
  fi
  if is_replicating; then
    if beats_slowly; then here 'STOP SLAVE; CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD = 2; START SLAVE'; fi
    return
  fi
  if [ "$(replication Last_IO_Errno)" = 1045 ]; then
    # Without a position the one where it was stays.
    printf "STOP SLAVE;\nCHANGE MASTER TO MASTER_USER = 'replication', MASTER_PASSWORD = %s;\n" \
      "$(literal "$(password replication)")" | ask_here || return
  fi
  here 'START SLAVE'
}

while :; do
  listen
  if here 'DO 0' >/dev/null 2>&1; then
    if is_primary; then tend_primary || true; else tend_replica || true; fi
  fi
  sleep 2 &
  wait $! || true
done
