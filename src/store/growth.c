// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"
#include "store/growth.h"

#define STEP (512ULL << 20)
#define SMALL_STEP (32ULL << 20)
#define FIRST_STEP (1ULL << 30)

/* Looking costs a system call; a cushion lasts for seconds at the speed of the fastest disks. */
#define PAUSE_LEAST 20
#define PAUSE_MOST 500
#define REFUSED_PAUSE 250

int growth_wait(const struct growth *growth, const struct store *store)
{
	int64_t left;

	if (space_to_come(&store->space) == 0)
		return -1;
	left = growth->next - clock_milliseconds();
	return left > 0 ? (int)left : 0;
}

static void look_again(struct growth *growth, uint64_t available)
{
	if (available < growth->last_free || growth->pause == 0)
		growth->pause = PAUSE_LEAST;
	else if (growth->pause < PAUSE_MOST)
		growth->pause *= 2;
	growth->last_free = available;
	growth->next = clock_milliseconds() + growth->pause;
}

void growth_step(struct growth *growth, struct store *store)
{
	uint64_t available;

	if (growth_wait(growth, store) != 0 || store_free(store, &available) < 0)
		return;
	if (available >= growth->cushion) {
		look_again(growth, available);
		return;
	}
	/* the next step follows at once, when what else has happened was looked at */
	if (space_grow(&store->space, STEP) < 0 && space_grow(&store->space, SMALL_STEP) < 0)
		growth->next = clock_milliseconds() + REFUSED_PAUSE;
}

void growth_begin(struct store *store)
{
	if (space_grow(&store->space, FIRST_STEP) < 0)
		space_grow(&store->space, SMALL_STEP);
}
