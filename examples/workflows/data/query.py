"""SQL over a SQLite database, for question.yaml.

    query.py load sales.csv out/sales.db    makes the database anew
    query.py ask out/sales.db               answers the SELECT on stdin with a list of objects as JSON

A question can only read: the database is opened read-only, and an authorizer denies everything else.
"""

import csv
import json
import pathlib
import sqlite3
import sys

ROWS_MAX = 1000
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


def load(source, database):
    with open(source, newline="", encoding="utf-8") as file:
        rows = [(row["month"], row["region"], row["product"], int(row["amount"]))
                for row in csv.DictReader(file)]
    path = pathlib.Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("drop table if exists sales")
        db.execute("create table sales (month text, region text, product text, amount integer)")
        db.executemany("insert into sales values (?, ?, ?, ?)", rows)
    print(len(rows))


def ask(database):
    db = sqlite3.connect(f"{pathlib.Path(database).absolute().as_uri()}?mode=ro", uri=True)
    db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in READS else sqlite3.SQLITE_DENY)
    cursor = db.execute(sys.stdin.read())
    names = [column[0] for column in cursor.description or []]
    rows = cursor.fetchmany(ROWS_MAX + 1)
    if len(rows) > ROWS_MAX:
        sys.exit(f"the answer has more than {ROWS_MAX} rows; limit it or group it")
    print(json.dumps([dict(zip(names, row)) for row in rows]))


try:
    {"load": load, "ask": ask}[sys.argv[1]](*sys.argv[2:])
except sqlite3.Error as error:
    sys.exit(f"SQLite refuses the statement: {error}")
