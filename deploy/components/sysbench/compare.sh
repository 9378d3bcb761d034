#!/bin/bash
# The same load on the primary itself and through the proxy: reads and writes, then reads alone. Makes its tables in the
# database `app`, and takes them away at the end. Ends at the first error but a deadlock, which sysbench repeats and
# which is told.
set -euo pipefail
cd /tmp
umask 077

# Not on the command line: that can be seen.
printf 'mysql-password=%s\n' "$(cat /secrets/application-password)" >options

load() { # script host command, then further options
  sysbench --config-file=options --db-driver=mysql --mysql-user=app --mysql-db=app --mysql-host="$2" --mysql-port=3306 \
    --tables="$TABLES" --table-size="$TABLE_SIZE" "${@:4}" "$1" "$3"
}

# A figure of sysbench's report.
figure() { sed -n "s/^ *$1: *//p" "$2" | head -n 1; }

measure() { # script host
  load "$1" "$2" run --threads="$THREADS" --time="$SECONDS_EACH" --percentile=99 >report
  local errors
  errors=$(figure 'ignored errors' report)
  printf '%-18s %-16s %14s %14s %10s\n' "$1" "$2" \
    "$(figure transactions report | sed 's/.*(\(.*\) per sec.)/\1/')" "$(figure queries report | sed 's/.*(\(.*\) per sec.)/\1/')" \
    "$(figure '99th percentile' report)"
  case $errors in
    '0 '*) ;;
    *) printf '%s on %s: deadlocks: %s\n' "$1" "$2" "$errors" ;;
  esac
}

trap 'load oltp_read_write "$PROXIED" cleanup >/dev/null' EXIT
load oltp_read_write "$PROXIED" cleanup >/dev/null
load oltp_read_write "$PROXIED" prepare >/dev/null
printf '%-18s %-16s %14s %14s %10s\n' load endpoint transactions/s queries/s 'p99 ms'
for script in oltp_read_write oltp_read_only oltp_point_select; do
  for endpoint in "$DIRECT" "$PROXIED"; do
    measure "$script" "$endpoint"
  done
done
