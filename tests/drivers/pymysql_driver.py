"""PyMySQL: pure Python, parameters written into the text."""

import sys

import pymysql

from scenario import compare


def connect(host, port, user, password, database):
    return pymysql.connect(
        host=host, port=port, user=user, password=password, database=database, charset="utf8mb4", autocommit=True,
        connect_timeout=10, read_timeout=60, binary_prefix=True,
    )


compare(connect, pymysql.err.MySQLError, "pymysql", sys.argv[1:])
