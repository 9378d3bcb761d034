#!/bin/bash
# Installs the drivers that are missing, and says so. Python's and Node's go into target/drivers, not into the system.
set -uo pipefail
here=$(dirname "$(realpath "$0")")
into=${DRIVERS:-$here/../../target/drivers}
mkdir -p "$into"
root=()
[ "$(id -u)" = 0 ] || root=(sudo)

packages=()
for pair in mariadb:mariadb-client python3:python3-venv node:nodejs npm:npm go:golang-go cc:gcc pkg-config:pkg-config; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
[ -e /usr/share/gocode/src/github.com/go-sql-driver/mysql ] || packages+=(golang-github-go-sql-driver-mysql-dev)
if ! "$into/python/bin/python" -c 'import MySQLdb' 2>/dev/null; then
    command -v mariadb_config mysql_config >/dev/null || packages+=(default-libmysqlclient-dev python3-dev)
fi
if [ ${#packages[@]} -gt 0 ]; then
    echo "installing Debian's ${packages[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends \
        "${packages[@]}" >/dev/null || echo "Debian's packages could not be installed"
fi

if ! "$into/python/bin/python" -c 'import pymysql, cryptography, MySQLdb' 2>/dev/null; then
    echo "installing PyMySQL and mysqlclient into $into/python"
    python3 -m venv "$into/python"
    for driver in 'PyMySQL[rsa]==1.1.*' 'mysqlclient==2.2.*'; do
        "$into/python/bin/pip" install -q --disable-pip-version-check "$driver" || echo "$driver could not be installed"
    done
fi
if [ ! -d "$into/node/node_modules/mysql2" ]; then
    echo "installing mysql2 into $into/node"
    mkdir -p "$into/node"
    npm install --silent --no-audit --no-fund --prefix "$into/node" mysql2@3 >/dev/null || echo "Node's driver could not be installed"
fi
if [ ! -x "$into/go_driver" ] || [ "$here/go_driver.go" -nt "$into/go_driver" ]; then
    echo "building the Go program"
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$into/go-cache" go build -o "$into/go_driver" "$here/go_driver.go" ||
        echo "the Go program could not be built"
fi
