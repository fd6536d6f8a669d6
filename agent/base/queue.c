/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct item {
	void *ptr;
	uint64_t weight;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	struct item *items; /* ring of max_items */
	size_t max_items, head, len;
	uint64_t max_weight, weight, waits;
	bool closed;
};

int queue_new(struct queue **ret_queue, size_t max_items, uint64_t max_weight)
{
	struct queue *q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->items = calloc(max_items, sizeof(*q->items));
	if (!q->items) {
		free(q);
		return -ENOMEM;
	}
	q->max_items = max_items;
	q->max_weight = max_weight;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->not_empty, &attr);
	pthread_cond_init(&q->not_full, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&q->lock, NULL);
	*ret_queue = q;
	return 0;
}

void queue_free(struct queue **queue)
{
	struct queue *q = *queue;
	if (!q)
		return;
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->not_empty);
	pthread_cond_destroy(&q->not_full);
	free(q->items);
	free(q);
	*queue = NULL;
}

static bool has_room(const struct queue *q, uint64_t weight)
{
	return q->len == 0 || (q->len < q->max_items && q->weight + weight <= q->max_weight);
}

/* Waits for the condition until end_ns (monotonic; UINT64_MAX: no limit). False: it is over. */
static bool wait_until(struct queue *q, pthread_cond_t *cond, uint64_t end_ns)
{
	const struct timespec end = {
		.tv_sec = (time_t)(end_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(end_ns % NSEC_PER_SEC),
	};
	if (end_ns == UINT64_MAX)
		return pthread_cond_wait(cond, &q->lock) == 0;
	return pthread_cond_timedwait(cond, &q->lock, &end) != ETIMEDOUT;
}

static uint64_t end_of(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : clock_mono_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
}

int queue_push_timed(struct queue *q, void *item, uint64_t weight, int timeout_ms)
{
	int r = 0;

	pthread_mutex_lock(&q->lock);
	if (!has_room(q, weight)) {
		uint64_t end_ns = end_of(timeout_ms);
		q->waits++;
		while (!q->closed && !has_room(q, weight) && wait_until(q, &q->not_full, end_ns))
			;
	}
	if (q->closed)
		r = -ESHUTDOWN;
	else if (!has_room(q, weight))
		r = -EAGAIN;
	if (r == 0) {
		q->items[(q->head + q->len) % q->max_items] = (struct item){item, weight};
		q->len++;
		q->weight += weight;
		pthread_cond_signal(&q->not_empty);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

bool queue_push(struct queue *q, void *item, uint64_t weight)
{
	return queue_push_timed(q, item, weight, -1) == 0;
}

size_t queue_pop(struct queue *q, void **ret_items, size_t max, int timeout_ms, bool *ret_closed)
{
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	uint64_t end_ns = end_of(timeout_ms);
	while (q->len == 0 && !q->closed && wait_until(q, &q->not_empty, end_ns))
		;
	while (n < max && q->len > 0) {
		ret_items[n++] = q->items[q->head].ptr;
		q->weight -= q->items[q->head].weight;
		q->head = (q->head + 1) % q->max_items;
		q->len--;
	}
	*ret_closed = n == 0 && q->closed;
	if (n)
		pthread_cond_broadcast(&q->not_full);
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->not_empty);
	pthread_cond_broadcast(&q->not_full);
	pthread_mutex_unlock(&q->lock);
}

unsigned int queue_fill(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t items = q->len * 100 / q->max_items, weight = q->weight * 100 / q->max_weight;
	pthread_mutex_unlock(&q->lock);
	return (unsigned int)(items > weight ? items : weight);
}

uint64_t queue_waits(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t waits = q->waits;
	pthread_mutex_unlock(&q->lock);
	return waits;
}
