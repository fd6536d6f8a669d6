/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A bounded queue of pointers between threads. What is pushed belongs to the queue, then to who pops it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* At most max_items, and at most max_weight unless the queue is empty (one item may be heavier). 0; -ENOMEM.
 */
int queue_new(struct queue **ret_queue, size_t max_items, uint64_t max_weight);
void queue_free(struct queue **queue); /* must be empty */

/* Waits for room. False: the queue is closed, the item stays the caller's. */
bool queue_push(struct queue *queue, void *item, uint64_t weight);

/* The same, for at most timeout_ms (0: not at all). 0; -EAGAIN: still no room; -ESHUTDOWN: closed. */
int queue_push_timed(struct queue *queue, void *item, uint64_t weight, int timeout_ms);

/* Up to max items, waiting until there is one or timeout_ms has passed (-1: no limit).
 * The number given; 0 with *ret_closed true: closed and empty. */
size_t queue_pop(struct queue *queue, void **ret_items, size_t max, int timeout_ms, bool *ret_closed);

/* No more pushes; what is inside can still be popped. */
void queue_close(struct queue *queue);

/* How full it is, in percent of the nearer of its two bounds; over 100 with one item that is heavier. */
unsigned int queue_fill(struct queue *queue);

/* Times that a push had to wait. */
uint64_t queue_waits(struct queue *queue);
