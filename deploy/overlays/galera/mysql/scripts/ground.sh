#!/bin/bash
# What the other scripts stand on: who this member is, where its things are, and how to ask a member. Sourced by all.
set -euo pipefail

name=${POD_NAME:?the name of the pod}
set_name=${name%-*}
ordinal=${name##*-}
# The headless Service has the StatefulSet's name.
host=$name.$set_name

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
whole_name() { # name
  printf '%s.%s%s' "$1" "$set_name" "${domain:+.$domain.}"
}

volume=/var/lib/mysql
data=$volume/data
incoming=$volume/incoming
# The members of the last cluster that could commit and had this member in it.
view=$volume/view
conf=/etc/mysql/conf.d/my.cnf
secrets=/secrets
# In memory, shared by the pod's containers, and gone with the pod.
run=/var/run/mysqld
# Where a member that waits for the others tells what it has.
standing_port=4569
umask 077

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
literal() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}
quoted() { printf '"%s"' "$(printf '%s' "$1" | sed -e 's/[\\"]/\\&/g')"; }

# Writes an option file with which a client logs in, and names it. Passwords are never arguments: those can be seen.
login() { # account secret, then further lines
  local file=$run/login-$1.$BASHPID
  {
    printf '[client]\nuser=%s\npassword=%s\nconnect-timeout=3\n' "$1" "$(quoted "$(password "$2")")"
    printf '%s\n' "${@:3}"
  } >"$file"
  # The same name for everybody, and never a half of it.
  mv -f "$file" "$run/login-$1"
  printf '%s' "$run/login-$1"
}

# Statements from the arguments, or from standard input; rows with tabs.
ask_here() {
  timeout 20 mariadb --defaults-file="$(login root root "socket=$run/mysqld.sock")" --batch --skip-column-names "$@"
}
here() { ask_here --execute="$1"; }
ask() { # host statement
  timeout 10 mariadb --defaults-file="$(login proxy monitor)" --host="$1" --port=3306 --protocol=tcp \
    --batch --skip-column-names --execute="$2"
}

# Status of the cluster, state of the member, whether it serves, the cluster's id, its members.
state="SELECT MAX(IF(variable_name = 'wsrep_cluster_status', variable_value, '')),
  MAX(IF(variable_name = 'wsrep_local_state_comment', variable_value, '')),
  MAX(IF(variable_name = 'wsrep_ready', variable_value, '')),
  MAX(IF(variable_name = 'wsrep_cluster_state_uuid', variable_value, '')),
  MAX(IF(variable_name = 'wsrep_incoming_addresses', variable_value, ''))
  FROM information_schema.global_status WHERE variable_name IN ('wsrep_cluster_status', 'wsrep_local_state_comment',
  'wsrep_ready', 'wsrep_cluster_state_uuid', 'wsrep_incoming_addresses')"
