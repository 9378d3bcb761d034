#!/bin/bash
# Installs the drivers that are missing, and says so. Python's, Node's and what is compiled go into target/drivers, not
# into the system.
set -uo pipefail
here=$(dirname "$(realpath "$0")")
into=${DRIVERS:-$here/../../target/drivers}
mkdir -p "$into"
root=()
[ "$(id -u)" = 0 ] || root=(sudo)

packages=()
for pair in mariadb:mariadb-client python3:python3-venv node:nodejs npm:npm go:golang-go cc:gcc pkg-config:pkg-config \
    php:php-cli perl:perl ruby:ruby java:default-jre-headless; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
[ -e /usr/share/gocode/src/github.com/go-sql-driver/mysql ] || packages+=(golang-github-go-sql-driver-mysql-dev)
php -m 2>/dev/null | grep -q mysqli || packages+=(php-mysql)
perl -MDBD::MariaDB -e1 2>/dev/null || packages+=(libdbd-mariadb-perl)
perl -MDBD::mysql -e1 2>/dev/null || packages+=(libdbd-mysql-perl)
ruby -rmysql2 -e1 2>/dev/null || packages+=(ruby-mysql2)
[ -e /usr/share/java/mariadb-java-client.jar ] || packages+=(libmariadb-java)
# Only what compiles Java is asked for, and some runtimes have it in them.
java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || command -v javac >/dev/null || packages+=(default-jdk-headless)
if ! "$into/python/bin/python" -c 'import MySQLdb' 2>/dev/null; then
    command -v mariadb_config mysql_config >/dev/null || packages+=(default-libmysqlclient-dev python3-dev)
fi
if [ ${#packages[@]} -gt 0 ]; then
    echo "installing Debian's ${packages[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends \
        "${packages[@]}" >/dev/null || echo "Debian's packages could not be installed"
fi

if ! "$into/python/bin/python" -c 'import pymysql, cryptography, MySQLdb, mysql.connector, sqlalchemy' 2>/dev/null; then
    echo "installing PyMySQL, mysqlclient, mysql-connector-python and SQLAlchemy into $into/python"
    [ -x "$into/python/bin/python" ] || python3 -m venv "$into/python"
    for driver in 'PyMySQL[rsa]==1.1.*' 'mysqlclient==2.2.*' 'mysql-connector-python==9.*' 'SQLAlchemy==2.*'; do
        "$into/python/bin/python" -m pip install -q --disable-pip-version-check "$driver" || echo "$driver could not be installed"
    done
fi
for driver in mysql2@3 mysql@2 mariadb@3; do
    name=${driver%@*}
    [ ! -d "$into/node/node_modules/$name" ] || continue
    echo "installing $driver into $into/node"
    mkdir -p "$into/node"
    npm install --silent --no-audit --no-fund --prefix "$into/node" "$driver" >/dev/null || echo "$driver could not be installed"
done
for program in go_driver logins/login; do
    to=$into/go_$(basename "${program#go_}") from=$here/$program.go
    [ ! -x "$to" ] || [ "$from" -nt "$to" ] || continue
    echo "building the Go program $program"
    GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$into/go-cache" go build -o "$to" "$from" ||
        echo "the Go program $program could not be built"
done
for program in Login Cancel; do
    [ ! -e "$into/java/$program.class" ] || [ "$here/logins/$program.java" -nt "$into/java/$program.class" ] || continue
    echo "compiling the Java program $program"
    # A runtime may have the compiler's module without its launcher.
    if command -v javac >/dev/null; then compiler=(javac); else compiler=(java --module jdk.compiler/com.sun.tools.javac.Main); fi
    "${compiler[@]}" -d "$into/java" "$here/logins/$program.java" || echo "the Java program $program could not be compiled"
done
