#!/bin/bash
# Every driver through ENDPOINT, compared with the same driver at DIRECT (the primary itself): one line a driver.
#   run.sh ENDPOINT DIRECT USER PASSWORD        host:port each; the account may create databases; there is a database `app`
# MYSQLD=/path/bin/mysqld brings Oracle's command line client, which lies beside it.
set -uo pipefail
[ $# -eq 4 ] || { sed -n 2,4p "$0"; exit 2; }
here=$(dirname "$(realpath "$0")")
from=${DRIVERS:-$here/../../target/drivers}
failed=0

driver() { # driver NAME "what is missing, or empty" COMMAND…
    local name=$1 missing=$2 said
    shift 2
    if [ -n "$missing" ]; then
        echo "$name: skipped: $missing"
    elif said=$(timeout 180 "$@" 2>&1); then
        echo "$name: ok"
    else
        echo "$name: FAILED: $(tail -n 1 <<<"${said:-no answer in time}")"
        failed=1
    fi
}
needs() { # needs FILE-OR-PROGRAM: nothing when it is there
    command -v "$1" >/dev/null || [ -d "$1" ] || echo "$1 is not there (tests/drivers/install.sh)"
}
imports() {
    "$from/python/bin/python" -c "import $1" 2>/dev/null || echo "no Python module $1 (tests/drivers/install.sh)"
}

export PYTHONDONTWRITEBYTECODE=1
export NODE_PATH=$from/node/node_modules
oracle=$(dirname "${MYSQLD:-/nowhere/mysqld}")/mysql
plugins=$(realpath -m "$(dirname "$oracle")/../plugin")
driver PyMySQL "$(imports pymysql)" "$from/python/bin/python" "$here/pymysql_driver.py" "$@"
driver mysqlclient "$(imports MySQLdb)" "$from/python/bin/python" "$here/mysqlclient_driver.py" "$@"
driver mysql2 "$(needs "$NODE_PATH/mysql2")" node "$here/node_driver.js" "$@"
driver go-sql-driver "$(needs "$from/go_driver")" "$from/go_driver" "$@"
driver mariadb "$(needs mariadb)" bash "$here/command_line.sh" mariadb "$@"
driver mysql "$([ -x "$oracle" ] || echo "no mysql beside MYSQLD")" bash "$here/command_line.sh" "$oracle" "$@" \
    --get-server-public-key --plugin-dir="$plugins"
exit "$failed"
