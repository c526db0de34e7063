/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of bpf/guard.bpf.c, as tools/make-guard puts them into the keeper. */
#ifndef PRIVEXEC_NETWORK_GUARD_PROGRAMS_H
#define PRIVEXEC_NETWORK_GUARD_PROGRAMS_H

#include <linux/bpf.h>
#include <stddef.h>

enum guard_program_number {
	GUARD_OUTWARDS,
	GUARD_INWARDS,
	GUARD_CONNECT4,
	GUARD_CONNECT6,
	GUARD_SENDMSG4,
	GUARD_BIND4,
	GUARD_BIND6,
	GUARD_CREATE,
	GUARD_OPTION,
	GUARD_DEVICE, /* the last: the one that has to do with no network, and needs but the facts
		       */
	GUARD_PROGRAMS,
};

/* What an instruction that loads a map has in the place of its descriptor. */
enum guard_map { GUARD_FACTS, GUARD_PLACES, GUARD_MARKS, GUARD_MAPS };

struct guard_program {
	const struct bpf_insn *instructions;
	size_t count;
	const char *name;
};

extern const struct guard_program guard_programs[GUARD_PROGRAMS];

#endif
