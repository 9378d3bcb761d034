#!/bin/bash
# The server's process answers, whatever it answers: also "access denied" is an answer.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

said=$(timeout 8 mysqladmin --no-defaults --socket="$run/mysqld.sock" --user=root --connect-timeout=5 ping 2>&1) ||
  die "the server does not answer: $said"
