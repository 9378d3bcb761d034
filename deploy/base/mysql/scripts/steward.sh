#!/bin/bash
# Looks after the member for as long as it runs. A member starts offline: nobody but root can connect. The steward
# opens it once it is proven sound, and closes it when it is not:
#
#   the primary     when no other member has anything that it has not
#   a replica       when the primary has all that it has, and it follows the primary; while the primary is away, when it
#                   has followed the primary before
#
# It writes new passwords of the Secret into the accounts, and does not restart anything. It may be killed at any time.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

require_passwords
said=''
say() {
  if [ "$*" != "$said" ]; then log "$@"; fi
  said=$*
}

is_offline() { [ "$(here "SELECT @@global.offline_mode")" = 1 ]; }
open() {
  here "SET GLOBAL offline_mode = OFF" || return
  : >"$run/opened"
  say "open: $1"
}
close() {
  rm -f "$run/opened"
  here "SET GLOBAL offline_mode = ON" || return
  say "closed: $1"
}

# --- the primary

# Where it does not, it says nothing of others either. It may tell the address of this pod's predecessor, where nobody answers.
dns_knows_this_pod() {
  local answer
  answer=$(ask "$(whole_name "$ordinal")" "DO 0" 3306 --connect-timeout=1 2>&1) || ! is_about_dns "$answer"
}

# Of what another has written itself, nothing counts: that is its own fault, and must not close the primary.
others_have_no_more() {
  local other missing=0 all=yes
  if ! dns_knows_this_pod; then
    say "closed: DNS does not know $(whole_name "$ordinal"), so it may not know others that have more"
    return 1
  fi
  for ((other = 1; missing < 3; other++)); do
    look_at "$other"
    case $standing in
      absent) missing=$((missing + 1)) ;;
      unknown)
        say "closed: DNS does not say whether there is a pod $(whole_name "$other"), which might have more"
        return 1
        ;;
      empty | silent) missing=0 ;;
      filled)
        missing=0
        if has=$(ask "$(whole_name "$other")" "SELECT REPLACE(GTID_SUBTRACT(@@global.gtid_executed, $own), '\n', '')") &&
          ! is_subset "$has" "$(here "SELECT $executed")"; then
          say "closed: $set_name-$other has transactions that this primary has lost: $has"
          all=no
        fi
        ;;
    esac
  done
  [ $all = yes ]
}

# A password that was changed in the Secret: both count until the next change, so that nobody is locked out meanwhile.
renew_password() { # account secret
  local answer
  answer=$(timeout 20 mysql --defaults-file="$(login "$1" "$2")" --host=127.0.0.1 --protocol=tcp --execute="DO 0" 2>&1) && return
  [[ $answer == *"ERROR 1045"* ]] || return
  printf "ALTER USER %s@'%%' IDENTIFIED BY %s RETAIN CURRENT PASSWORD;\n" "$1" "$(literal "$(password "$2")")" | ask_here || return
  log "the account $1 has the Secret's new password; the old one counts until the next change"
}

renewed=''
renew_passwords() {
  local all
  all=$(cat "$secrets"/*-password | sha256sum)
  renew_password replication replication && renew_password proxy monitor && renew_password app application && renewed=$all
}

# Whether acknowledged writes are on a replica too: the server says it in its own log only.
semi_sync=''
tell_semi_sync() { # ON or OFF
  case $semi_sync$1 in
    ONOFF | OFF) log "no replica has acknowledged a write in time: writes go on, and are lost if this volume is" ;;
    OFFON) log "a replica acknowledges again: each acknowledged write is on two members" ;;
  esac
  semi_sync=$1
}

tend_primary() {
  local state
  state=$(here "SELECT @@global.offline_mode, COALESCE((SELECT variable_value FROM performance_schema.global_status
    WHERE variable_name = 'Rpl_semi_sync_source_status'), '')" 2>/dev/null) || return
  if [[ $state == 1$'\t'* ]]; then
    others_have_no_more || return
    here "SET GLOBAL rpl_semi_sync_source_enabled = ON"
    semi_sync=ON
    open "no other member has more than this primary"
  else
    tell_semi_sync "${state#*$'\t'}"
  fi
  if [ "$(cat "$secrets"/*-password | sha256sum)" != "$renewed" ]; then renew_passwords; fi
}

# --- a replica

purged_there="REPLACE(@@global.gtid_purged, '\n', '')"

# What it was told last, without the password itself; not there after the pod's start.
told() { # host
  printf '%s %s' "$1" "$(password replication)" | sha256sum
}
is_following() { # host
  is_replicating && [ "${replica[Source_Host]}" = "$1" ] && [ "$(cat "$run/following" 2>/dev/null)" = "$(told "$1")" ]
}
follow() { # host, then conditions
  if [ "${replica[Source_Host]:-}" != "$1" ] || [ "$(cat "$run/following" 2>/dev/null)" != "$(told "$1")" ]; then
    # This throws away what was received and not yet applied. The host is alive and has it.
    here "STOP REPLICA" || return
    {
      printf "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = 3306, SOURCE_USER = 'replication', " "$1"
      printf 'SOURCE_PASSWORD = %s, ' "$(literal "$(password replication)")"
      printf 'SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1, GET_SOURCE_PUBLIC_KEY = 1, '
      printf 'SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 0, SOURCE_HEARTBEAT_PERIOD = 2;\n'
    } | ask_here || return
    told "$1" >"$run/following"
  fi
  here "START REPLICA ${2:-}"
}

tend_replica() {
  local mine theirs all kept
  look_at_replication 2>/dev/null || return
  # In this order: what this member had is in what the primary has later.
  mine=${replica[Executed]}
  if ! theirs=$(ask "$primary" "SELECT CONCAT($executed, '|', GTID_SUBSET('$mine', @@global.gtid_executed), '|',
      GTID_SUBSET(@@global.gtid_purged, '$mine'))" 2>/dev/null); then
    tend_orphan
    return
  fi
  # What the primary has, whether that is all that this member has, and whether the primary's binary log has all else.
  IFS='|' read -r theirs all kept <<<"$theirs"
  # A primary that has lost its volume, and asks the others what they have.
  if [ -z "$theirs" ]; then
    tend_orphan
    return
  fi
  case $all$kept in
    0*) # diverged
      if has_soon "$mine"; then return; fi
      : >"$run/diverged"
      here "STOP REPLICA"
      close "this replica has transactions that $primary has not: $mine against $theirs"
      ;;
    10) catch_up "$mine" "$theirs" ;; # left behind
    11) # sound
      rm -f "$run/diverged"
      if ! is_following "$primary"; then
        follow "$primary"
      elif [ "${replica[Offline]}" = 1 ]; then
        open "this replica follows $primary"
      fi
      ;;
  esac
}

# A transaction that waits for a replica's acknowledgement is executed on the replica first.
has_soon() { # what the primary must have
  local theirs try
  for ((try = 0; try < 5; try++)); do
    sleep 1
    # It has gone: nobody knows.
    theirs=$(ask "$primary" "SELECT $executed" 2>/dev/null) && [ -n "$theirs" ] || return 0
    if is_subset "$1" "$theirs"; then return; fi
  done
  return 1
}

# The primary no longer has in its binary log what this replica lacks: it has lost its volume and has cloned another
# replica. Another replica may still have it, and nothing that the primary has not.
catch_up() { # what this member has, what the primary has
  local other missing=0 peer state
  for ((other = 1; missing < 3; other++)); do
    peer=$set_name-$other.$set_name
    if [ "$other" -eq "$ordinal" ]; then continue; fi
    if state=$(ask "$(whole_name "$other")" "SELECT GTID_SUBSET($executed, '$2') AND GTID_SUBSET($purged_there, '$1')
        AND NOT GTID_SUBSET($executed, '$1'), $executed" 2>&1); then
      missing=0
      if [[ $state == 1$'\t'* ]]; then
        close "catching up with $peer, because $primary no longer has what this replica lacks"
        if ! is_following "$peer"; then follow "$peer" "UNTIL SQL_AFTER_GTIDS = '${state#*$'\t'}'"; fi
        return
      fi
    elif does_not_exist "$state" || ! is_about_dns "$state"; then
      missing=$((missing + 1))
    else
      say "waiting: DNS does not say whether there is a pod $(whole_name "$other"), which may have what this replica lacks"
      return 1
    fi
  done
  here "STOP REPLICA"
  close "nobody has the transactions that this replica lacks: $1 against $2. Delete its volume: it will clone another"
}

# The primary does not answer, or is empty. A replica that has followed it before goes on with what it has.
tend_orphan() {
  # Volumes of before name the pod itself.
  case ${replica[Source_Host]:-} in
    "$primary" | "$set_name-0.$set_name") ;;
    *) return 0 ;;
  esac
  [ ! -e "$run/diverged" ] || return 0
  # What it has written itself the primary has hardly ever.
  [ "$(here "SELECT GTID_SUBSET(@@global.gtid_executed, GTID_SUBTRACT(@@global.gtid_executed, $own))")" = 1 ] || return 0
  if [ "${replica[Replica_SQL_Running]}" != Yes ]; then here "START REPLICA SQL_THREAD"; fi
  if is_offline; then open "$primary does not serve; this replica goes on with what it has"; fi
}

# In the background, so that the signal to end is obeyed at once.
pause() {
  sleep 1 &
  wait $!
}

# Every second until it is open, which no longer holds when the server starts again; then as often as a divergence may
# go unnoticed.
while :; do
  if [ ! -e "$run/leaving" ]; then
    if is_primary; then tend_primary || true; else tend_replica || true; fi
  fi
  pause
  for ((seconds = 1; seconds < 5; seconds++)); do
    if [ -e "$run/opened" ]; then pause; fi
  done
done
