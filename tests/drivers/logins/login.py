"""One login with a driver's default options: `login.py DRIVER HOST PORT USER PASSWORD`.

DRIVER: pymysql, pymysql_alone (as where `cryptography` is not installed), mysqlclient, connector (Oracle's).
"""

import sys


def pymysql(**server):
    import pymysql

    return pymysql.connect(**server), pymysql.err.MySQLError


def pymysql_alone(**server):
    sys.modules["cryptography"] = None
    return pymysql(**server)


def mysqlclient(**server):
    import MySQLdb

    return MySQLdb.connect(**server), MySQLdb.Error


def connector(**server):
    import mysql.connector

    return mysql.connector.connect(**server), mysql.connector.Error


driver, host, port, user, password = sys.argv[1:]
try:
    connection, _ = globals()[driver](host=host, port=int(port), user=user, password=password)
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert str(cursor.fetchall()[0][0]) == "1"
    connection.close()
    print("in")
except Exception as error:
    print(type(error).__name__, error)
    sys.exit(1)
