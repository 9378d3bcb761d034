#!/bin/bash
# Before the server is told to end: nothing is running there any more. The proxies ask for the lock at each look (a second, as
# they are configured); while it is taken they begin nothing new here. Reads go to others, and what only the primary can do
# waits until it is back. What runs comes to its end.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

# By the monitor's account: nobody else's lock counts. It goes with the server. Nobody may wait for its output.
timeout 100 mysql --defaults-file="$(login proxy monitor "socket=$run/mysqld.sock")" \
  --execute="SELECT GET_LOCK('mysql-proxy.leaving', 0); DO SLEEP(100)" >/dev/null 2>&1 </dev/null &

# Transactions that have read or written, and statements outside of them, of applications.
running="SELECT COUNT(*) FROM information_schema.processlist LEFT JOIN information_schema.innodb_trx ON trx_mysql_thread_id = id
  WHERE user NOT IN ('root', 'replication', 'proxy', 'system user', 'event_scheduler')
  AND (trx_id IS NOT NULL OR command IN ('Query', 'Execute'))"
sleep 3
for ((second = 0; second < 20; second++)); do
  if [ "$(here "$running" || printf 0)" = 0 ]; then break; fi
  sleep 1
done
