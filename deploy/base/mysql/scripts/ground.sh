#!/bin/bash
# What the other scripts stand on: who this member is, where its things are, and how to ask a member. Sourced by all.
# shellcheck disable=SC2034 # they use the names
set -euo pipefail
# Process 1 of a container hears no signal that it has not asked for.
trap 'exit 143' TERM INT

name=${POD_NAME:?the name of the pod}
set_name=${name%-*}
ordinal=${name##*-}
# The headless Service has the StatefulSet's name. The primary has a Service of its own, whose address stays.
primary=$set_name-primary

# Where the cluster's DNS has this namespace's Services: NAMESPACE.svc.CLUSTER-DOMAIN.
domain=''
while read -ra words || [ ${#words[@]} -gt 0 ]; do
  [ "${words[0]:-}" = search ] || continue
  for word in "${words[@]:1}"; do
    if [ -z "$domain" ] && [[ $word == *.svc.* ]]; then domain=${word%.}; fi
  done
done </etc/resolv.conf
# A look-up ends before the client is given up who asks for it, also with three servers that are silent.
export RES_OPTIONS='timeout:1 attempts:3'
# A member's whole name. With the final dot it is one question, for the cluster's own DNS: without it the resolver also asks for
# `mysql-7.mysql` outside of the cluster, and where that fails nobody knows that there is no such pod.
whole_name() { # ordinal
  printf '%s-%s.%s%s' "$set_name" "$1" "$set_name" "${domain:+.$domain.}"
}

volume=/var/lib/mysql
# `data` is there only once it is complete: it is made as `incoming` and then renamed, which happens or does not.
data=$volume/data
incoming=$volume/incoming
conf=/etc/mysql/conf.d/my.cnf
secrets=/secrets
# In memory, shared by the pod's containers, and gone with the pod.
run=/var/run/mysqld
umask 077

is_primary() { [ "$ordinal" -eq 0 ]; }

log() { printf '%(%FT%TZ)T %s: %s\n' -1 "${0##*/}" "$*" >&2; }

die() {
  log "$@"
  exit 1
}

# A password, and the same as a string of SQL and of an option file.
password() {
  if [ "$1" = root ]; then cat "$run/root-password"; else cat "$secrets/$1-password"; fi
}
# root is each member's own: a new password in the Secret counts from the server's next start on, for all scripts.
adopt_root_password() {
  cat "$secrets/root-password" >"$run/root-password.new"
  mv -f "$run/root-password.new" "$run/root-password"
}
# Without one a script would go on with an empty password, which is worse than none.
require_passwords() {
  local which
  for which in root replication monitor application; do
    [ -s "$secrets/$which-password" ] || die "the Secret has no $which-password"
  done
}
literal() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# Writes an option file with which a client logs in, and names it. Passwords are never arguments: those can be seen.
login() { # root|replication|…, then further lines
  local file=$run/login-$1.$BASHPID
  {
    printf '[client]\nuser=%s\npassword=%s\nconnect-timeout=3\nget-server-public-key\n' "$1" "$(quoted "$(password "$2")")"
    printf '%s\n' "${@:3}"
  } >"$file"
  # The same name for everybody, and never a half of it.
  mv -f "$file" "$run/login-$1"
  printf '%s' "$run/login-$1"
}

# Statements from the arguments, or from standard input; rows with tabs.
ask_here() {
  timeout 20 mysql --defaults-file="$(login root root "socket=$run/mysqld.sock")" --batch --skip-column-names "$@"
}
here() { ask_here --execute="$1"; }
ask() { # host statement, then another port, and further options
  timeout 20 mysql --defaults-file="$(login replication replication)" --host="$1" --port="${3:-3306}" --protocol=tcp \
    --batch --skip-column-names --execute="$2" "${@:4}"
}

executed="REPLACE(@@global.gtid_executed, '\n', '')"
# Transactions that a member has written itself; a replica should have none.
own="CONCAT(@@global.server_uuid, ':1-9223372036854775806')"
is_subset() { [ "$(here "SELECT GTID_SUBSET('$1', '$2')")" = 1 ]; }

# Where a member listens while it is being filled, so that nobody takes it for one that serves.
filling_port=3307

# What a client says that found no address. The number is the resolver's own: -2 and -5 say that the name, or an address of it,
# does not exist; any other one is a failure of DNS.
is_about_dns() { [[ $1 == *"Unknown MySQL server host"* ]]; } # what it said
does_not_exist() { is_about_dns "$1" && [[ $1 == *"(-2)"* || $1 == *"(-5)"* ]]; } # what it said

# What a member says of itself, as one word, in `standing`, and what it has executed, in `has`:
#   absent      there is no pod of this name
#   unknown     DNS does not say whether there is one; it would not of the next ordinals either
#   silent      there is one, and it does not answer: nobody knows what it has
#   empty       it waits to be filled
#   filled      it has data
standing='' has=''
look_at() { # ordinal
  local host answer
  host=$(whole_name "$1")
  has=''
  if answer=$(ask "$host" "SELECT $executed" 2>&1); then
    has=$answer standing=filled
    return
  fi
  if does_not_exist "$answer"; then
    standing=absent
  elif is_about_dns "$answer"; then
    standing=unknown
  # Nobody listens there.
  elif [[ $answer == *"(111)"* ]] && ask "$host" "DO 0" $filling_port >/dev/null 2>&1; then
    standing=empty
  else
    standing=silent
  fi
}

# Fields of SHOW REPLICA STATUS, in `replica`, behind what the member had executed before (`Executed`) and whether it is closed
# (`Offline`): all in one question. Only these two if there is no replication.
declare -A replica=()
look_at_replication() {
  local line answer
  replica=()
  answer=$(ask_here --vertical --column-names \
    --execute="SELECT $executed AS Executed, @@global.offline_mode AS Offline; SHOW REPLICA STATUS") || return 1
  while IFS= read -r line; do
    line=${line#"${line%%[! ]*}"}
    case $line in
      *': '*) replica[${line%%: *}]=${line#*: } ;;
    esac
  done <<<"$answer"
}
is_replicating() { [ "${replica[Replica_IO_Running]:-}${replica[Replica_SQL_Running]:-}" = YesYes ]; }
