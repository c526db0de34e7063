// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes the guard's programs a part of the keeper:
 *
 *     make-guard OBJECT OUTPUT.c
 *
 * OBJECT is what clang makes of bpf/guard.bpf.c. Of its sections "program.NAME" only the
 * instructions matter, and which of them load a map's address: those say by number which map
 * (enum guard_map), and the keeper puts its descriptor there. So nothing that reads ELF, nor a
 * library that does, comes into the privileged program or its start.
 */
#include <elf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/guard_programs.h"

#define PREFIX "program."
#define OBJECT_SIZE_MAX (1 << 20)

static const char *const programs[GUARD_PROGRAMS] = {
	[GUARD_OUTWARDS] = "outwards", [GUARD_INWARDS] = "inwards",   [GUARD_CONNECT4] = "connect4",
	[GUARD_CONNECT6] = "connect6", [GUARD_SENDMSG4] = "sendmsg4", [GUARD_BIND4] = "bind4",
	[GUARD_BIND6] = "bind6",       [GUARD_CREATE] = "create",     [GUARD_OPTION] = "option",
	[GUARD_DEVICE] = "device",
};

static const char *const maps[GUARD_MAPS] = {
	[GUARD_FACTS] = "facts",
	[GUARD_PLACES] = "places",
	[GUARD_MARKS] = "marks",
};

struct object {
	unsigned char *bytes;
	size_t size;
	Elf64_Shdr *sections;
	size_t count;
	const char *names;
};

static _Noreturn void fail(const char *format, const char *what)
{
	fputs("make-guard: ", stderr);
	fprintf(stderr, format, what);
	fputc('\n', stderr);
	exit(1);
}

static int number_of(const char *const *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i], name) == 0)
			return (int)i;
	return -1;
}

static void read_object(const char *path, struct object *object)
{
	FILE *file = fopen(path, "re");
	Elf64_Ehdr *header;

	object->bytes = calloc(1, OBJECT_SIZE_MAX);
	if (!file || !object->bytes)
		fail("cannot read %s", path);
	object->size = fread(object->bytes, 1, OBJECT_SIZE_MAX - 1, file);
	fclose(file);
	header = (Elf64_Ehdr *)object->bytes;
	if (object->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    header->e_machine != EM_BPF || header->e_shentsize != sizeof(Elf64_Shdr) ||
	    header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr) > object->size)
		fail("%s is no object of clang's for bpf", path);
	object->sections = (Elf64_Shdr *)(object->bytes + header->e_shoff);
	object->count = header->e_shnum;
	for (size_t i = 0; i < object->count; i++)
		if (object->sections[i].sh_offset + object->sections[i].sh_size > object->size)
			fail("%s is not whole", path);
	object->names =
		(const char *)object->bytes + object->sections[header->e_shstrndx].sh_offset;
}

static void *contents(const struct object *object, const Elf64_Shdr *section)
{
	return object->bytes + section->sh_offset;
}

/* Puts the numbers of maps into the instructions that load them. Nothing else may be open. */
static void resolve(const struct object *object, const Elf64_Shdr *relocations)
{
	const Elf64_Rel *entries = contents(object, relocations);
	const Elf64_Shdr *table = &object->sections[relocations->sh_link];
	const Elf64_Sym *symbols = contents(object, table);
	const char *names = contents(object, &object->sections[table->sh_link]);
	const Elf64_Shdr *target = &object->sections[relocations->sh_info];

	for (size_t i = 0; i < relocations->sh_size / sizeof(*entries); i++) {
		const char *name = names + symbols[ELF64_R_SYM(entries[i].r_info)].st_name;
		struct bpf_insn *instruction =
			(struct bpf_insn *)((char *)contents(object, target) + entries[i].r_offset);
		int map = number_of(maps, GUARD_MAPS, name);

		if (map < 0 || instruction->code != (BPF_LD | BPF_IMM | BPF_DW))
			fail("no map is called %s", name);
		instruction->src_reg = BPF_PSEUDO_MAP_FD;
		instruction->imm = map;
	}
}

static void write_program(const struct object *object, const Elf64_Shdr *section, int number,
			  FILE *output)
{
	const struct bpf_insn *instructions = contents(object, section);
	size_t count = section->sh_size / sizeof(*instructions);

	fprintf(output, "\nstatic const struct bpf_insn %s[] = {\n", programs[number]);
	for (size_t i = 0; i < count; i++) {
		const struct bpf_insn *one = &instructions[i];

		if (one->code == (BPF_JMP | BPF_CALL) && one->src_reg != 0)
			fail("%s calls something that is not the kernel's", programs[number]);
		fprintf(output,
			"\t{ .code = %#x, .dst_reg = %u, .src_reg = %u, .off = %d, .imm = %d },\n",
			one->code, one->dst_reg, one->src_reg, one->off, one->imm);
	}
	fprintf(output, "};\n");
}

int main(int argc, char **argv)
{
	struct object object;
	bool seen[GUARD_PROGRAMS] = { false };
	FILE *output;

	if (argc != 3)
		fail("usage: make-guard OBJECT %s", "OUTPUT.c");
	read_object(argv[1], &object);
	for (size_t i = 0; i < object.count; i++)
		if (object.sections[i].sh_type == SHT_REL)
			resolve(&object, &object.sections[i]);
	output = fopen(argv[2], "we");
	if (!output)
		fail("cannot write %s", argv[2]);
	fputs("/* Made by tools/make-guard of bpf/guard.bpf.c. */\n"
	      "#include \"network/guard_programs.h\"\n",
	      output);
	for (size_t i = 0; i < object.count; i++) {
		const char *name = object.names + object.sections[i].sh_name;
		int number;

		if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		number = number_of(programs, GUARD_PROGRAMS, name + strlen(PREFIX));
		if (number < 0)
			fail("a program %s is not known", name);
		seen[number] = true;
		write_program(&object, &object.sections[i], number, output);
	}
	fputs("\nconst struct guard_program guard_programs[GUARD_PROGRAMS] = {\n", output);
	for (int i = 0; i < GUARD_PROGRAMS; i++) {
		if (!seen[i])
			fail("there is no program %s", programs[i]);
		fprintf(output, "\t{ %s, sizeof(%s) / sizeof(*%s), \"%s\" },\n", programs[i],
			programs[i], programs[i], programs[i]);
	}
	fputs("};\n", output);
	if (fclose(output) != 0)
		fail("cannot write %s", argv[2]);
	free(object.bytes);
	return 0;
}
