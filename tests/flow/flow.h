/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A search for flows: processes of two sessions and of the public make random system calls on
 * objects whose names all of them know, and look at all that they get for somebody else's canary.
 * What is found is an arrival.
 *
 * main.c      options; one worker's steps
 * stage.c     what starts the three roles, gives them what they share, and ends them
 * scene.c     the names that are common to all
 * canary.c    canaries, and how they are known without being there
 * files.c, descriptors.c, sockets.c, ipc.c, processes.c, spaces.c    the calls
 *
 * A call that is added must stay harmless where a protection is missing, for root too: nothing but
 * objects of the scene, no signal to anybody but its processes, nothing that grows.
 */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum role { ROLE_A, ROLE_B, ROLE_PUBLIC, ROLES };
#define ROLE_LETTER(role) ("ABC"[role])

/* What an arrival came by. --without takes their names. */
enum kind {
	KIND_FILE,
	KIND_NAME,
	KIND_LINK,
	KIND_ATTRIBUTE,
	KIND_FIFO,
	KIND_WATCH,
	KIND_INHERITED,
	KIND_INPUT,
	KIND_TERMINAL,
	KIND_DESCRIPTOR,
	KIND_UNIX,
	KIND_ABSTRACT,
	KIND_ABSTRACT_INWARD,
	KIND_BOUND_NAME,
	KIND_TCP,
	KIND_UDP,
	KIND_GROUP,
	KIND_NETLINK,
	KIND_SHARED_MEMORY,
	KIND_MESSAGE,
	KIND_SEMAPHORE,
	KIND_QUEUE,
	KIND_KEY,
	KIND_SIGNAL,
	KIND_MEMORY,
	KIND_PROCESS_FILE,
	KIND_PROCESS_NAME,
	KIND_SPACE,
	KINDS
};
extern const char *const kind_names[KINDS];

#define CANARY_SIZE 24
#define WINDOW 8 /* that much of a canary is an arrival */

/* The canaries of others: hashes of all their windows. So nobody's memory holds them. */
struct canaries {
	uint64_t hashes[ROLES][CANARY_SIZE];
	uint8_t bits[512]; /* which hashes there may be, by their upper bits */
};

/* One's own canary goes to @canary. It is a word of letters and digits. */
void canary_make(uint64_t seed, enum role role, char canary[CANARY_SIZE]);
void canaries_learn(struct canaries *canaries, uint64_t seed, enum role role);
/* Whose canary is in @bytes: its role, or -1. */
int canaries_find(const struct canaries *canaries, const void *bytes, size_t size);

#define DIRECTORIES_MAX 8
#define COLLECTORS_MAX 8
#define NAMES 3 /* of each kind of object, in each place */

/* Names that all roles know, and what they find in the scene's directory. */
struct scene {
	uint64_t seed;
	const char *directory; /* the public's, where the board is */
	char prefix[24];       /* of every name */
	const char *directories[DIRECTORIES_MAX];
	unsigned directory_count;
	pid_t stage, collectors[COLLECTORS_MAX];
	unsigned collector_count;
	char terminal[64];
	bool is_root;
	uint64_t without; /* bits of enum kind */
};

void scene_open(struct scene *scene, uint64_t seed, const char *directory);
/* What the stage knows goes to a file that the roles read. */
int scene_write_board(const struct scene *scene);
void scene_read_board(struct scene *scene);
int scene_sysv_key(const struct scene *scene, unsigned number);
/* Removes all that can have the scene's names. */
void scene_remove(const struct scene *scene);

static inline bool scene_has(const struct scene *scene, enum kind kind)
{
	return !(scene->without & 1ULL << kind);
}

/* Descriptors that the stage makes and everybody inherits who is not kept from it. */
enum inherited {
	INHERITED_FILE = 20,
	INHERITED_PIPE_READ,
	INHERITED_PIPE_WRITE,
	INHERITED_SOCKET,
	INHERITED_SOCKET_END,
	INHERITED_MEMORY,
	INHERITED_DIRECTORY,
	INHERITED_END,
};
#define TERMINAL_MASTER 30 /* of the collectors alone */

/* At one address in every process: what others can read there, and where they can write. */
struct mailbox {
	char own[512], inbox[512];
};
#define MAILBOX ((struct mailbox *)0x7e0000000000)

#define SLOTS 48
struct slot {
	int descriptor; /* -1: none */
	enum kind kind;
};

struct call;
#define CALLS_MAX 96

/* What all workers of a role write to. */
struct tally {
	uint64_t steps;
	struct {
		uint64_t made, succeeded;
	} calls[CALLS_MAX];
	uint8_t arrived[KINDS][ROLES];
	uint8_t stop;
};

/* One worker. */
struct flow {
	struct scene scene;
	struct canaries canaries;
	struct tally *tally;
	const struct call *call; /* the one that is being made */
	enum role role;
	unsigned worker, depth; /* depth: in how many spaces of its own it is */
	uint64_t random, step;
	bool own_users, own_mounts; /* namespaces; it may mount only where nobody else sees it */
	struct slot slots[SLOTS];
	char canary[CANARY_SIZE];
};

enum {
	GIVES = 1,  /* the public gives seldom */
	NESTS = 2,  /* not in a space in a space */
	MOUNTS = 4, /* only among mounts of one's own */
	/* Not by the public where it is root: root who looks into others is outside of what
	 * privexec protects against, and owns the user namespaces of all sessions. */
	LOOKS_IN = 8,
};

struct call {
	const char *name;
	enum kind kind;
	unsigned weight;
	unsigned what;
	int (*make)(struct flow *flow); /* 0 or a negative errno */
};

extern const struct call file_calls[], descriptor_calls[], socket_calls[], ipc_calls[],
	process_calls[], space_calls[]; /* each ends with a call without a name */

/* A number below @below, the next of the worker's. */
unsigned draw(struct flow *flow, unsigned below);
/* Fills @bytes with what is one's own to give. Returns @size. */
size_t payload(struct flow *flow, void *bytes, size_t size);
/* Everything that was got goes through here. */
void taken(struct flow *flow, enum kind kind, const char *object, const void *bytes, ssize_t size);
/* Reads what is there, waiting a moment for it. */
int take_from(struct flow *flow, enum kind kind, const char *object, int descriptor);
int give_to(struct flow *flow, int descriptor);
/* A name of an object of the scene, such as "/tmp/flow-1234-f0". */
void draw_path(struct flow *flow, char *path, size_t size, char letter);
/* The slot owns @descriptor from here on. */
void slot_fill(struct flow *flow, enum kind kind, int descriptor);
struct slot *slot_draw(struct flow *flow);
/* One of a kind in [first, last], or NULL. */
struct slot *slot_draw_kind(struct flow *flow, enum kind first, enum kind last);
bool wait_for(int descriptor, short events, int milliseconds);

void flow_steps(struct flow *flow, uint64_t steps);
/* Has a child make @prepare and then some steps, for a moment. */
int flow_nest(struct flow *flow, int (*prepare)(struct flow *flow), unsigned steps);

struct stage {
	struct scene scene;
	unsigned workers, seconds;
	bool until_arrival;
	char **words;		       /* what starts a session, or NULL where none shall be */
	const char *program, *without; /* itself; the option, as it was given */
};
int stage_run(struct stage *stage);
/* A role's workers, until the time is over. */
int role_run(const struct scene *scene, enum role role, unsigned workers, unsigned seconds);
/* In a worker: never returns. @tally is shared with others. */
_Noreturn void worker_run(const struct scene *scene, enum role role, unsigned worker,
			  struct tally *tally, unsigned seconds);
/* The stage blocks those that are sent, and everybody has that from it, from the first moment on.
 */
void hold_signals(void);
struct tally *tally_make(void);
void tally_print(const struct scene *scene, const struct tally *tally, enum role role);

#endif
