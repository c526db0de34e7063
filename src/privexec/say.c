// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "privexec/words.h"

static bool raw_terminal;

void words_set_raw(bool raw)
{
	raw_terminal = raw;
}

void words_clean(char *text, size_t length, bool keep_lines)
{
	unsigned char previous = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		/* U+0080 to U+009F are controls too: C2 80 to C2 9F */
		bool wide = previous == 0xc2 && c >= 0x80 && c <= 0x9f;
		bool control = c < ' ' || c == 0x7f || wide;

		if (control && !(keep_lines && (c == '\n' || c == '\t')))
			text[i] = '?';
		if (wide)
			text[i - 1] = '?';
		previous = c;
	}
}

void words_say(const char *format, ...)
{
	char text[MESSAGE_TEXT_MAX + 256], line[sizeof(text) + 16];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	words_clean(text, strlen(text), false);
	length = snprintf(line, sizeof(line), "privexec: %s%s\n", text, raw_terminal ? "\r" : "");
	descriptor_write_all(STDERR_FILENO, line, (size_t)length);
}
