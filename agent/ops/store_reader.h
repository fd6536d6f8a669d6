/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reads the store, also while the agent writes to it. Read-only; no transaction stays open between two calls,
 * so a slow reader never keeps the agent's log from being written back. One thread. */

#include <stddef.h>
#include <stdint.h>

struct store_reader;

struct store_row {
	int64_t seq;
	char *body; /* owned; NUL-terminated */
	size_t len;
};

/* path: not NULL. In *ret_error a plain sentence that says what is wrong and what to do (the caller frees it;
 * NULL without memory). 0; -ENOENT: no store; -EACCES; -EBADMSG: not a store, or newer than this program;
 * -EBUSY; -EIO; -ENOMEM. */
int store_reader_open(struct store_reader **ret_reader, const char *path, char **ret_error);
void store_reader_free(struct store_reader **reader);

/* The seq after which the newest n events follow. 0; negative errno. */
int store_reader_before_last(struct store_reader *reader, uint64_t n, int64_t *ret_seq);

/* The first event after a seq, of one exchange if message_id is not NULL. 1: *ret_row is filled; 0: there is
 * none; negative errno (-EBUSY: try again). */
int store_reader_next(struct store_reader *reader, const char *message_id, int64_t after,
		      struct store_row *ret_row);
void store_row_done(struct store_row *row);

/* Message ids that begin with prefix (lower-case hex digits and dashes), at most max, oldest first: *ret_ids
 * is an array of owned strings in one allocation, to be freed by the caller. Their number; negative errno. */
#define STORE_ID_LEN 37
int store_reader_find(struct store_reader *reader, const char *prefix, size_t max,
		      char (**ret_ids)[STORE_ID_LEN]);
