#!/bin/bash
# The server's process answers, whatever it answers: also "access denied" is an answer.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

timeout 8 mysqladmin --no-defaults --socket="$run/mysqld.sock" --user=root --connect-timeout=5 ping >/dev/null 2>&1
