/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The programs of bpf/block.bpf.c and their maps. Nothing is pinned: what they refuse ends with this process.
 * One thread. Used inside this stage only. */

#include <stdint.h>

#include "include/block.h"

struct block_programs;

/* Loads them without attaching. cgroup: where cgroup v2 is mounted. address_age_ns: how long an address
 * counts as an AI host's after a ClientHello went there. 0; negative errno, with one line in *ret_error,
 * which the caller frees. */
int block_programs_load(struct block_programs **ret_programs, uint64_t address_age_ns, char **ret_error);
void block_programs_free(struct block_programs **programs);

/* Beside the programs of others, which keep their say. Errors as above. */
int block_programs_attach(struct block_programs *programs, const char *cgroup, char **ret_error);

/* From now on, until then. Does nothing else to a block there is but to change its end. 0; negative errno:
 * nothing is blocked. */
int block_programs_block(struct block_programs *programs, const struct block_key *key, uint64_t until_ns);

/* Ends a block, if it is there, and says what it refused. */
void block_programs_unblock(struct block_programs *programs, const struct block_key *key,
			    struct block_refusals *ret_refusals);

/* An AI host is there. */
int block_programs_learn(struct block_programs *programs, const struct block_address *address,
			 uint64_t seen_ns);

/* Takes what is known of a socket's connect(). 0; -ENOENT. */
int block_programs_take_connect(struct block_programs *programs, uint64_t cookie,
				struct block_connect *ret_connect);
