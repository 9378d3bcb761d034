#!/bin/bash
# Before the server is told to end: nothing is running there any more. The proxies ask for the lock at each look (a second, as
# they are configured); while it is taken they begin nothing new here. Reads go to others, and what only the primary can do
# waits until it is back. What runs comes to its end.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

: >"$run/leaving"
# By the monitor's account: nobody else's lock counts. It goes with the server. Nobody may wait for its output.
timeout 100 mysql --defaults-file="$(login proxy monitor "socket=$run/mysqld.sock")" \
  --execute="SELECT GET_LOCK('mysql-proxy.leaving', 0); DO SLEEP(100)" >/dev/null 2>&1 </dev/null &

# Transactions, and statements outside of them, of applications.
running="SELECT COUNT(*) FROM performance_schema.threads thread
  LEFT JOIN performance_schema.events_transactions_current open ON open.thread_id = thread.thread_id AND open.state = 'ACTIVE'
  WHERE thread.type = 'FOREGROUND' AND thread.processlist_user NOT IN ('root', 'replication', 'proxy')
  AND (open.state IS NOT NULL OR thread.processlist_command IN ('Query', 'Execute'))"
sleep 3
for ((second = 0; second < 20; second++)); do
  if [ "$(here "$running" || printf 0)" = 0 ]; then break; fi
  sleep 1
done
# The primary's replicas must let it go: a server that ends waits ten seconds for those who copy from it, and they come back every
# second. Offline it lets in administrators only.
if is_primary; then here "SET GLOBAL offline_mode = ON" || true; fi
