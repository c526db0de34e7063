# SPDX-License-Identifier: GPL-2.0-or-later
"""Building, with what builds talk by: pipes of tokens, caches, lock files."""

from pair import program


@program("make -j", "make", "gcc")
def test_make_shares_its_tokens_with_makes_of_its_own(pair):
    """Four jobs at once, of three nested makes that share one pipe of tokens"""
    pair.same(r"""
        for part in a b c; do
            mkdir $part
            for n in 1 2 3 4; do echo "int $part$n(void) { return $n; }" >$part/$n.c; done
            printf 'all.a: $(patsubst %%.c,%%.o,$(sort $(wildcard *.c)))\n\tar rcD $@ $^\n' >$part/Makefile
        done
        echo 'extern int a1(void), b2(void), c4(void); int main(void) { return a1() + b2() + c4(); }' >main.c
        printf '%s\n' 'main: main.c a b c; gcc -o $@ main.c a/all.a b/all.a c/all.a' \
            'a b c: ; +$(MAKE) --no-print-directory -C $@' '.PHONY: a b c' >Makefile
        make -sj4 2>&1 | sort
        ./main || echo "status $?"
        make -sj4 main && sha256sum main""", expect=["status 7"])


@program("ccache", "ccache", "gcc")
def test_ccache_finds_what_it_compiled(pair):
    """The second of two compilers is not run; what it gives is the same"""
    pair.same(r"""
        export CCACHE_DIR=$HOME/cache
        echo 'int f(int n) { return 3 * n; }' >f.c
        ccache gcc -O2 -c f.c -o one.o
        ccache gcc -O2 -c f.c -o two.o
        cmp one.o two.o && echo same
        ccache --print-stats | grep -e ^direct_cache_hit -e ^cache_miss""",
              expect=["same", "direct_cache_hit\t1", "cache_miss\t1"])
