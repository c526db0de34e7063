// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records, as tools/make-templates packs them: little-endian, in ascending order of offset, which
 * like lengths is in bytes and a multiple of four.
 *
 *	u64 offset, u32 length, u32 width
 *	width 0:	length bytes as they are
 *	otherwise:	u32 first[width], u32 step[width]: word number n of the piece is
 *			first[n % width] + n / width * step[n % width]
 *
 * The latter makes fills (the bitmaps of full groups), the table of group descriptors and the
 * extents of the balloon a few bytes each.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/template.h"

#define BLOCK 4096
#define GROUP_BYTES (UINT64_C(32768) * BLOCK)
#define WIDTH_MOST 8

/* the superblock, and where it has what distinguishes one file system from another */
#define SUPERBLOCK 1024
#define SUPERBLOCK_SIZE 1024
#define SUPERBLOCK_UUID 0x68
#define SUPERBLOCK_HASH_SEED 0xec
#define UUID_SIZE 16

/* the table of group descriptors */
#define DESCRIPTORS BLOCK
#define DESCRIPTOR_SIZE 32
#define DESCRIPTOR_CHECKSUM 30

#define GATHERED (64 * 1024)
#define REPEATED 64 /* times the buffer in one call */

struct record {
	uint64_t offset;
	uint32_t length, width;
	const unsigned char *payload;
};

/* Gathers what is adjacent, so that a file system takes few system calls. */
struct writer {
	int file;
	uint64_t groups;
	uint64_t start; /* where in the file the buffer's bytes belong */
	size_t used;
	unsigned char uuid[UUID_SIZE], hash_seed[UUID_SIZE];
	uint16_t crc_uuid; /* every group's checksum begins with the UUID */
	uint16_t crc_table[256];
	/* pieces that got their identity: what is missing in the end was not in the records */
	unsigned superblocks;
	uint64_t descriptors;
};

static _Alignas(BLOCK) unsigned char buffer[GATHERED];

static uint32_t get_le32(const unsigned char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static void put_le32(unsigned char *bytes, uint32_t value)
{
	value = htole32(value);
	memcpy(bytes, &value, sizeof(value));
}

static void crc16_prepare(uint16_t table[256])
{
	for (unsigned byte = 0; byte < 256; byte++) {
		unsigned crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
		table[byte] = (uint16_t)crc;
	}
}

static uint16_t crc16(const uint16_t table[256], uint16_t crc, const unsigned char *bytes,
		      size_t size)
{
	for (size_t i = 0; i < size; i++)
		crc = (uint16_t)(crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff]);
	return crc;
}

/* Random bytes with the marks of a UUID of version 4. */
static int new_uuid(unsigned char uuid[UUID_SIZE])
{
	ssize_t count = getrandom(uuid, UUID_SIZE, 0);

	if (count != UUID_SIZE)
		return count < 0 ? -errno : -EIO;
	uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
	return 0;
}

/* Ext4's bg_checksum with uninit_bg: of the UUID, the group's number and the descriptor before. */
static void seal_descriptor(const struct writer *writer, uint32_t group, unsigned char *descriptor)
{
	unsigned char number[4];
	uint16_t crc;

	put_le32(number, group);
	crc = crc16(writer->crc_table, writer->crc_uuid, number, sizeof(number));
	crc = htole16(crc16(writer->crc_table, crc, descriptor, DESCRIPTOR_CHECKSUM));
	memcpy(descriptor + DESCRIPTOR_CHECKSUM, &crc, sizeof(crc));
}

/* Gives those of the buffer's bytes that carry it this file system's identity. */
static void identify(struct writer *writer)
{
	uint64_t end = writer->start + writer->used, group = 0;

	if (writer->start <= SUPERBLOCK && end >= SUPERBLOCK + SUPERBLOCK_SIZE) {
		unsigned char *superblock = buffer + (SUPERBLOCK - writer->start);

		memcpy(superblock + SUPERBLOCK_UUID, writer->uuid, UUID_SIZE);
		memcpy(superblock + SUPERBLOCK_HASH_SEED, writer->hash_seed, UUID_SIZE);
		writer->superblocks++;
	}
	if (writer->start > DESCRIPTORS)
		group = (writer->start - DESCRIPTORS + DESCRIPTOR_SIZE - 1) / DESCRIPTOR_SIZE;
	for (; group < writer->groups; group++) {
		uint64_t offset = DESCRIPTORS + group * DESCRIPTOR_SIZE;

		if (offset + DESCRIPTOR_SIZE > end)
			break;
		seal_descriptor(writer, (uint32_t)group, buffer + (offset - writer->start));
		writer->descriptors++;
	}
}

/* Writes @length bytes at @offset: the buffer's first @period bytes, again and again. Where these
 * are not all the same, @length is @period. */
static int write_buffer(const struct writer *writer, uint64_t offset, uint64_t length,
			size_t period)
{
	uint64_t done = 0;

	while (done < length) {
		struct iovec parts[REPEATED];
		uint64_t planned = done;
		ssize_t written;
		int count = 0;

		for (; count < REPEATED && planned < length; count++) {
			/* after a short write in the middle of a repetition */
			size_t skipped = (size_t)(planned % period);
			size_t part = period - skipped;

			if (part > length - planned)
				part = (size_t)(length - planned);
			parts[count].iov_base = buffer + skipped;
			parts[count].iov_len = part;
			planned += part;
		}
		written = pwritev(writer->file, parts, count, (off_t)(offset + done));
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -errno : -EIO;
		done += (uint64_t)written;
	}
	return 0;
}

static int flush(struct writer *writer)
{
	int error;

	identify(writer);
	error = write_buffer(writer, writer->start, writer->used, sizeof(buffer));
	writer->start += writer->used;
	writer->used = 0;
	return error;
}

static int write_literal(struct writer *writer, const struct record *record)
{
	size_t done = 0;

	while (done < record->length) {
		size_t part = sizeof(buffer) - writer->used;

		if (part > record->length - done)
			part = record->length - done;
		memcpy(buffer + writer->used, record->payload + done, part);
		writer->used += part;
		done += part;
		if (writer->used == sizeof(buffer)) {
			int error = flush(writer);

			if (error)
				return error;
		}
	}
	return 0;
}

static int write_series(struct writer *writer, const struct record *record)
{
	uint32_t word[WIDTH_MOST] = { 0 }, step[WIDTH_MOST] = { 0 }, place = 0;

	for (uint32_t i = 0; i < record->width; i++) {
		word[i] = get_le32(record->payload + i * 4);
		step[i] = get_le32(record->payload + (record->width + i) * 4);
	}
	for (uint32_t done = 0; done < record->length; done += 4) {
		put_le32(buffer + writer->used, word[place]);
		word[place] += step[place];
		place = place + 1 < record->width ? place + 1 : 0;
		writer->used += 4;
		if (writer->used == sizeof(buffer)) {
			int error = flush(writer);

			if (error)
				return error;
		}
	}
	return 0;
}

/* Is the piece one word over and over, and long enough not to be gathered? */
static bool is_fill(const struct record *record)
{
	return record->width == 1 && !get_le32(record->payload + 4) &&
	       record->length >= sizeof(buffer);
}

static int write_fill(struct writer *writer, const struct record *record)
{
	uint32_t word = get_le32(record->payload);
	int error = flush(writer);

	if (error)
		return error;
	for (size_t at = 0; at < sizeof(buffer); at += sizeof(word))
		put_le32(buffer + at, word);
	writer->start = record->offset + record->length;
	return write_buffer(writer, record->offset, record->length, sizeof(buffer));
}

/* Takes the record at *@at, which is left behind it. */
static int next_record(const struct template *template, size_t *at, struct record *ret_record)
{
	const unsigned char *head = template->records + *at;
	size_t left = template->length - *at;
	struct record record;
	uint64_t payload;

	if (left < 16)
		return -EINVAL;
	record.offset = get_le32(head) | (uint64_t)get_le32(head + 4) << 32;
	record.length = get_le32(head + 8);
	record.width = get_le32(head + 12);
	record.payload = head + 16;
	payload = record.width ? record.width * UINT64_C(8) : record.length;
	if (record.width > WIDTH_MOST || payload > left - 16 || record.offset % 4 ||
	    record.length % 4 || record.offset > template->bytes ||
	    record.length > template->bytes - record.offset)
		return -EINVAL;
	*at += 16 + (size_t)payload;
	*ret_record = record;
	return 0;
}

static int write_records(struct writer *writer, const struct template *template)
{
	for (size_t at = 0; at < template->length;) {
		struct record record;
		int error = next_record(template, &at, &record);

		/* ascending: nothing is written twice, so nothing unwrites an identity */
		if (!error && record.offset < writer->start + writer->used)
			error = -EINVAL;
		if (!error && record.offset != writer->start + writer->used) {
			error = flush(writer);
			writer->start = record.offset;
		}
		if (error)
			return error;
		if (!record.width)
			error = write_literal(writer, &record);
		else if (is_fill(&record))
			error = write_fill(writer, &record);
		else
			error = write_series(writer, &record);
		if (error)
			return error;
	}
	return flush(writer);
}

int template_write(const struct template *template, int file)
{
	struct writer writer = { .file = file };
	int error = new_uuid(writer.uuid);

	if (!error)
		error = new_uuid(writer.hash_seed);
	if (error)
		return error;
	crc16_prepare(writer.crc_table);
	writer.crc_uuid = crc16(writer.crc_table, 0xffff, writer.uuid, UUID_SIZE);
	writer.groups = (template->bytes + GROUP_BYTES - 1) / GROUP_BYTES;
	error = write_records(&writer, template);
	if (!error && (writer.superblocks != 1 || writer.descriptors != writer.groups))
		error = -EINVAL;
	return error;
}

const struct template *template_choose(enum template_kind kind, uint64_t bytes)
{
	for (size_t i = 0; i < templates_count; i++)
		if (templates[i].kind == kind && templates[i].usable >= bytes)
			return &templates[i];
	return NULL;
}

const struct template *template_outer_of(const struct template *inner)
{
	for (size_t i = 0; i + 1 < templates_count; i++)
		if (&templates[i] == inner && templates[i].kind == TEMPLATE_INNER)
			return &templates[i + 1];
	return NULL;
}
