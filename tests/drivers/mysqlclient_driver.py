"""mysqlclient: the C library under Python."""

import sys

import MySQLdb

from scenario import compare


def connect(host, port, user, password, database):
    options = {"database": database} if database else {}
    connection = MySQLdb.connect(
        host=host, port=port, user=user, password=password, charset="utf8mb4", autocommit=True, connect_timeout=10,
        **options,
    )
    return connection


compare(connect, MySQLdb.MySQLError, "mysqlclient", sys.argv[1:])
