/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Emptying a memory store, so that whoever still holds its mount holds nothing. */
#ifndef PRIVEXEC_STORE_EMPTY_H
#define PRIVEXEC_STORE_EMPTY_H

/*
 * Removes everything below the directory @root. Uses a fixed number of descriptors and no memory,
 * however deep the tree: what lies too deep is first moved up to @root. Goes on after
 * errors; returns the number of entries that could not be removed.
 */
unsigned store_empty(int root);

#endif
