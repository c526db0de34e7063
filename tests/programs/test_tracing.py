# SPDX-License-Identifier: GPL-2.0-or-later
"""Debuggers, tracers and profilers, on programs of their session."""

from pair import program

BUILD = r"""
    gcc -g -O0 -pthread -o traced traced.c
"""


@program("gdb", "gdb", "gcc", workers=("user", "root"))
def test_gdb_breaks_prints_and_continues(pair):
    """A breakpoint, a variable, a backtrace, a watchpoint, a changed variable; and attaching to a
    program that runs"""
    pair.same(BUILD + r"""
        hide='sed s/0x[0-9a-f]*/ADDRESS/g'
        gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'break twice' -ex run -ex bt -ex 'print number' \
            -ex next -ex 'watch answer' -ex continue -ex 'print answer' -ex 'delete' -ex 'finish' \
            -ex continue ./traced 2>&1 | grep -v -e libthread_db -e process -e LWP -e '^$' | $hide
        ./traced wait >said &
        wait_for grep waiting said
        gdb -nx -batch -p $! -ex 'set var answer = 42' -ex 'print answer * 2' -ex 'break usleep' -ex continue \
            -ex up -ex 'print argv[1]' 2>/dev/null | grep '^\$' | $hide""", files=["traced.c"],
              expect=[r"\$1 = 21", r"#0  twice \(number=21\) at traced.c:\d+", "New value = 42",
                      r"\$1 = 84", 'twice 21 is 42', r"\$2 = ADDRESS \"wait\""])


@program("strace", "strace", "gcc", workers=("user", "root"))
def test_strace_follows_children_and_attaches(pair):
    """Calls of a program, its thread and its child, counted too; attaching; a call made to fail"""
    pair.same(BUILD + r"""
        strace -f -o log -e trace=execve,exit_group,clone3,clone ./traced || echo "status $?"
        sed -n 's/^[0-9]* *\(execve([^,]*\|exit_group.*\).*/\1/p' log
        strace -f --seccomp-bpf -o log -e trace=execve ./traced >/dev/null || true
        grep -c execve log
        { strace -f -c -S name -U name,calls -e trace=execve,wait4 ./traced 2>&1 >/dev/null || true; } |
            awk '/execve|wait4/ {print $1, $2}'
        strace -o log -e inject=read:error=EIO:when=2+ cat /etc/hostname 2>&1 || true
        ./traced wait >said &
        wait_for grep waiting said
        strace -o log -p $! 2>/dev/null & tracer=$!
        wait_for grep clock_nanosleep log
        kill $tracer; wait $tracer || true
        echo attached""", files=["traced.c"],
              expect=["status 3", 'execve\\("/bin/echo"', r"exit_group\(3\) +.*", "2", "attached",
                      "cat: .*Input/output error"])


@program("ltrace", "ltrace", "gcc")
def test_ltrace_sees_calls_of_libraries(pair):
    """What a program calls in its libraries, with arguments"""
    pair.same(r"""
        gcc -g -O0 -pthread -no-pie -Wl,-z,lazy -fcf-protection=none -o traced traced.c
        ltrace -o log -e puts+printf+malloc ./traced >/dev/null || true
        grep -o -e 'malloc(77)' -e 'printf("twice.*21 is %d' log""", files=["traced.c"],
              expect=[r"malloc\(77\)"])


@program("valgrind", "valgrind", "callgrind_annotate", "gcc")
def test_valgrind_finds_what_is_lost_and_counts_calls(pair):
    """Memory that a program loses, by memcheck; how often a function was called, by callgrind"""
    pair.same(BUILD + r"""
        { valgrind --leak-check=full ./traced 10 2>&1 >/dev/null || true; } |
            grep -o '77 bytes in 1 blocks are definitely lost'
        valgrind -q --tool=callgrind --callgrind-out-file=out ./traced 5000 >/dev/null 2>&1 || echo "status $?"
        callgrind_annotate --inclusive=yes out | grep -o 'traced.c:work' | sort -u""", files=["traced.c"],
              expect=["77 bytes in 1 blocks are definitely lost", "status 3", "traced.c:work"])


@program("gprof, gcov, cProfile", "gprof", "gcov", "gcc")
def test_programs_that_measure_themselves_do(pair):
    """Profiles that compiled-in code and the Python interpreter write, which need nothing of the kernel's"""
    pair.same(r"""
        gcc -pg --coverage -O0 -pthread -o traced traced.c
        ./traced 50000000 >/dev/null || true
        gprof -b -p ./traced gmon.out | awk '$NF == "work" || $NF == "twice" {print $NF}' | sort
        gcov -t ./*.gcda | grep -c ' [1-9][0-9]*:.*sum += i'
        printf 'def f(n):\n    return n < 2 or f(n - 1) + f(n - 2)\nf(12)\n' >p.py
        python3 -m cProfile p.py | awk '/p.py:1\(f\)/ {print $1}'""", files=["traced.c"],
              expect=["twice", "work", "1", "465/1"])
