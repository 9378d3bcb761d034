#!/bin/bash
# What the other scripts stand on: who this member is, where its things are, and how to ask a member. Sourced by all; must do
# with bash 4.2, which the image of 5.7 has.
set -euo pipefail

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
# A look-up ends soon, also with three servers that are silent.
export RES_OPTIONS='timeout:1 attempts:3'
# A member's whole name. With the final dot it is one question, for the cluster's own DNS: without it the resolver also asks for
# `mysql-7.mysql` outside of the cluster, and where that fails nobody knows that there is no such pod.
whole_name() { # name
  printf '%s.%s%s' "$1" "$set_name" "${domain:+.$domain.}"
}

volume=/var/lib/mysql
# `data` is there only once it is complete: it is made as `incoming` and then renamed, which happens or does not.
data=$volume/data
incoming=$volume/incoming
conf=/etc/mysql/conf.d/my.cnf
secrets=/secrets
# In memory, shared by the pod's containers, and gone with the pod.
run=/var/run/mysqld
# Where a filled member streams a copy of itself, and where every member says whether it is filled.
copy_port=3307
standing_port=3308
umask 077

is_primary() { [ "$ordinal" -eq 0 ]; }

log() { printf '%(%FT%TZ)T %s: %s\n' -1 "${0##*/}" "$*" >&2; }

die() {
  log "$@"
  exit 1
}

said=''
say() {
  if [ "$*" != "$said" ]; then log "$@"; fi
  said=$*
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
literal() { printf "'%s'" "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g")"; }
quoted() { printf '"%s"' "$(printf '%s' "$1" | sed -e 's/[\\"]/\\&/g')"; }

# Writes an option file with which a client logs in, and names it. Passwords are never arguments: those can be seen.
login() { # account secret, then further lines
  local file=$run/login-$1.$BASHPID
  {
    printf '[client]\nuser=%s\npassword=%s\nconnect-timeout=3\n' "$1" "$(quoted "$(password "$2")")"
    if [ $# -gt 2 ]; then printf '%s\n' "${@:3}"; fi
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
ask() { # host statement
  timeout 20 mysql --defaults-file="$(login replication replication)" --host="$1" --port=3306 --protocol=tcp \
    --batch --skip-column-names --execute="$2"
}

# Which cluster the data is of. It is made once, with the first data, and goes wherever that goes.
identity='SELECT id FROM lineage.cluster'

# A field of SHOW SLAVE STATUS; empty if there is no replication.
replication() { # field
  ask_here --vertical --column-names --execute='SHOW SLAVE STATUS' | sed -n "s/^ *$1: //p"
}
is_replicating() { [ "$(replication Slave_IO_Running)$(replication Slave_SQL_Running)" = YesYes ]; }

# Whether the data may be copied and read from: the primary's, or that of a replica which follows this cluster's primary.
is_sound() {
  if is_primary; then
    [ "$(here 'SELECT @@global.read_only')" = 0 ]
  else
    is_replicating && [ "$(here "$identity")" = "$(ask "$primary" "$identity")" ]
  fi
}
