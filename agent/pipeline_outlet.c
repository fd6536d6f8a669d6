/* SPDX-License-Identifier: Apache-2.0 */

/* The sinks' threads, one each. */

#include "pipeline_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"

#define EVENTS_MAX	  8192
#define EVENTS_WEIGHT_MAX (128ULL << 20)
/* A batch is as long as what waits. Each costs the store a wait for the disk, so under load they must be able
 * to grow. */
#define BATCH_MAX    2048
#define GATHER_BELOW 128
#define TRIES_MAX    3
#define RETRY_US     100000
#define WAIT_MS	     100

void shared_event_unref(struct shared_event *shared)
{
	if (atomic_fetch_sub(&shared->refs, 1) != 1)
		return;
	event_free(&shared->event);
	free(shared);
}

/* --- writing ------------------------------------------------------------------------- */

/* What to do about a failed write: number of events to give up, counted from the first one not taken. */
static size_t judge_failure(struct outlet *o, int error, size_t left, int tries)
{
	switch (error) {
	case -E2BIG: /* this one never fits: leave it out and go on */
		return 1;
	case -EAGAIN: /* nobody reads at the moment */
		atomic_store(&o->stalled, true);
		return atomic_load(&o->stop) ? left : 0;
	case -EPIPE:
	case -EBADF:
		atomic_store(&o->off, true);
		log_warn("%s: the reader is gone; nothing more is written there", o->sink->ops->name);
		return left;
	}
	if (tries >= TRIES_MAX) {
		log_error("%s: %zu events are lost: %s", o->sink->ops->name, left, strerror(-error));
		return left;
	}
	usleep(RETRY_US);
	return 0;
}

static void write_batch(struct outlet *o, struct event *const *events, size_t n)
{
	int tries = 0;
	for (size_t done = 0; done < n;) {
		size_t taken = 0;
		int r = o->sink->ops->write(o->sink, events + done, n - done, &taken);
		done += taken;
		atomic_fetch_add(&o->written, taken);
		if (taken) {
			tries = 0;
			atomic_store(&o->stalled, false);
		}
		if (r >= 0 || done == n)
			break;
		size_t given_up = judge_failure(o, r, n - done, ++tries);
		atomic_fetch_add(&o->lost, given_up);
		done += given_up;
	}
	int r = o->sink->ops->flush(o->sink);
	if (r < 0)
		log_error("%s: what was written may not be durable: %s", o->sink->ops->name, strerror(-r));
}

static void *outlet_main(void *arg)
{
	struct outlet *o = arg;
	void *items[BATCH_MAX];
	struct event *batch[BATCH_MAX];
	bool closed = false;
	int nice_value = BEHIND_NICE;

	thread_begin(o->sink->ops->name, nice_value);
	while (!closed) {
		hurry(o->hurry, &nice_value, queue_fill(o->queue));
		size_t n = queue_pop(o->queue, items, BATCH_MAX, -1, &closed);
		for (size_t i = 0; i < n; i++)
			batch[i] = ((struct shared_event *)items[i])->event;
		if (n && atomic_load(&o->off))
			atomic_fetch_add(&o->lost, n);
		else if (n)
			write_batch(o, batch, n);
		for (size_t i = 0; i < n; i++)
			shared_event_unref(items[i]);
		if (n < GATHER_BELOW && !closed)
			thread_gather_us(OUTLET_GATHER_US);
	}
	return NULL;
}

/* --- queueing ------------------------------------------------------------------------ */

void outlet_put(struct outlet *o, struct shared_event *shared)
{
	int r;
	do
		r = queue_push_timed(o->queue, shared, shared->event->len, WAIT_MS);
	while (r == -EAGAIN && !(o->may_drop && (atomic_load(&o->stalled) || atomic_load(&o->off))));
	if (r < 0) {
		atomic_fetch_add(&o->lost, 1);
		shared_event_unref(shared);
	}
}

int outlet_init(struct outlet *o, struct sink *sink, bool may_drop, struct hurry *hurry_of)
{
	o->sink = sink;
	o->hurry = hurry_of;
	o->may_drop = may_drop;
	int r = queue_new(&o->queue, EVENTS_MAX, EVENTS_WEIGHT_MAX);
	if (r < 0)
		return r;
	r = -pthread_create(&o->thread, NULL, outlet_main, o);
	if (r < 0)
		queue_free(&o->queue);
	o->running = r == 0;
	return r;
}

void outlet_done(struct outlet *o)
{
	if (!o->running)
		return;
	atomic_store(&o->stop, true);
	queue_close(o->queue);
	pthread_join(o->thread, NULL);
	queue_free(&o->queue);
	o->running = false;
}
