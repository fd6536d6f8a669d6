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

bool queue_push(struct queue *q, void *item, uint64_t weight)
{
	pthread_mutex_lock(&q->lock);
	if (!has_room(q, weight))
		q->waits++;
	while (!q->closed && !has_room(q, weight))
		pthread_cond_wait(&q->not_full, &q->lock);
	bool open = !q->closed;
	if (open) {
		q->items[(q->head + q->len) % q->max_items] = (struct item){item, weight};
		q->len++;
		q->weight += weight;
		pthread_cond_signal(&q->not_empty);
	}
	pthread_mutex_unlock(&q->lock);
	return open;
}

/* Must hold the lock. */
static void wait_for_item(struct queue *q, int timeout_ms)
{
	struct timespec end;

	if (timeout_ms < 0) {
		while (q->len == 0 && !q->closed)
			pthread_cond_wait(&q->not_empty, &q->lock);
		return;
	}
	uint64_t end_ns = clock_mono_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
	end.tv_sec = (time_t)(end_ns / NSEC_PER_SEC);
	end.tv_nsec = (long)(end_ns % NSEC_PER_SEC);
	while (q->len == 0 && !q->closed)
		if (pthread_cond_timedwait(&q->not_empty, &q->lock, &end) == ETIMEDOUT)
			return;
}

size_t queue_pop(struct queue *q, void **ret_items, size_t max, int timeout_ms, bool *ret_closed)
{
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	wait_for_item(q, timeout_ms);
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

uint64_t queue_waits(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t waits = q->waits;
	pthread_mutex_unlock(&q->lock);
	return waits;
}
