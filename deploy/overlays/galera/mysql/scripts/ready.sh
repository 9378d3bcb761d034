#!/bin/bash
# The member serves: its cluster can commit, and it has everything that the others have.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

now=$(here "$state") || die "the server does not answer"
case $now in
  Primary$'\t'Synced$'\t'ON$'\t'* | Primary$'\t'Donor/Desynced$'\t'ON$'\t'*) ;;
  *) die "cluster, state and readiness are $now" ;;
esac
