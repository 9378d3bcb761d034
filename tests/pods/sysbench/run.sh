#!/bin/bash
# sysbench's own load through the proxy, until /tmp/stop is there; then its report, and waits to be ended.
set -euo pipefail
cd /tmp
umask 077
trap 'exit 0' TERM

printf 'mysql-password=%s\n' "$(cat /secrets/application-password)" >options

load() { # command, then further options
  sysbench --config-file=options --db-driver=mysql --mysql-user=app --mysql-db=app --mysql-host=mysql-proxy \
    --mysql-port=3306 --tables=2 --table-size=1000 "${@:2}" /scripts/until_told.lua "$1"
}

# It has given up, and what it has said of that stays the last word.
if [ -e began ]; then exec sleep 86400; fi
: >began
load cleanup
load prepare
# 1213: a deadlock, which is among its own transactions.
load run --threads=4 --time=0 --report-interval=1 --percentile=99 --mysql-ignore-errors=1213
echo "sysbench has ended by itself, as it was told"
sleep 86400 &
wait $!
