#!/bin/bash
# Puts together the member's my.cnf: what all have in common, its role by its ordinal, its identity, and what an
# overlay may have added as site.cnf.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

umask 022
role=replica.cnf
if is_primary; then role=primary.cnf; fi
{
  cat /config/common.cnf "/config/$role"
  printf '\n[mysqld]\ndatadir = %s\nserver-id = %d\nreport-host = %s\n' "$data" "$((100 + ordinal))" "$name.$set_name"
  if [ -e /config/site.cnf ]; then cat /config/site.cnf; fi
} >"$conf.new"
mv -f "$conf.new" "$conf"
log "$name has server-id $((100 + ordinal)) and $role"
