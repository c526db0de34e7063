# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by the scripts that installing runs. Meson swallows what they print unless they fail, so
# what a person should read goes into a file, which `make install` prints.
note() {
	if [ -n "${MESON_BUILD_ROOT:-}" ]; then
		echo "privexec: $*" >>"$MESON_BUILD_ROOT/install-notes.txt"
	else
		echo "privexec: $*"
	fi
}
