# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers, and their clients in the same session."""

from pair import program

EVERY = ("none", "private", "host")


@program("python http.server, curl", "curl", networks=EVERY, workers=("user", "root"))
def test_a_web_server_answers_by_every_name_of_the_loopback(pair):
    """3.5 MB and 200 small answers by 127.0.0.1, ::1, localhost and the machine's own name"""
    pair.same(r"""
        seq -w 500000 >large
        echo hello >small
        python3 -m http.server --bind :: 8000 2>server.log &
        wait_for curl -s http://127.0.0.1:8000/
        for host in 127.0.0.1 '[::1]' localhost "$(hostname)"; do
            curl -gsf --max-time 10 "http://$host:8000/large" | sha256sum
            seq 200 | sed "s|.*|url = http://$host:8000/small|" | curl -gsf --max-time 10 -K - | uniq -c
        done
        sha256sum <large | sort | uniq -c
        curl -s -o /dev/null -w '%{http_code}\n' http://localhost:8000/nothing""",
              expect=[" +200 hello", "404"])


@program("PostgreSQL", "/usr/lib/postgresql/*/bin/initdb", networks=EVERY)
def test_postgresql_keeps_what_clients_give_it(pair):
    """A cluster is made and started; rows by TCP, by IPv6 and by its Unix socket, parallel queries,
    a notification, four clients at once, recovery after a crash"""
    # a port that is given to no client by itself
    pair.same(r"""
        PATH=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1):$PATH
        unset TMPDIR
        initdb -D data -A trust -U me --no-sync >init.log 2>&1 || { cat init.log >&2; exit 1; }
        start() {
            pg_ctl -D data -w -l server.log -o "-k $HOME -p 5433 -h 127.0.0.1,::1" start >start.log ||
                { cat server.log >&2; exit 1; }
        }
        trap 'pg_ctl -D data -m immediate stop >log 2>&1 || true' EXIT
        ask() { psql -XqtA -h "$1" -p 5433 -U me -d postgres -c "$2"; }
        start
        ask 127.0.0.1 "create table record as
            select n, md5(n::text) name from generate_series(1, 5000) n"
        ask ::1 "create index on record(name);
            insert into record select n, 'more' from generate_series(5001, 6000) n"
        ask "$HOME" "select count(*), sum(n), count(distinct name),
            md5(string_agg(name, ',' order by n)) from record"
        ask 127.0.0.1 "set force_parallel_mode = on; select count(*) from record where name > '8'"
        ask ::1 "listen it; notify it, 'heard'" | sed 's/ from.*//'
        pgbench -h 127.0.0.1 -p 5433 -U me -i -q postgres >log 2>&1
        pgbench -h "$HOME" -p 5433 -U me -c 4 -t 50 postgres 2>&1 | grep 'processed'
        ask "$HOME" "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts)
            from pgbench_history"
        pg_ctl -D data -m immediate stop >log
        start
        ask 127.0.0.1 "select count(*) from record"
        pg_ctl -D data -m fast stop >log
        grep -c 'automatic recovery\|not properly shut down' server.log
        tail -n 1 server.log | sed 's/.*LOG: *//'""",
              expect=["6000[|]18003000[|]5001[|][0-9a-f]{32}", "200[|]t", "6000",
                      "database system is shut down"],
              timeout=60)


@program("Redis", "redis-cli", "redis-check-rdb", networks=EVERY)
def test_redis_keeps_what_clients_give_it(pair):
    """5,000 keys by TCP and IPv6, read by its Unix socket; a message to a subscriber; a snapshot by a
    forked child, read back after a restart"""
    pair.same(r"""
        start() {  # the server, whatever its name is, without Debian's service
            (exec -a redis-server "$(command -v redis-server || command -v redis-check-rdb)" \
                --port 63790 --bind 127.0.0.1 ::1 --unixsocket "$HOME/redis.sock" --save '' --dir "$HOME" \
                >>server.log 2>&1) &
            wait_for redis-cli -p 63790 ping
        }
        start
        seq 5000 | sed 's/.*/SET key& value&/' | redis-cli -p 63790 --pipe | tail -n 1
        redis-cli -h ::1 -p 63790 incrby number 42
        redis-cli -s redis.sock get key4711
        redis-cli -s redis.sock dbsize
        redis-cli -p 63790 subscribe news >heard &
        wait_for sh -c 'redis-cli -p 63790 pubsub numsub news | grep -x 1'
        redis-cli -s redis.sock publish news hello
        wait_for grep -x hello heard
        echo heard
        redis-cli -p 63790 bgsave
        wait_for sh -c 'redis-cli -p 63790 info persistence | grep rdb_bgsave_in_progress:0'
        test -s dump.rdb
        redis-cli -p 63790 shutdown nosave
        start
        redis-cli -p 63790 get key5000
        redis-cli -p 63790 shutdown nosave""",
              expect=["errors: 0, replies: 5000", "value4711", "5001", "value5000"])


@program("Node.js", "node", networks=EVERY)
def test_a_node_development_server_serves_and_reloads(pair):
    """HTTP by a cluster of two workers, a WebSocket, a child process, a worker thread; a page that
    changes is served anew by a watch"""
    pair.same("node development.js", files=["development.js"],
              expect=["page: one", "socket: HELLO", "child: 42", "thread: 42", "page after a change: two",
                      "by ::1: two"])


@program("git daemon", "/usr/lib/git-core/git-daemon", networks=EVERY)
def test_git_clones_from_a_daemon_of_the_session(pair):
    """A repository is cloned from it and pushed back to it, over TCP"""
    pair.same(r"""
        export GIT_CONFIG_GLOBAL=$HOME/config
        export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
        git config --file config user.name a; git config --file config user.email a@b
        git init -q --bare -b master served/it.git
        git daemon --reuseaddr --listen=127.0.0.1 --port=9418 --base-path=served --export-all \
            --enable=receive-pack 2>daemon.log &
        wait_for git ls-remote git://127.0.0.1/it.git
        git clone -q git://127.0.0.1/it.git one 2>&1
        seq 10000 >one/file
        git -C one add file; git -C one commit -qm one; git -C one push -q origin master
        git clone -q git://127.0.0.1/it.git two
        git -C two log --format=%H
        sha256sum <two/file""", expect=["[0-9a-f]{40}"])


@program("Jupyter kernel", "/usr/share/jupyter/kernels/python3/kernel.json", networks=("none", "private"))
def test_a_jupyter_kernel_calculates(pair):
    """Started by its client; results, what is printed and an interrupt, over five TCP connections, and
    over Unix sockets"""
    pair.same("python3 kernel.py tcp; python3 kernel.py ipc", files=["kernel.py"], timeout=60,
              expect=["tcp: 42", "tcp: waiting", "tcp: KeyboardInterrupt", "ipc: 42"])
