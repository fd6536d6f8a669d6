/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The processes that have talked to AI hosts, readable or not, for who asks about a process. Bounded: when
 * full, those that have ended are forgotten, then all. Any thread. */

#include <stddef.h>
#include <stdint.h>

#define TALKERS_MAX 4096U

struct talkers;

struct talker {
	uint32_t pid;
	uint64_t start_boot_ns; /* tells apart processes that reused a pid */
};

int talkers_new(struct talkers **ret_talkers); /* 0; -ENOMEM */
void talkers_free(struct talkers **talkers);

/* Without memory it is not noted. */
void talkers_note(struct talkers *talkers, uint32_t pid, uint64_t start_boot_ns);

/* How many were given, at most max, in no order. */
size_t talkers_list(struct talkers *talkers, struct talker *ret_list, size_t max);
