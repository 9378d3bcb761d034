#!/bin/bash
# Fills an empty volume, once. Everything happens in `incoming`; the last step renames it to `data`. Whatever is
# interrupted before that is thrown away and done anew, whatever comes after finds `data` and leaves it alone.
#
#   the primary     asks all others first. Where one has data, this is a cluster that has lost its primary's volume, and
#                   the primary clones the one that has the most. Only where all others are empty or absent, a new
#                   cluster begins.
#   a replica       clones the nearest predecessor that is a sound replica, else the primary.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

# For so many seconds other pods may be invisible although they exist: they start at the same time, and DNS remembers for
# half a minute that a name was not there. Only a new cluster waits for it.
grace=${NEW_CLUSTER_GRACE:?}
server=''

stop_server() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
    server=''
  fi
}
trap 'stop_server; exit 143' TERM INT

start_server() { # further options
  rm -f "$run"/mysqld.sock* "$run"/mysqld.pid
  mysqld --defaults-file="$conf" --datadir="$incoming" "$@" &
  server=$!
  until here "SELECT 1" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || die "the server has ended while it started"
    sleep 0.5
  done
}

# The server is empty and can be asked whether it is, by those who know the replication account; others have none.
start_empty_server() {
  mysqld --defaults-file="$conf" --datadir="$incoming" --initialize-insecure
  {
    printf 'SET SESSION sql_log_bin = 0;\n'
    printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")"
    printf "CREATE USER replication@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password replication)")"
  } >"$run/empty.sql"
  start_server --port=$filling_port --offline-mode=OFF --read-only=OFF --super-read-only=OFF --disable-log-bin --init-file="$run/empty.sql"
}

# Its own name in DNS: the others' names are there as well, if they were here before.
await_own_name() {
  local said=''
  while look_at "$ordinal"; [ "$standing" != empty ]; do
    if [ "$standing" != "$said" ]; then log "waiting for DNS to know $(whole_name "$ordinal"): $standing"; fi
    said=$standing
    sleep 1
  done
}

# The others, as far as there are any: `donor` is the one that has the most; `doubt` says why nothing can be decided.
donor='' doubt=''
look_at_others() {
  local other missing=0 most=''
  donor='' doubt=''
  for ((other = 1; missing < 3 && ${#doubt} == 0; other++)); do
    look_at "$other"
    case $standing in
      absent) missing=$((missing + 1)) ;;
      empty) missing=0 ;;
      unknown) doubt="DNS does not say whether there is a pod $(whole_name "$other")" ;;
      silent) doubt="$set_name-$other does not answer, and may have data" ;;
      filled)
        missing=0
        if is_applying "$set_name-$other.$set_name"; then
          doubt="$set_name-$other has not applied everything that it has received"
        fi
        if [ -z "$donor" ] || is_subset "$most" "$has"; then
          donor=$set_name-$other.$set_name most=$has
        elif ! is_subset "$has" "$most"; then
          doubt="$set_name-$other and ${donor%%.*} each have something that the other has not: an operator must choose"
        fi
        ;;
    esac
  done
}

# Whether a replica has received more than it has applied.
is_applying() { # host
  local received
  received=$(ask "$1" "SELECT COUNT(*) FROM performance_schema.replication_connection_status
    WHERE NOT GTID_SUBSET(received_transaction_set, @@global.gtid_executed)") || return 0
  [ "$received" != 0 ]
}

choose_donor() {
  if is_primary; then choose_donor_of_primary; else choose_donor_of_replica; fi
}

choose_donor_of_primary() {
  local begun=$SECONDS said=''
  while look_at_others; [ -n "$doubt" ] || { [ -z "$donor" ] && [ $((SECONDS - begun)) -lt "$grace" ]; }; do
    if [ -n "$doubt" ] && [ "$doubt" != "$said" ]; then log "waiting: $doubt"; fi
    said=$doubt
    sleep 1
  done
}

# A predecessor spares the primary the work. It must follow this primary, whole and in time.
choose_donor_of_replica() {
  local candidate said=''
  while :; do
    for ((candidate = ordinal - 1; candidate >= 0; candidate--)); do
      donor=$set_name-$candidate.$set_name
      if is_sound_donor "$candidate"; then return; fi
    done
    if [ -z "$said" ]; then log "waiting for $primary, or for a predecessor that follows it"; fi
    said=yes
    sleep 1
  done
}

is_sound_donor() { # ordinal
  local state
  look_at "$1"
  [ "$standing" = filled ] || return 1
  if [ "$1" -eq 0 ]; then
    state=$(ask "$donor" "SELECT @@global.super_read_only") && [ "$state" = 0 ]
  else
    state=$(ask "$donor" "SELECT COUNT(*) FROM performance_schema.replication_connection_status
      JOIN performance_schema.replication_applier_status USING (channel_name)
      WHERE replication_connection_status.service_state = 'ON'
        AND replication_applier_status.service_state = 'ON'") && [ "$state" = 1 ]
  fi
}

# Fails where another member is cloning the same donor: it has room for one at a time.
clone() {
  local wanted said
  look_at_donor
  wanted=$has
  log "cloning $donor"
  # It ends with the server, which nobody restarts here: error 3707. What counts is what the next start finds.
  said=$({
    printf "SET GLOBAL clone_valid_donor_list = '%s:3306';\n" "$donor"
    printf "CLONE INSTANCE FROM replication@'%s':3306 IDENTIFIED BY %s;\n" "$donor" "$(literal "$(password replication)")"
  } | timeout 86400 mysql --defaults-file="$(login root root "socket=$run/mysqld.sock")" 2>&1) || true
  case $said in
    *"ERROR 3707"*) ;;
    *"Too many concurrent clone"*) return 1 ;;
    *) stop_server; die "cloning $donor has failed: $said" ;;
  esac
  wait "$server" || true
  server=''
  check_clone "$wanted"
}

look_at_donor() {
  local other=${donor%%.*}
  look_at "${other##*-}"
  [ "$standing" = filled ] || die "$donor has gone"
}

# Nobody can connect meanwhile. The channel is the donor's own: the steward sets up this member's.
check_clone() { # what it must have at least
  {
    printf 'SET SESSION sql_log_bin = 0;\n'
    printf 'ALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")"
  } >"$run/cloned.sql"
  start_server --skip-networking --read-only=OFF --super-read-only=OFF --init-file="$run/cloned.sql"
  [ "$(here "SELECT state FROM performance_schema.clone_status")" = Completed ] || die "the clone is not complete"
  is_subset "$1" "$(here "SELECT $executed")" || die "the clone has less than $donor had before"
  here "RESET REPLICA ALL" || die "the donor's replication cannot be forgotten"
  log "cloned $donor: $(here "SELECT $executed")"
  stop_server
}

if [ -d "$data" ]; then
  log "$name is filled already"
  exit 0
fi
if [ -e "$incoming" ]; then log "an earlier attempt was interrupted: beginning anew"; fi
rm -rf "$incoming"
mkdir "$incoming"

require_passwords
adopt_root_password
start_empty_server
if is_primary; then await_own_name; fi
while choose_donor; [ -n "$donor" ] && ! clone; do
  log "$donor is being cloned by another member"
  sleep 2
done
if [ -z "$donor" ]; then
  log "no other member has data: a new cluster"
  here "SET SESSION sql_log_bin = 0; DROP USER replication@'%'" || die "the account of the empty server is still there"
  stop_server
fi
printf '%s\n' "$name" >"$incoming/belongs-to"
sync --file-system "$volume"
mv -T "$incoming" "$data"
sync --file-system "$volume"
log "$name is filled"
