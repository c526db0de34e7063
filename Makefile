# SPDX-License-Identifier: GPL-2.0-or-later
# The front door, over Meson. On a fresh Debian 12 it needs make and apt, and asks nothing.
#
#   make                      build build/privexec and build/privexec-keeper
#   make run [CMD='...']      install what is needed, build, run CMD (else a shell) privately
#   make check                install what the tests need, build, run every suite
#   make vm-check             run the suites on Debian's own kernels, in virtual machines
#   make vm-shell [KERNEL=6.12]        a shell in such a machine
#   make install [prefix=/usr/local] [sysconfdir=/etc] [DESTDIR=]      make uninstall, likewise
#   make bench, make soak     measure; what takes hours (docs/soak.md)
#   make lint, make sanitize  read the sources; unit tests under the sanitizers
#   make clean                remove what was built

BUILD ?= build
prefix ?= /usr/local
sysconfdir ?= /etc
DESTDIR ?=
KERNEL ?= 6.1
places = --prefix=$(prefix) --sysconfdir=$(sysconfdir)

.PHONY: all run check vm-check vm-shell install uninstall bench soak lint sanitize clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(places) $(BUILD) >/dev/null || meson setup $(places) $(BUILD)

run:
	@tools/install-dependencies build run
	@$(MAKE) -s all >/dev/null || $(MAKE) -s all
	@unset MAKEFLAGS MFLAGS MAKELEVEL MAKE_TERMOUT MAKE_TERMERR; \
	if [ -n "$$CMD" ]; then exec $(BUILD)/privexec -- sh -c "$$CMD"; else exec $(BUILD)/privexec; fi

check:
	@tools/install-dependencies build run check programs vm lint
	@tests/run

vm-check:
	@tools/install-dependencies build run check vm
	@tests/vm/vm check

vm-shell:
	@tools/install-dependencies build run check vm
	@tests/vm/vm shell --kernel '$(KERNEL)'

# Not `meson configure`: it leaves `meson introspect` with the old prefix, and takes sysconfdir back.
install: $(BUILD)/build.ninja
	@meson setup --reconfigure $(places) $(BUILD) >/dev/null
	@rm -f $(BUILD)/install-notes.txt
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD)
	@[ ! -e $(BUILD)/install-notes.txt ] || cat $(BUILD)/install-notes.txt

uninstall: $(BUILD)/build.ninja
	@meson setup --reconfigure $(places) $(BUILD) >/dev/null
	@DESTDIR='$(DESTDIR)' tools/uninstall $(BUILD)

bench:
	@tools/install-dependencies build run bench
	@$(MAKE) -s all
	@ninja -C $(BUILD) bench/rounds >/dev/null
	@bench/run
	@bench/confinement
	@bench/stores
	@bench/network

soak:
	@tools/install-dependencies build run check programs vm
	@$(MAKE) -s all
	@tests/long $(MINUTES)

lint:
	@tools/install-dependencies build lint
	@tools/lint

sanitize:
	@tools/install-dependencies build check
	@tests/run sanitize

clean:
	rm -rf build build-*
