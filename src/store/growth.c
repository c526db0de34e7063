// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"
#include "base/filesystem.h"
#include "store/growth.h"

#define MIB (1ULL << 20)
#define STEP_MOST (512 * MIB)
#define STEP_LEAST (4 * MIB)
#define BEGIN_MOST (1024 * MIB)
#define SHARE 8 /* of what the host has left, to be free in the store */
#define CUSHION_MOST (4096 * MIB)
#define CUSHION_LEAST (64 * MIB)
#define ENOUGH (32 * MIB)

/* In milliseconds. Looking costs two system calls. */
#define PAUSE_LEAST 10
#define PAUSE_MOST 2000
#define REFUSED_PAUSE 250
#define FIRST_PAUSE 100 /* many a command is over by then */

/* What a fast disk is written with in a millisecond: for so long a look can wait. */
#define BYTES_PER_MILLISECOND (4 * MIB)

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
	int64_t most = (int64_t)(available / BYTES_PER_MILLISECOND);

	if (available < growth->last_free || growth->pause == 0)
		growth->pause = PAUSE_LEAST;
	else
		growth->pause *= 2;
	if (most < PAUSE_LEAST)
		most = PAUSE_LEAST;
	if (most > PAUSE_MOST)
		most = PAUSE_MOST;
	if (growth->pause > most)
		growth->pause = most;
	growth->last_free = available;
	growth->next = clock_milliseconds() + growth->pause;
}

/* How much is to be free in the store, going by what the host has left. */
static uint64_t cushion(const struct store *store)
{
	uint64_t left;

	if (space_below(&store->space, &left) < 0)
		return 0;
	if (left / SHARE >= CUSHION_MOST)
		return CUSHION_MOST;
	/* on a small disk an eighth is written in less time than passes between two looks */
	if (left / SHARE < CUSHION_LEAST)
		return left / 2 < CUSHION_LEAST ? left / 2 : CUSHION_LEAST;
	return left / SHARE;
}

void growth_step(struct growth *growth, struct store *store)
{
	uint64_t available, wanted, step;

	if (growth_wait(growth, store) != 0 || filesystem_room(store->directory, &available) < 0)
		return;
	wanted = cushion(store);
	if (wanted < STEP_LEAST)
		wanted = STEP_LEAST;
	/* a step that is too small is not worth a look at once */
	step = wanted > available ? wanted - available : 0;
	if (step < wanted / 4) {
		look_again(growth, available);
		return;
	}
	/* the next step follows at once, when what else has happened was looked at */
	if (space_grow(&store->space, step < STEP_MOST ? step : STEP_MOST) == 0)
		return;
	/* no room, or a quota, which statfs(2) knows nothing of: the last of it is not taken ahead
	 */
	if (available >= ENOUGH || space_grow(&store->space, STEP_LEAST) < 0)
		growth->next = clock_milliseconds() + REFUSED_PAUSE;
}

void growth_begin(struct growth *growth, struct store *store)
{
	uint64_t wanted = cushion(store), available;

	if (wanted > BEGIN_MOST)
		wanted = BEGIN_MOST;
	/* the templates of large stores have as much from the start */
	if (filesystem_room(store->directory, &available) == 0 && available < wanted / 2)
		space_grow(&store->space, wanted - available);
	growth->next = clock_milliseconds() + FIRST_PAUSE;
}
