#!/bin/bash
# The server calls this when its cluster changes. Writes down, before anything can be committed in it, who is in a cluster
# that can commit: after the end of all members each of these must be heard before any of them begins again.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

primary='' members=''
while [ $# -gt 1 ]; do
  case $1 in
    --primary) primary=$2 ;;
    --members) members=$2 ;;
  esac
  shift 2
done
if [ "$primary" != yes ] || [ -z "$members" ]; then exit 0; fi

# uuid/name/address,uuid/name/address
names=''
for member in ${members//,/ }; do
  member=${member#*/}
  names=$names,${member%%/*}
done
printf '%s\n' "${names#,}" >"$view.new"
sync "$view.new"
mv -f "$view.new" "$view"
sync "$volume"
