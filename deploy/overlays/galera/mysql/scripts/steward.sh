#!/bin/bash
# Writes new passwords of the Secret into the accounts, while the member runs. It may be killed at any time.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

trap 'exit 0' TERM INT

# The former password counts until the next change: whoever still has it is not locked out meanwhile.
renew_password() { # account, its host, secret
  local answer former where=(--host=127.0.0.1 --protocol=tcp)
  if [ "$2" = localhost ]; then where=("--socket=$run/mysqld.sock"); fi
  answer=$(timeout 20 mariadb --defaults-file="$(login "$1" "$3")" "${where[@]}" --execute="DO 0" 2>&1) && return
  case $answer in
    *"ERROR 1045"*)
      # Of two, the first one.
      former=$(here "SELECT COALESCE(JSON_VALUE(priv, '$.auth_or[0].authentication_string'),
        JSON_VALUE(priv, '$.authentication_string')) FROM mysql.global_priv WHERE user = '$1' AND host = '$2'")
      case $former in
        '*'*) ;;
        *) return 1 ;;
      esac
      printf "ALTER USER %s@'%s' IDENTIFIED VIA mysql_native_password USING PASSWORD(%s) OR mysql_native_password USING '%s';\n" \
        "$1" "$2" "$(literal "$(password "$3")")" "$former" | ask_here && log "the account $1 has the Secret's new password"
      ;;
  esac
}

# Each member keeps the password with which it will have itself copied.
tell_donor() {
  local told
  told=$(password replication | sha256sum)
  if [ "$(cat "$run/told-donor" 2>/dev/null)" = "$told" ]; then return; fi
  printf 'SET GLOBAL wsrep_sst_auth = %s;\n' "$(literal "sst:$(password replication)")" | ask_here &&
    printf '%s' "$told" >"$run/told-donor"
}

while :; do
  if bash "$(dirname "$0")/ready.sh" >/dev/null 2>&1; then
    # One of them is enough: the others get it from there.
    if [ "$ordinal" -eq 0 ]; then
      renew_password proxy % monitor || true
      renew_password app % application || true
      renew_password sst localhost replication || true
    fi
    tell_donor || true
  fi
  sleep 5
done
