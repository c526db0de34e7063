# SPDX-License-Identifier: GPL-2.0-or-later
"""Two processes on one SQLite database in WAL mode, in which they share memory: a reader that keeps its
snapshot while the other writes."""

import os
import sqlite3
import subprocess
import sys

COUNT = "select count(*) from record"


def write():
    base = sqlite3.connect("base.db", timeout=10)
    with base:
        base.executemany("insert into record values(?)", [(number,) for number in range(50)])
    print("writer:", base.execute(COUNT).fetchone()[0])
    base.close()


def main():
    reader = sqlite3.connect("base.db", isolation_level=None, timeout=10)
    reader.execute("pragma journal_mode=WAL")
    reader.execute("create table record(n)")
    reader.execute("with recursive c(i) as (select 1 union all select i + 1 from c where i < 100) "
                   "insert into record select i from c")
    reader.execute("begin")
    print("reader:", reader.execute(COUNT).fetchone()[0], flush=True)
    subprocess.run([sys.executable, __file__, "write"], check=True, timeout=20)
    print("reader still:", reader.execute(COUNT).fetchone()[0])
    reader.execute("commit")
    print("reader then:", reader.execute(COUNT).fetchone()[0])
    print(sorted(name for name in os.listdir() if name.startswith("base")))
    print(reader.execute("pragma integrity_check").fetchone()[0])


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    else:
        main()
