/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Requests of one connection that are not settled yet: unfinished, or without their whole response. In order.
 * Embedded by value; entries are borrowed pointers until the next change of the queue. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/head.h"
#include "http/message.h"

struct pending {
	uint64_t exchange;
	uint64_t peer; /* read position of the client at the request's first byte; never falls from entry to
			  entry */
	uint64_t end;  /* done: position after its last byte */
	enum http_method_kind kind;
	bool upgrade;		       /* it asks to go on as WebSocket */
	bool done;		       /* the request was given */
	bool answered;		       /* its response has begun, or was given up */
	struct http_message *response; /* owned: ended, and waiting for the request to end */
	uint64_t lost;		       /* bytes that were not captured where its response should be */
	enum gap_reason lost_reason;
};

struct pending_queue {
	struct pending *entries; /* owned */
	size_t first, n, cap;
};

void pending_done(struct pending_queue *q);

/* A zeroed entry at the end. 0; -ENOMEM. */
int pending_push(struct pending_queue *q, struct pending **ret_entry);
void pending_remove(struct pending_queue *q, struct pending *entry);

struct pending *pending_at(struct pending_queue *q, size_t i);
/* NULL: not there. */
struct pending *pending_find(struct pending_queue *q, uint64_t exchange);
struct pending *pending_last(struct pending_queue *q);
struct pending *pending_first_unanswered(struct pending_queue *q);
/* The last one whose `peer` is at most that position. */
struct pending *pending_before(struct pending_queue *q, uint64_t position);
/* The smallest `peer` in (from, to), or `to`. */
uint64_t pending_boundary(struct pending_queue *q, uint64_t from, uint64_t to);
