#!/bin/bash
# Decides how this member begins, and becomes the server, or its keeper while it joins. One of these, and nothing else:
#
#   join        another member is in a cluster that can commit: join it. With data of another cluster: never.
#   recover     no member runs, all who may have something are here and have told what: the one that has the most begins,
#               the others wait for it and join.
#   new         all volumes are empty, and all the first members say so: the lowest ordinal begins a new cluster.
#
# Until then it waits, tells the others what it has, and logs for whom it waits. What it has cannot change meanwhile, so
# all come to the same decision, however often any of them is restarted.
#
# Where a member's volume is away for good, an operator decides: `touch /var/lib/mysql/begin` in the member that shall begin.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

first_members=${FIRST_MEMBERS:?how many members must say that they are empty before a new cluster begins}
none=00000000-0000-0000-0000-000000000000

said=''
say() {
  if [ "$*" != "$said" ]; then log "$@"; fi
  said=$*
}

herald=''
trap 'stop_telling; exit 143' TERM INT

stop_telling() {
  if [ -n "$herald" ]; then
    kill "$herald" 2>/dev/null || true
    wait "$herald" 2>/dev/null || true
    herald=''
  fi
}

# --- what this member has

# `standing` is `empty`, `broken` (a copy that was interrupted: it counts for nothing), or `data`, with `uuid` and `seqno`.
standing='' uuid=$none seqno=-1 members=''
look_at_own() {
  uuid=$none seqno=-1 members=''
  # Made just before the first copy began, or by it.
  rmdir "$data" 2>/dev/null || true
  if [ ! -d "$data" ] || { [ -e "$data/newborn" ] && [ ! -e "$data/grastate.dat" ]; }; then
    standing=empty
  elif [ -e "$data/sst_in_progress" ] || [ ! -e "$data/ibdata1" ]; then
    standing=broken
  else
    standing=data
    if [ -e "$view" ]; then members=$(cat "$view"); fi
    read_position
  fi
}

# After a clean end Galera's own file has it, else the server finds it in its logs.
read_position() {
  local found
  uuid=$(sed -n 's/^uuid: *//p' "$data/grastate.dat" 2>/dev/null || true)
  seqno=$(sed -n 's/^seqno: *//p' "$data/grastate.dat" 2>/dev/null || true)
  if [ "${seqno:--1}" != -1 ] && [ "$uuid" != "$none" ]; then return; fi
  log "it did not end cleanly: looking for what it has"
  mariadbd --defaults-file="$conf" --wsrep-recover --log-error="$run/recover.log" >/dev/null 2>&1 ||
    die "the data cannot be recovered: $(tail -n 20 "$run/recover.log")"
  found=$(sed -n 's/.*WSREP: Recovered position: *\([0-9a-f-]*:-\{0,1\}[0-9]*\).*/\1/p' "$run/recover.log" | tail -n 1)
  uuid=${found%%:*} seqno=${found#*:}
  [ -n "$found" ] || die "the server does not say what it has: $(tail -n 20 "$run/recover.log")"
  if [ "$uuid" != "$none" ] && [ "$seqno" != -1 ]; then return; fi
  uuid=$none seqno=-1 standing=broken
  # The server has a position before it lets anybody in.
  if [ -e "$data/newborn" ]; then
    log "the new cluster that this is for has not begun"
    standing=empty
    rm -f "$data/grastate.dat"
  fi
}

tell() {
  printf '%s %s %s %s\n' "$standing" "$uuid" "$seqno" "$members" >"$run/standing"
  socat -U "TCP-LISTEN:$standing_port,reuseaddr,fork" "OPEN:$run/standing,rdonly" 2>/dev/null &
  herald=$!
}

# --- what the others have

# `others[name]` is what a member says: `absent` (there is no such pod), `unknown` (DNS does not say whether there is one, and
# would not of the next ordinals either), `silent` (there is one and nobody knows what it has), `running uuid addresses state` (its cluster can commit), or what it tells while it waits.
declare -A others=()
look_at_others() {
  local other missing=0
  others=()
  for ((other = 0; missing < 3 || other < first_members; other++)); do
    if [ "$other" -eq "$ordinal" ]; then continue; fi
    others[$set_name-$other]=$(look_at "$set_name-$other")
    case ${others[$set_name-$other]} in
      absent) missing=$((missing + 1)) ;;
      unknown) break ;;
      *) missing=0 ;;
    esac
  done
}

look_at() { # name
  local answer
  if answer=$(ask "$(whole_name "$1")" "$state" 2>&1); then
    case $answer in
      Primary$'\t'*)
        printf 'running %s %s %s' "$(cut -f 4 <<<"$answer")" "$(cut -f 5 <<<"$answer")" "$(cut -f 2 <<<"$answer")"
        ;;
      *) printf 'silent' ;;
    esac
    return
  fi
  case $answer in
    # The resolver's own numbers: the name, or an address of it, does not exist. Another number is a failure of DNS.
    *"Unknown "*"server host"*"(-2)"* | *"Unknown "*"server host"*"(-5)"*) printf 'absent' ;;
    *"Unknown "*"server host"*) printf 'unknown' ;;
    *)
      answer=$(timeout 3 socat -u "TCP:$(whole_name "$1"):$standing_port,connect-timeout=2" - 2>/dev/null) || answer=''
      case $answer in
        empty* | broken* | data*) printf '%s' "$answer" ;;
        *) printf 'silent' ;;
      esac
      ;;
  esac
}

# --- the decision

decision=''
decide() {
  local other their_uuid their_members their_state busy=''
  decision='wait'
  look_at_others
  for other in "${!others[@]}"; do
    case ${others[$other]} in
      unknown)
        say "waiting: DNS does not say whether there is a pod $(whole_name "$other")"
        return
        ;;
      "running "*)
        read -r _ their_uuid their_members their_state <<<"${others[$other]}"
        if [ "$standing" = data ] && [ "$their_uuid" != "$uuid" ]; then
          say "waiting: $other runs a cluster that this member's data is not of: an operator must choose"
          return
        elif [[ ,$their_members, = *",$host:3306,"* ]]; then
          # To come back as somebody else while they look for the one that has gone can cost them their majority.
          say "waiting until $other has noticed that this member had gone"
          return
        elif [ "$their_state" = Synced ]; then
          decision='join'
          return
        fi
        busy=$other
        ;;
    esac
  done
  # A member whose server has begun to join cannot tell what it has, should the others end meanwhile.
  if [ -n "$busy" ]; then
    say "waiting until $busy has brought another member up to date"
    return
  fi
  if [ -e "$volume/begin" ]; then
    if [ "$standing" = empty ]; then decision=new; else decision=begin; fi
    return
  fi
  case $standing in
    data) decide_recovery ;;
    empty) decide_new ;;
    broken) say "waiting for a member to join: the copy of the data was interrupted" ;;
  esac
}

# The one that has the most, of all who may have something; of equals the lowest ordinal.
decide_recovery() {
  local other what their_uuid their_seqno their_members needed=$members best=$name most=$seqno
  for other in "${!others[@]}"; do
    read -r what their_uuid their_seqno their_members <<<"${others[$other]}"
    if [ "$what" != data ]; then continue; fi
    if [ "$their_uuid" != "$uuid" ]; then
      say "waiting: $other has data of another cluster: an operator must choose"
      return
    fi
    needed=$needed,$their_members
    if [ "$their_seqno" -gt "$most" ] || { [ "$their_seqno" -eq "$most" ] && [ "${other##*-}" -lt "${best##*-}" ]; }; then
      best=$other most=$their_seqno
    fi
  done
  for other in ${needed//,/ }; do
    case ${others[$other]:-absent} in
      data* | empty* | broken*) ;;
      *)
        if [ "$other" != "$name" ]; then
          say "waiting for $other, which was a member of the last cluster and may have more"
          return
        fi
        ;;
    esac
  done
  if [ "$best" = "$name" ]; then decision=begin; else say "waiting for $best to begin: it has the most"; fi
}

decide_new() {
  local other
  if [ "$ordinal" -ne 0 ]; then
    say "waiting for a member to join: this volume is empty"
    return
  fi
  for ((other = 1; other < first_members; other++)); do
    case ${others[$set_name-$other]} in
      empty*) ;;
      *)
        say "waiting for $set_name-$other to say that it is empty, as this one is"
        return
        ;;
    esac
  done
  for other in "${!others[@]}"; do
    case ${others[$other]} in
      empty* | absent) ;;
      *)
        say "waiting for $other, which may have data"
        return
        ;;
    esac
  done
  decision=new
}

# --- what follows

# A new cluster's data with its accounts, made aside and then renamed, which happens or does not.
make_new() {
  local server
  if [ -d "$data" ]; then return; fi
  adopt_root_password
  rm -rf "$incoming"
  mkdir "$incoming"
  mariadb-install-db --no-defaults --datadir="$incoming" --tmpdir=/tmp --skip-test-db --skip-name-resolve \
    --auth-root-authentication-method=normal >/dev/null
  {
    printf "ALTER USER root@localhost IDENTIFIED BY %s;\n" "$(literal "$(password root)")"
    # Of accounts for this host's name, and without a name.
    printf "DELETE FROM mysql.global_priv WHERE user = '' OR (user = 'root' AND host <> 'localhost');\nFLUSH PRIVILEGES;\n"
    printf "CREATE USER sst@localhost IDENTIFIED BY %s;\n" "$(literal "$(password replication)")"
    printf "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, SLAVE MONITOR, CONNECTION ADMIN ON *.* TO sst@localhost;\n"
    # What a member says of its cluster everybody may see.
    printf "CREATE USER proxy@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password monitor)")"
    # The proxy checks logins by mysql_native_password against the stored hashes.
    printf "GRANT SELECT ON mysql.global_priv TO proxy@'%%';\n"
    printf 'CREATE DATABASE app;\n'
    printf "CREATE USER app@'%%' IDENTIFIED BY %s;\n" "$(literal "$(password application)")"
    printf "GRANT ALL ON app.* TO app@'%%';\n"
  } >"$run/accounts.sql"
  mariadbd --defaults-file="$conf" --datadir="$incoming" --wsrep-on=OFF --wsrep-provider=none --skip-networking \
    --init-file="$run/accounts.sql" &
  server=$!
  until here "SELECT 1" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || die "the server has ended while it started"
    sleep 0.5
  done
  kill -TERM "$server"
  wait "$server"
  rm -f "$run/accounts.sql"
  : >"$incoming/newborn"
  sync
  mv -T "$incoming" "$data"
  sync
}

# Those that there are now; the server learns of others by itself.
addresses() {
  local other list=''
  for other in "${!others[@]}"; do
    if [ "${others[$other]}" != absent ]; then list=$list,$other.$set_name; fi
  done
  printf '%s' "${list#,}"
}

# Rather not from the lowest ordinal, which takes the writes.
donors() {
  local other list=''
  for other in "${!others[@]}"; do
    case ${others[$other]} in
      running*) if [ "${other##*-}" -ne 0 ]; then list=$list$other,; fi ;;
    esac
  done
  printf '%s' "$list"
}

write_configuration() {
  {
    cat /config/galera.cnf
    printf '\n[mysqld]\ndatadir = %s\nserver-id = %d\nreport-host = %s\n' "$data" "$((100 + ordinal))" "$host"
    printf 'wsrep-cluster-name = %s\nwsrep-node-name = %s\n' "$set_name" "$name"
    # Addresses change with every pod; the name, by which the others know it again, does not.
    printf 'wsrep-node-address = %s\nwsrep-node-incoming-address = %s:3306\n' "${POD_IP:?the address of the pod}" "$host"
    printf 'wsrep-cluster-address = gcomm://%s\nwsrep-sst-donor = "%s"\n' "$1" "$2"
    printf 'wsrep-sst-auth = %s\n' "$(quoted "sst:$(password replication)")"
    printf 'wsrep-notify-cmd = "bash %s/notify.sh"\n' "$(cd "$(dirname "$0")" && pwd)"
    if [ -e /config/site.cnf ]; then cat /config/site.cnf; fi
  } >"$conf.new"
  mv -f "$conf.new" "$conf"
}

# root is each member's own affair. Each statement in one line.
write_init_file() {
  adopt_root_password
  printf 'SET SESSION wsrep_on = OFF;\nALTER USER root@localhost IDENTIFIED BY %s;\n' "$(literal "$(password root)")" \
    >"$run/init.sql"
}

make_way() {
  rm -f "$run"/mysqld.sock* "$run"/mysqld.pid "$run/standing" "$run/cut-off"
  write_init_file
}

start() { # further options
  make_way
  exec mariadbd --defaults-file="$conf" --init-file="$run/init.sql" "$@"
}

# A server that waits for its copy goes on waiting, deaf to SIGTERM, when the one that should send it has ended; and that one
# waits for this member to tell what it has. So it is watched until it serves: with nobody to join it is ended, and this
# member begins anew.
join() { # further options
  local server status since=$SECONDS
  make_way
  mariadbd --defaults-file="$conf" --init-file="$run/init.sql" "$@" &
  server=$!
  trap 'kill -TERM "$server" 2>/dev/null || true' TERM INT
  while [ ! -S "$run/mysqld.sock" ] && kill -0 "$server" 2>/dev/null; do
    look_at_others
    if [[ " ${others[*]} " = *" running "* || " ${others[*]} " = *" unknown "* ]]; then since=$SECONDS; fi
    if [ $((SECONDS - since)) -ge "${JOIN_PATIENCE:-60}" ]; then
      log "nobody is left to join: this member begins anew"
      kill -KILL "$server"
    fi
    sleep 2 &
    wait $! || true
  done
  status=0
  wait "$server" || status=$?
  # A signal ends the wait, not the server.
  while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
  done
  exit "$status"
}

write_configuration '' ''
look_at_own
log "$name has: $standing $uuid $seqno, last with: ${members:-nobody}"
tell
decide
while [ "$decision" = wait ]; do
  sleep 1
  decide
done
stop_telling
log "decided: $decision"
position=()
if [ "$standing" = data ]; then position=("--wsrep-start-position=$uuid:$seqno"); fi
case $decision in
  join)
    # A new cluster that was never begun is no data.
    if [ "$standing" = empty ]; then rm -rf "$data"; fi
    mkdir -p "$data"
    write_configuration "$(addresses)" "$(donors)"
    join "${position[@]}"
    ;;
  new)
    make_new
    rm -f "$volume/begin"
    write_configuration '' ''
    start --wsrep-new-cluster
    ;;
  begin)
    write_configuration "$(addresses)" ''
    if [ -e "$data/grastate.dat" ]; then
      sed -i 's/^safe_to_bootstrap: 0/safe_to_bootstrap: 1/' "$data/grastate.dat"
    fi
    rm -f "$volume/begin"
    start --wsrep-new-cluster "${position[@]}"
    ;;
esac
