#!/bin/bash
# The server's process answers, whatever it answers: also "access denied" is an answer. A member that waits for the others
# has none yet.
#
# A member whose cluster cannot commit, and which has not found back to the others for two minutes, begins anew: members that
# have lost each other for good can only come together from the start (serve.sh).
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

said=$(timeout 5 mariadb-admin --no-defaults --socket="$run/mysqld.sock" --user=root --connect-timeout=4 ping 2>&1) ||
  die "the server does not answer: $said"

case $(timeout 4 mariadb --defaults-file="$(login root root "socket=$run/mysqld.sock")" --batch --skip-column-names \
  --execute="$state" 2>/dev/null || true) in
  non-Primary$'\t'* | Disconnected$'\t'*)
    if [ ! -e "$run/cut-off" ]; then : >"$run/cut-off"; fi
    [ $(($(date +%s) - $(stat -c %Y "$run/cut-off"))) -lt "${CUT_OFF_PATIENCE:-120}" ] ||
      die "its cluster cannot commit, and it has not found back to the others: it begins anew"
    ;;
  *) rm -f "$run/cut-off" ;;
esac
