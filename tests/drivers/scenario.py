"""What every Python driver does with an endpoint, written down as (what, value) pairs.

Knows the DB-API only. The same pairs must come from the endpoint and from the primary itself.
"""

import datetime
import decimal
import sys

COLUMNS = """
    id INT PRIMARY KEY AUTO_INCREMENT, tiny TINYINT, small SMALLINT, medium MEDIUMINT, whole INT, big BIGINT,
    huge BIGINT UNSIGNED, single FLOAT, dbl DOUBLE, exact DECIMAL(20,6), bits BIT(8), day DATE, span TIME(3),
    moment DATETIME(6), stamp TIMESTAMP NULL, yr YEAR, fixed CHAR(10), word VARCHAR(200) UNIQUE, prose TEXT,
    raw BLOB, raws VARBINARY(20), choice ENUM('a','b'), choices SET('x','y','z'), doc JSON"""
NAMES = "tiny, small, medium, whole, big, huge, single, dbl, exact, bits, day, span, moment, stamp, yr, fixed, word, prose, raw, raws, choice, choices, doc"
MARKS = ", ".join(["%s"] * 23)
FULL = (
    -128, -32768, -8388608, -2147483648, -(2**63), 2**64 - 1, 1.5, 3.141592653589793, decimal.Decimal("12345678901234.567890"),
    b"\xa5", datetime.date(2024, 2, 29), datetime.timedelta(hours=-5, milliseconds=250),
    datetime.datetime(1999, 12, 31, 23, 59, 59, 123456), datetime.datetime(2024, 6, 1, 12, 0, 0), 2024, "fixed",
    "zwölf Boxkämpfer 🦀 ' \" \\ \0 end", "text\nof\tlines", bytes(range(256)), b"\0\1\2", "b", "x,z", '{"k": [1, null, "ü"]}',
)
EMPTY = (None,) * 16 + ("all else is NULL",) + (None,) * 6


class Observed:
    """The pairs, in their order."""

    def __init__(self):
        self.pairs = []

    def note(self, what, value):
        self.pairs.append((what, value))

    def refusal(self, what, error_class, action, with_text=True):
        try:
            action()
        except error_class as error:
            code = error.args[0]
            self.note(what, (code, error.args[1] if with_text else ""))
        else:
            self.note(what, "no error")


def observe(connect, error_class, name):
    """`connect(password=None, database=None)` gives a DB-API connection with autocommit."""
    seen = Observed()
    seen.refusal("wrong password", error_class, lambda: connect(password="wrong"), with_text=False)
    seen.refusal("unknown database", error_class, lambda: connect(database="no_such_database"))
    connection = connect(database="app")
    cursor = connection.cursor()

    def rows(sql, parameters=None):
        cursor.execute(sql, parameters)
        return cursor.fetchall()

    seen.note("database at connect", rows("SELECT DATABASE()"))
    cursor.execute(f"CREATE DATABASE IF NOT EXISTS drivers_{name}")
    cursor.execute(f"USE drivers_{name}")
    seen.note("database after USE", rows("SELECT DATABASE()"))
    connection.select_db("app")
    seen.note("database after COM_INIT_DB", rows("SELECT DATABASE()"))
    connection.select_db(f"drivers_{name}")
    cursor.execute("DROP TABLE IF EXISTS kinds")
    cursor.execute(f"CREATE TABLE kinds ({COLUMNS}) CHARACTER SET utf8mb4")

    for row in (FULL, EMPTY):
        cursor.execute(f"INSERT INTO kinds ({NAMES}) VALUES ({MARKS})", row)
        seen.note("last insert id", cursor.lastrowid)
    seen.note("all kinds", rows("SELECT * FROM kinds ORDER BY id"))
    seen.note("column types", [column[1] for column in cursor.description])
    seen.note("no rows", rows("SELECT * FROM kinds WHERE id < 0"))
    prepared_in_sql(seen, cursor, rows)
    transactions(seen, connection, cursor, rows)

    duplicate = f"INSERT INTO kinds ({NAMES}) VALUES ({MARKS})"
    seen.refusal("duplicate key", error_class, lambda: cursor.execute(duplicate, EMPTY))
    seen.refusal("unknown table", error_class, lambda: cursor.execute("SELECT * FROM no_such_table"))
    seen.refusal("syntax", error_class, lambda: cursor.execute("SELEC 1"))
    seen.note("alive after errors", rows("SELECT 1"))

    blob = bytes(range(256)) * 4096
    cursor.execute("CREATE TABLE IF NOT EXISTS blobs (id INT PRIMARY KEY, content LONGBLOB)")
    cursor.execute("REPLACE INTO blobs VALUES (1, %s)", (blob,))
    read = rows("SELECT content FROM blobs WHERE id = 1")
    seen.note("blob of 1 MiB", (len(read[0][0]), read[0][0] == blob))
    connection.ping()
    cursor.execute(f"DROP DATABASE drivers_{name}")
    connection.close()
    return seen.pairs


def prepared_in_sql(seen, cursor, rows):
    cursor.execute("PREPARE q FROM 'SELECT ? + 1, CONCAT(?, ?)'")
    for turn in range(3):
        cursor.execute("SET @a = %s, @b = %s, @c = %s", (turn, f"é{turn}", "🦀"))
        seen.note(f"PREPARE, EXECUTE {turn}", rows("EXECUTE q USING @a, @b, @c"))
    cursor.execute("DEALLOCATE PREPARE q")


def transactions(seen, connection, cursor, rows):
    cursor.execute("DROP TABLE IF EXISTS numbers")
    cursor.execute("CREATE TABLE numbers (n INT PRIMARY KEY, half DOUBLE)")
    cursor.executemany("INSERT INTO numbers VALUES (%s, %s)", [(n, n / 2) for n in range(1000)])
    seen.note("read back at once", rows("SELECT COUNT(*), SUM(half) FROM numbers"))
    seen.note("1000 rows", rows("SELECT * FROM numbers ORDER BY n"))
    connection.begin() if hasattr(connection, "begin") else cursor.execute("BEGIN")
    cursor.execute("UPDATE numbers SET half = -1 WHERE n = 1")
    seen.note("affected", cursor.rowcount)
    seen.note("inside", rows("SELECT half FROM numbers WHERE n = 1"))
    connection.rollback()
    seen.note("rolled back", rows("SELECT half FROM numbers WHERE n = 1"))
    connection.autocommit(False)
    cursor.execute("UPDATE numbers SET half = -2 WHERE n = 2")
    connection.commit()
    seen.note("committed", rows("SELECT half FROM numbers WHERE n = 2"))
    connection.rollback()
    connection.autocommit(True)
    for n in range(50):
        cursor.execute("UPDATE numbers SET half = %s WHERE n = 3", (n,))
        half = rows("SELECT half FROM numbers WHERE n = 3")[0][0]
        if half != n:
            seen.note("stale read", (n, half))


def compare(connect_to, error_class, name, arguments):
    """`ENDPOINT DIRECT USER PASSWORD`: runs both and ends with what differs."""
    endpoint, direct, user, password = arguments

    def seen_at(where):
        host, port = where.rsplit(":", 1)

        def connect(database=None, password=password):
            return connect_to(host, int(port), user, password, database)

        return observe(connect, error_class, name)

    wanted, got = seen_at(direct), seen_at(endpoint)
    for expected, value in zip(wanted, got):
        if expected != value:
            sys.exit(f"{value[0]}: got {value[1]!r:.300}, the primary gives {expected[0]} {expected[1]!r:.300}")
    if len(wanted) != len(got):
        sys.exit(f"{len(got)} observations, the primary gives {len(wanted)}")
    pairs = dict(got)
    if pairs["duplicate key"][0] != 1062 or pairs["wrong password"][0] != 1045:
        sys.exit(f"unexpected errors: {pairs['duplicate key']}, {pairs['wrong password']}")
