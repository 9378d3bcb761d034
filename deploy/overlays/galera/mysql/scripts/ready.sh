#!/bin/bash
# The member serves: its cluster can commit, and it has everything that the others have.
# shellcheck source=ground.sh
. "$(dirname "$0")/ground.sh"

case $(here "$state") in
  Primary$'\t'Synced$'\t'ON$'\t'* | Primary$'\t'Donor/Desynced$'\t'ON$'\t'*) ;;
  *) exit 1 ;;
esac
