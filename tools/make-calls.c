// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes the filter of a session's system calls, from src/confine/refused.c:
 *
 *     make-calls PROCESSOR OUTPUT.c
 *
 * libseccomp takes most of a millisecond to compile it, so that is done when privexec is built, for
 * PROCESSOR, as Meson names families of them. Loading it takes less than a tenth.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "confine/refused.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NUMBER_OFFSET 0 /* of the call, in struct seccomp_data */
#define X32 0x40000000U /* the bit in numbers of x32 */

/* By which entry points a kernel for a processor can be called. Others are refused altogether. */
static const struct processor {
	const char *family;
	uint32_t architectures[4]; /* ended by 0 */
	uint32_t private;	   /* here begin numbers that are not of the common series */
} processors[] = {
	{ "x86_64", { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 }, X32 },
	{ "aarch64", { SCMP_ARCH_AARCH64, SCMP_ARCH_ARM }, 0xf0000 },
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "make-calls: %s: %s\n", what, strerror(error));
	return 1;
}

/*
 * Adds @refusal for all entry points that have such a call; its number is looked up for each.
 * "Exactly" cannot be asked for: it would be refused where one has none, and for sockets on i386,
 * where libseccomp adds the way by socketcall(2), of which it cannot compare what lies in memory.
 */
static int add(scmp_filter_ctx context, const struct refused *refusal)
{
	int number = seccomp_syscall_resolve_name(refusal->call);

	if (number == __NR_SCMP_ERROR) {
		fprintf(stderr, "make-calls: this libseccomp knows no call `%s`; 2.5.4 does\n",
			refusal->call);
		return -ENOENT;
	}
	return seccomp_rule_add_array(context, SCMP_ACT_ERRNO(refusal->error), number,
				      refusal->comparisons, refusal->compared);
}

static int compile(const struct processor *processor, scmp_filter_ctx *ret_context)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	int error = context ? 0 : -ENOMEM;

	*ret_context = context;
	for (const uint32_t *one = processor->architectures; !error && *one; one++)
		if (*one != seccomp_arch_native())
			error = seccomp_arch_add(context, *one);
	if (!error && processor->architectures[0] != seccomp_arch_native())
		error = seccomp_arch_remove(context, SCMP_ARCH_NATIVE);
	if (!error)
		error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/*
	 * A binary tree. The kernel remembers which calls pass whatever their arguments, and runs
	 * the filter for the others only, so that the order in it says nothing about frequent
	 * calls. But to find those out it follows the filter for each of a thousand calls of two
	 * entry points when it is loaded: along a list that takes twice as long.
	 */
	if (!error)
		error = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* CTL_TSKIP stays off: there is no rule for the number -1, by which a tracer skips a call.
	 */
	for (size_t i = 0; !error && i < refused_count; i++)
		error = add(context, &refused[i]);
	return error;
}

/*
 * Before libseccomp's part: calls beyond those that were looked at are not there. The number -1 and
 * those that a processor uses for itself go on, and for x32, which has a range of its own, the same
 * without its bit.
 */
static size_t write_ceiling(const struct processor *processor, FILE *output)
{
	const struct sock_filter enosys =
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA));
	const struct sock_filter common[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, REFUSED_AFTER, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, processor->private, 1, 0),
		enosys,
	};
	const struct sock_filter with_x32[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, REFUSED_AFTER, 0, 7),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 5),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)-1, 5, 0),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 547, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 512, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, REFUSED_AFTER, 0, 1),
		enosys,
	};
	bool x32 = processor->private == X32;
	const struct sock_filter *part = x32 ? with_x32 : common;
	size_t count = x32 ? COUNT(with_x32) : COUNT(common);

	for (size_t i = 0; i < count; i++)
		fprintf(output, "\t{ %#x, %u, %u, %#x },\n", part[i].code, part[i].jt, part[i].jf,
			part[i].k);
	return count;
}

/* Copies what libseccomp wrote to @compiled. */
static int write_compiled(int compiled, FILE *output, size_t *count)
{
	struct sock_filter one;
	ssize_t length;

	if (lseek(compiled, 0, SEEK_SET) < 0)
		return -errno;
	while ((length = read(compiled, &one, sizeof(one))) == (ssize_t)sizeof(one)) {
		fprintf(output, "\t{ %#x, %u, %u, %#x },\n", one.code, one.jt, one.jf, one.k);
		++*count;
	}
	return length == 0 ? 0 : -EIO;
}

static int write_all(const struct processor *processor, scmp_filter_ctx context, FILE *output)
{
	int compiled = memfd_create("filter", MFD_CLOEXEC);
	int error = compiled < 0 ? -errno : seccomp_export_bpf(context, compiled);
	size_t count;

	if (error)
		return error;
	fprintf(output, "/* Made by tools/make-calls. */\n#include \"confine/calls.h\"\n\n"
			"const struct sock_filter calls_filter[] = {\n");
	count = write_ceiling(processor, output);
	error = write_compiled(compiled, output, &count);
	fprintf(output, "};\nconst unsigned short calls_filter_length = %zu;\n", count);
	close(compiled);
	return error;
}

int main(int argc, char **argv)
{
	const struct processor *processor = NULL;
	scmp_filter_ctx context = NULL;
	FILE *output;
	int error;

	for (size_t i = 0; argc == 3 && i < COUNT(processors); i++)
		if (strcmp(argv[1], processors[i].family) == 0)
			processor = &processors[i];
	if (!processor) {
		fprintf(stderr,
			"usage: make-calls x86_64|aarch64 OUTPUT.c (no others are known)\n");
		return 1;
	}
	error = compile(processor, &context);
	if (error)
		return fail("cannot compile the filter", -error);
	output = fopen(argv[2], "we");
	if (!output)
		return fail(argv[2], errno);
	error = write_all(processor, context, output);
	seccomp_release(context);
	if (fclose(output) != 0 && !error)
		error = -errno;
	return error ? fail(argv[2], -error) : 0;
}
