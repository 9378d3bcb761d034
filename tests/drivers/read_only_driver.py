"""PyMySQL and SQLAlchemy, as they are by themselves: autocommit off, and transactions that are read-only.

    read_only_driver.py HOST PORT USER PASSWORD VARIABLE    (the session's `transaction_read_only`, by its name there)

Every read of a table has a comment `driver:N`, N from 0; the last line of the output says how many there were.
"""

import itertools
import sys

import pymysql
import sqlalchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

host, port, user, password, variable = sys.argv[1:]
account = dict(host=host, port=int(port), user=user, password=password, database="app")
numbers = itertools.count()
READ_ONLY = "SET SESSION TRANSACTION READ ONLY"


def marked(sql):
    return f"{sql} /* driver:{next(numbers)}. */"


def read(cursor):
    cursor.execute(marked("SELECT a, b FROM t WHERE a > %s"), (0,))
    assert len(cursor.fetchall()) == 3


def with_pymysql(first, **options):
    """Two transactions; then a write, which is refused, and a session that writes again."""
    db = pymysql.connect(**account, **options)
    cursor = db.cursor()
    for sql in first:
        cursor.execute(sql)
    for end in (db.commit, db.rollback):
        read(cursor)
        read(cursor)
        end()
    db.begin()
    read(cursor)
    db.rollback()
    try:
        cursor.execute("INSERT INTO t (b) VALUES ('refused')")
        raise SystemExit("a write in a read-only transaction")
    except pymysql.err.MySQLError as error:
        assert error.args[0] == 1792, error
    db.rollback()
    read(cursor)
    db.commit()
    cursor.execute("SET SESSION TRANSACTION READ WRITE")
    cursor.execute("INSERT INTO t (b) VALUES ('undone')")
    db.rollback()
    db.close()


with_pymysql([READ_ONLY])
with_pymysql([], init_command=READ_ONLY)
with_pymysql([f"SET SESSION {variable} = 1"], charset="utf8mb4")
with_pymysql(["SET autocommit = 0", READ_ONLY], autocommit=None)

once = pymysql.connect(**account)
cursor = once.cursor()
for _ in range(2):
    cursor.execute("SET TRANSACTION READ ONLY")
    read(cursor)
    read(cursor)
    once.commit()
once.close()


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "t"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[str]


def with_sqlalchemy(**options):
    url = sqlalchemy.URL.create("mysql+pymysql", user, password, host, int(port), "app")
    engine = sqlalchemy.create_engine(url, **options)

    @sqlalchemy.event.listens_for(engine, "connect")
    def make_read_only(connection, _):
        with connection.cursor() as cursor:
            cursor.execute(READ_ONLY)

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute", retval=True)
    def mark(connection, cursor, sql, parameters, context, many):
        return (marked(sql) if " FROM t" in sql.replace("\n", " ") else sql), parameters

    for _ in range(2):
        with engine.connect() as connection:
            assert len(connection.execute(sqlalchemy.text("SELECT a, b FROM t")).all()) == 3
        with Session(engine) as session:
            assert len(session.scalars(sqlalchemy.select(Row).where(Row.a > 0)).all()) == 3
            session.commit()
            assert session.get(Row, 1).b == "x"
    engine.dispose()


with_sqlalchemy()
with_sqlalchemy(isolation_level="READ COMMITTED")
with_sqlalchemy(isolation_level="REPEATABLE READ", pool_pre_ping=True)
print(next(numbers))
