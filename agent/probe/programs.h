/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The BPF programs and maps: load, set up, attach one function, read tables. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/records.h"
#include "probe/functions.h"

struct programs;

struct programs_options {
	uint64_t ring_size; /* bytes; a power of two and a multiple of the page size */
	uint64_t max_call;  /* bytes of one call that are copied */
	char *const *hosts; /* patterns, lower case: "name" or "*.suffix" */
	size_t n_hosts;
};

/* Loads the programs, fills the host table and attaches to exec and exit. On failure *ret_error is one line
 * that says what is missing (the caller frees it). 0; -EPERM: not permitted; -EOPNOTSUPP: this kernel cannot;
 * -EINVAL: a host pattern is too long; other negative errno. */
int programs_load(struct programs **ret_programs, const struct programs_options *options, char **ret_error);
void programs_free(struct programs **programs);

int programs_ring_fd(const struct programs *programs);

/* Links of one function (entry, and return where it carries data), closed by programs_detach(). */
struct programs_link;
/* path: of the file, opened by the kernel during the call. 0; negative errno. */
int programs_attach(struct programs *programs, enum probe_function function, const char *path,
		    uint64_t file_offset, struct programs_link **ret_link);
void programs_detach(struct programs_link **link);

/* 0; negative errno. Any thread. */
int programs_counters(const struct programs *programs, struct counter_value ret_values[static COUNTER_MAX]);

/* The kernel's entry of a connection. 0; -ENOENT: none, or the place is another connection's by now. */
int programs_conn_find(const struct programs *programs, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn);
/* The same, and removes it. */
int programs_conn_take(struct programs *programs, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn);

/* Removes the entries of processes that are gone, and of images that were replaced. Cheap when no process has
 * ended with connections unless `all` is set: then it walks the whole table. Number of connections removed.
 * Any thread, but one at a time. */
size_t programs_sweep(struct programs *programs, bool all);
