#!/bin/bash
# Writes new passwords of the Secret into the accounts, while the member runs. It may be killed at any time.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

trap 'exit 0' TERM INT

renew_password() { # account secret
  local answer
  answer=$(timeout 20 mariadb --defaults-file="$(login "$1" "$2")" --host=127.0.0.1 --protocol=tcp --execute="DO 0" 2>&1) && return
  case $answer in
    *"ERROR 1045"*)
      printf "ALTER USER %s@'%%' IDENTIFIED BY %s;\n" "$1" "$(literal "$(password "$2")")" | ask_here
      log "the account $1 has the Secret's new password"
      ;;
  esac
}

# The account that copies data is only reached on this host, and each member keeps its password to call itself by.
renew_sst() {
  local told
  told=$(password replication | sha256sum)
  if [ "$(cat "$run/told-sst" 2>/dev/null)" = "$told" ]; then return; fi
  if [ "$ordinal" -eq 0 ]; then
    printf 'ALTER USER sst@localhost IDENTIFIED BY %s;\n' "$(literal "$(password replication)")" | ask_here
  fi
  printf 'SET GLOBAL wsrep_sst_auth = %s;\n' "$(literal "sst:$(password replication)")" | ask_here
  printf '%s' "$told" >"$run/told-sst"
}

while :; do
  if bash "$(dirname "$0")/ready.sh" >/dev/null 2>&1; then
    # One of them is enough: the others get it from there.
    if [ "$ordinal" -eq 0 ]; then
      renew_password proxy monitor || true
      renew_password app application || true
    fi
    renew_sst || true
  fi
  sleep 5
done
