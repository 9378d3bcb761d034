#!/bin/bash
# An empty volume gets a copy of the nearest predecessor that is sound, as `incoming`, with the position to go on from in
# change_master_to.sql.in. The first primary has nobody to copy: it waits until all the first members say that they are
# empty too, and only then allows a new cluster to begin. Does nothing where a volume is complete.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

first_members=${FIRST_MEMBERS:?how many members must say that they are empty before a new cluster begins}

listener=''
stop_telling() {
  if [ -n "$listener" ]; then kill "$listener" 2>/dev/null || true; fi
}
trap stop_telling EXIT
trap 'exit 143' TERM INT

tell() {
  ncat --listen --keep-open --send-only --sh-exec "echo $1" "$standing_port" &
  listener=$!
}

# `empty`, `filled`, `absent` (there is no such pod), `unknown` (DNS does not say whether there is one), or nothing: there is one,
# and nobody knows what it has.
standing_of() { # name
  local whole
  whole=$(whole_name "$1")
  if ! getent hosts "$whole" >/dev/null; then
    # A name that does not exist and a failure look the same. Its own name is there, asked afterwards, so DNS answers.
    if getent hosts "$(whole_name "$name")" >/dev/null && ! getent hosts "$whole" >/dev/null; then
      echo absent
    else
      echo unknown
    fi
    return
  fi
  ncat --recv-only --wait 3s "$whole" "$standing_port" 2>/dev/null || true
}

# --- the primary

may_begin() {
  local other standing missing=0
  for ((other = 1; missing < 3 || other < first_members; other++)); do
    standing=$(standing_of "$set_name-$other")
    case $standing in
      empty) missing=0 ;;
      filled)
        say "waiting: $set_name-$other has data, so this cluster has lost its primary's volume: an operator must restore it"
        return 1
        ;;
      absent)
        missing=$((missing + 1))
        if [ "$other" -lt "$first_members" ]; then
          say "waiting for $set_name-$other to say that it is empty, as this volume is"
          return 1
        fi
        ;;
      unknown)
        say "waiting: DNS does not say whether there is a pod $(whole_name "$set_name-$other")"
        return 1
        ;;
      *)
        say "waiting for $set_name-$other, which may have data"
        return 1
        ;;
    esac
  done
}

# --- a replica

# A stream that ends early lacks what xtrabackup writes last, or cannot be prepared.
copy() { # host
  local position
  rm -rf "$incoming"
  mkdir "$incoming"
  timeout 86400 ncat --recv-only --idle-timeout 600s "$1" "$copy_port" 2>/dev/null | xbstream -x -C "$incoming" || return 1
  [ -s "$incoming/xtrabackup_checkpoints" ] && [ -s "$incoming/xtrabackup_info" ] || return 1
  log "preparing the copy of $1"
  xtrabackup --prepare --target-dir="$incoming" >"$run/prepare.log" 2>&1 || die "the copy is not sound: $(tail -n 20 "$run/prepare.log")"
  # A replica's copy goes on from where that replica was, the primary's from the primary's own position.
  if [ -s "$incoming/xtrabackup_slave_info" ]; then
    position=$(sed -n "s/.*MASTER_LOG_FILE='\([^']*\)', MASTER_LOG_POS=\([0-9]*\).*/\1 \2/p" "$incoming/xtrabackup_slave_info")
  else
    position=$(sed -n '1s/[[:space:]]\{1,\}/ /gp' "$incoming/xtrabackup_binlog_info")
  fi
  case $position in
    ?*' '[1-9]*) ;;
    *) die "the copy does not say from where to go on" ;;
  esac
  position=${position% }
  printf "CHANGE MASTER TO MASTER_LOG_FILE='%s', MASTER_LOG_POS=%s\n" "${position%% *}" "$(cut -d ' ' -f 2 <<<"$position")" \
    >"$incoming/change_master_to.sql.in.new"
  sync
  mv "$incoming/change_master_to.sql.in.new" "$incoming/change_master_to.sql.in"
  log "copied $1: $(cat "$incoming/change_master_to.sql.in")"
}

copy_nearest() {
  local candidate
  for ((candidate = ordinal - 1; candidate >= 0; candidate--)); do
    if copy "$set_name-$candidate.$set_name"; then return; fi
  done
  say "waiting for a predecessor that can be copied"
  return 1
}

if [ -d "$data" ]; then
  log "$name is filled already"
  exit 0
fi
# The next container was interrupted, and goes on by itself.
if [ -e "$incoming/change_master_to.sql.in" ] || [ -e "$incoming/change_master_to.sql.orig" ]; then
  log "$name is copied already"
  exit 0
fi

tell empty
if is_primary; then
  rm -f "$volume/may-begin"
  until [ -e "$volume/begin" ] || may_begin; do sleep 1; done
  : >"$volume/may-begin"
else
  until copy_nearest; do sleep 1; done
fi
