/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What front, keeper and init say to each other once a session is being made. Each packet is one
 * byte of enum message_type, then that type's body. All processes come from one build and live on
 * one machine, so bodies are plain structures; texts are UTF-8 without a final NUL.
 */
#ifndef PRIVEXEC_CONTROL_MESSAGE_H
#define PRIVEXEC_CONTROL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "control/choices.h"

#define MESSAGE_TEXT_MAX 2000
#define SESSION_ID_LENGTH 8

enum message_type {
	/* keeper to front */
	MESSAGE_ERROR = 'E',   /* text: the one line; the keeper exits after it */
	MESSAGE_WARNING = 'W', /* text: a line for the person, the session goes on */
	MESSAGE_DEBUG = 'D',   /* text: a line for --debug */
	MESSAGE_PLAN = 'P',    /* text: the next piece of what --dry-run prints */
	MESSAGE_STARTED = 'S', /* struct message_started: all is made, nothing runs yet */
	MESSAGE_ENDED = 'X',   /* struct message_ended: the session is gone; last packet */

	/* init to front */
	MESSAGE_READY = 'r',   /* struct message_terminal; with the pty's outer end where there is
				* one; init waits for MESSAGE_GO */
	MESSAGE_STOPPED = 'z', /* uint8_t signal: the command was stopped by it */
	MESSAGE_WANTS_TERMINAL = 't', /* a lazy command tried to use the terminal; MESSAGE_CONTINUE
				       * answers once the front relays input */
	MESSAGE_EXITED = 'x', /* int32_t exit status of the command (0..255), to say so early */
	MESSAGE_CANNOT_EXECUTE = 'e', /* int32_t errno, then text: the command's name */
	MESSAGE_NO_DIRECTORY = 'd',   /* int32_t errno: the working directory cannot be entered */
	MESSAGE_SURVIVORS = 'k',      /* struct message_survivors: processes init had to end */

	/* front to init */
	MESSAGE_GO = 'g',	/* start the command */
	MESSAGE_SIGNAL = 's',	/* struct message_signal: deliver it */
	MESSAGE_CONTINUE = 'c', /* go on after STOPPED or WANTS_TERMINAL; uint8_t 1: put the command
				 * in the terminal's foreground */
	MESSAGE_RESOLVER = 'n', /* with one descriptor: the host's new resolv.conf */
};

struct message_started {
	char id[SESSION_ID_LENGTH + 1]; /* hexadecimal */
	char store[48];			/* words of the first line, e.g. "memory 2.9 GiB" */
	char swap[48];			/* "never (no swap active)" */
	char network[64];		/* "none", "host (guarded)" */
	char labels[16];		/* "off" */
	char closing[80];		/* empty when closed; else how the session is open */
	char authority[32];		/* "root", "file capabilities", "setuid" */
	uint64_t size;			/* bytes of the store */
	int32_t keeper, init;		/* process ids, as the host sees them */
	uint8_t said_less;		/* the store is smaller than asked for */
};

struct message_ended {
	int32_t status;	 /* 0..255, what the front exits with */
	uint64_t bytes;	 /* in the store at the end, all discarded */
	uint64_t files;	 /* inodes in the store at the end, without the empty view's own */
	char cause[256]; /* why the session was ended before its command did; else empty */
};

struct message_terminal {
	uint8_t present; /* the session has a terminal of its own: its outer end comes along */
};

struct message_signal {
	uint8_t number;
	uint8_t group; /* to the command's process group, not to it alone */
};

struct message_survivors {
	uint32_t terminated; /* ended by SIGTERM */
	uint32_t killed;     /* needed SIGKILL: after five seconds, or two when the front died */
	char names[512];     /* "sleep, dd, ..." of both, as many as fit */
};

#endif
