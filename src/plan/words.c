// SPDX-License-Identifier: GPL-2.0-or-later
#include "plan/print.h"

const char *node_kind_word(enum node_kind kind)
{
	switch (kind) {
	case NODE_OVERLAY_RW:
		return "overlay";
	case NODE_OVERLAY_RO:
		return "overlay-ro";
	case NODE_BIND_RO:
		return "bind-ro";
	case NODE_SKELETON:
		return "skeleton";
	case NODE_COVER:
		return "cover";
	case NODE_FRESH:
		return "fresh";
	case NODE_PASS:
		return "pass";
	}
	return "unknown";
}

const char *fresh_word(enum fresh_kind fresh)
{
	switch (fresh) {
	case FRESH_NOT:
		break;
	case FRESH_PROC:
		return "proc";
	case FRESH_SYS:
		return "sysfs";
	case FRESH_DEV:
		return "dev";
	case FRESH_DEVPTS:
		return "devpts";
	case FRESH_SHM:
		return "shm";
	case FRESH_MQUEUE:
		return "mqueue";
	case FRESH_RUNTIME:
		return "runtime";
	case FRESH_SEALED:
		return "sealed";
	case FRESH_EMPTY:
		return "empty";
	}
	return "not";
}

const char *authority_word(enum authority_kind authority)
{
	return authority == AUTHORITY_CAPABILITIES ? "capabilities" : "user-namespace";
}

const char *closing_word(enum closing_kind closing)
{
	switch (closing) {
	case CLOSING_IDENTITY:
		return "identity";
	case CLOSING_SHIFTED:
		return "shifted";
	case CLOSING_NONE:
		break;
	}
	return "none";
}

const struct choice choices_inherit[] = {
	{ "noexec", INHERIT_NOEXEC },
	{ "nosymfollow", INHERIT_NOSYMFOLLOW },
	{ "ro", INHERIT_READ_ONLY },
	{ NULL, 0 },
};

size_t character_length(const char *text)
{
	/* the least code point of a length tells overlong forms */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)text[0];
	uint32_t point;
	size_t length;

	if (first < 0x80)
		return first != 0;
	if (first < 0xc0 || first > 0xf7)
		return 0;
	length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	point = first & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		/* a NUL is no continuation, so nothing behind the text's end is read */
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return length;
}
