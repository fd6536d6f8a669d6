/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The BPF programs and maps: load, set up, attach one function, read tables. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/records.h"
#include "probe/features.h"
#include "probe/functions.h"

struct programs;

struct programs_options {
	uint64_t ring_size; /* bytes; a power of two and a multiple of the page size */
	uint64_t max_call;  /* bytes of one call that are copied */
	char *const *hosts; /* patterns, lower case: "name" or "*.suffix" */
	size_t n_hosts;
	bool reads;			 /* false: no program is probed, ClientHellos are looked at only */
	unsigned int roles;		 /* bits by enum record_role (capture.roles) */
	bool args;			 /* tell programs' arguments, too (identity.args) */
	const struct features *features; /* borrowed for the call */
};

/* What is in use; why not, where it is not (static text), or NULL. */
struct programs_state {
	bool reads;	     /* programs are probed */
	const char *sockets; /* "sock_send_length", "tcp_sendmsg", or NULL: only SSL_set_fd tells */
	bool hello;	     /* ClientHellos are looked at */
	const char *why_no_hello;
};

/* Loads the programs, fills the host table and attaches to exec and exit. On failure *ret_error is one line
 * that says what is missing (the caller frees it). 0; -EPERM: not permitted; -EOPNOTSUPP: this kernel cannot
 * (without probes: not even look at ClientHellos); -EINVAL: a host pattern is too long; other negative errno.
 */
int programs_load(struct programs **ret_programs, const struct programs_options *options, char **ret_error);
void programs_free(struct programs **programs);

int programs_ring_fd(const struct programs *programs);

/* For attachment_new(). With features.multi the multi programs are loaded, else those of each function. */
struct bpf_program;
bool programs_has_multi(const struct programs *programs);
bool programs_has_cookie(const struct programs *programs);
int programs_multi_fd(const struct programs *programs, bool is_return);
struct bpf_program *programs_entry(const struct programs *programs, enum probe_function function);
struct bpf_program *programs_return(const struct programs *programs);

/* 0; negative errno. Any thread. */
int programs_counters(const struct programs *programs, struct counter_value ret_values[static COUNTER_MAX]);

/* The kernel's entry of a connection. 0; -ENOENT: none, or the place is another connection's by now. */
int programs_conn_find(const struct programs *programs, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn);
/* The same, and removes it. */
int programs_conn_take(struct programs *programs, const struct conn_key *key, uint64_t conn_id,
		       struct conn *ret_conn);

/* What the agent orders for one connection. ORDER_SKIP: bytes of this direction before offset `until` are not
 * copied, a gap (RECORD_LOSS_SKIPPED) stands for them. 0; -ENOENT: no such connection any more; other
 * negative errno. Any thread. */
int programs_order(struct programs *programs, const struct conn_key *key, uint64_t conn_id,
		   enum conn_order order, enum record_dir dir, uint64_t until);

/* Bytes of a socket that a record_hello told of. 0; -ENOENT. Any thread. */
int programs_flow_find(const struct programs *programs, uint64_t cookie, struct flow *ret_flow);
void programs_flow_remove(struct programs *programs, uint64_t cookie);

struct programs_state programs_state(const struct programs *programs);

/* Removes the entries of processes that are gone, and of images that were replaced. Cheap when no process has
 * ended with connections unless `all` is set: then it walks the whole table. Number of connections removed.
 * Any thread, but one at a time. */
size_t programs_sweep(struct programs *programs, bool all);
