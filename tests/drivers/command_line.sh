#!/bin/bash
# One command line client, through the endpoint and at the primary itself: both must print the same.
#   command_line.sh CLIENT ENDPOINT DIRECT USER PASSWORD [more arguments for the client]
set -uo pipefail
here=$(dirname "$(realpath "$0")")
client=$1 endpoint=$2 direct=$3 user=$4 password=$5
shift 5

at() { # at ENDPOINT PASSWORD DATABASE [arguments]; MYSQL_PWD keeps the client's warning about passwords out of the output
    local where=$1 secret=$2 database=$3
    shift 3
    MYSQL_PWD=$secret timeout 60 "$client" --no-defaults --protocol=tcp --host="${where%:*}" --port="${where##*:}" \
        --user="$user" --default-character-set=utf8mb4 --connect-timeout=10 "$@" --database="$database" 2>&1
}

observe() { # observe ENDPOINT [arguments]; who was refused may be told with another host name, and that the proxy refused
    local where=$1
    shift
    at "$direct" "$password" app "$@" --execute='DROP DATABASE IF EXISTS drivers_cli'
    at "$where" wrong app "$@" --execute='SELECT 1' | sed -E "s/'@'[^']*'/'@'…'/; s/mysql-proxy: //"
    at "$where" "$password" no_such_database "$@" --execute='SELECT 1' | sed -E "s/'@'[^']*'/'@'…'/"
    at "$where" "$password" app "$@" --force --batch -vvv <"$here/scenario.sql" | sed -E 's/[0-9.]+ sec/… sec/'
}

wanted=$(mktemp) got=$(mktemp)
trap 'rm -f "$wanted" "$got"' EXIT
observe "$direct" "$@" | tr '\0' '0' >"$wanted"
observe "$endpoint" "$@" | tr '\0' '0' >"$got"
for code in 1045 1049 1062 1146 1064; do
    grep -aq "ERROR $code" "$got" || { echo "error $code did not come: $(head -c 300 "$got" | tr '\n' ' ')" >&2; exit 1; }
done
cmp -s "$wanted" "$got" || { diff -a "$wanted" "$got" | cut -c 1-200 | head -6 | tr '\n' ' ' >&2; exit 1; }
