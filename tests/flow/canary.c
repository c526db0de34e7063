// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "flow.h"

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void canary_make(uint64_t seed, enum role role, char canary[CANARY_SIZE])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint64_t state = mix(seed + 1) + (uint64_t)role * 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < CANARY_SIZE; i++) {
		state = mix(state + i + 1);
		canary[i] = letters[state % (sizeof(letters) - 1)];
	}
}

void canaries_learn(struct canaries *canaries, uint64_t seed, enum role role)
{
	char twice[2 * CANARY_SIZE];

	canary_make(seed, role, twice);
	memcpy(twice + CANARY_SIZE, twice, CANARY_SIZE);
	/* it is given repeatedly, one after the other: so windows go around its end */
	for (size_t i = 0; i < CANARY_SIZE; i++) {
		uint64_t window;

		memcpy(&window, twice + i, WINDOW);
		window = mix(window);
		canaries->hashes[role][i] = window;
		canaries->bits[window >> 55] |= (uint8_t)(1 << (window >> 52 & 7));
	}
	explicit_bzero(twice, sizeof(twice));
}

int canaries_find(const struct canaries *canaries, const void *bytes, size_t size)
{
	for (size_t at = 0; at + WINDOW <= size; at++) {
		uint64_t window;

		memcpy(&window, (const char *)bytes + at, WINDOW);
		window = mix(window);
		if (!(canaries->bits[window >> 55] & 1 << (window >> 52 & 7)))
			continue;
		for (int role = 0; role < ROLES; role++)
			for (size_t i = 0; i < CANARY_SIZE; i++)
				if (window && canaries->hashes[role][i] == window)
					return role;
	}
	return -1;
}
