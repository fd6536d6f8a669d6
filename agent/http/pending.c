/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_FIRST 4

void pending_done(struct pending_queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		http_message_free(&pending_at(q, i)->response);
	free(q->entries);
	*q = (struct pending_queue){};
}

struct pending *pending_at(struct pending_queue *q, size_t i)
{
	return &q->entries[q->first + i];
}

int pending_push(struct pending_queue *q, struct pending **ret_entry)
{
	if (q->first && q->first + q->n == q->cap) {
		memmove(q->entries, q->entries + q->first, q->n * sizeof(*q->entries));
		q->first = 0;
	}
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : ENTRIES_FIRST;
		struct pending *entries = reallocarray(q->entries, cap, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		q->entries = entries;
		q->cap = cap;
	}
	struct pending *entry = pending_at(q, q->n++);
	*entry = (struct pending){};
	*ret_entry = entry;
	return 0;
}

void pending_remove(struct pending_queue *q, struct pending *entry)
{
	size_t i = (size_t)(entry - pending_at(q, 0));
	http_message_free(&entry->response);
	q->n--;
	if (i == 0)
		q->first = q->n ? q->first + 1 : 0;
	else
		memmove(entry, entry + 1, (q->n - i) * sizeof(*entry));
}

struct pending *pending_find(struct pending_queue *q, uint64_t exchange)
{
	for (size_t i = 0; i < q->n; i++)
		if (pending_at(q, i)->exchange == exchange)
			return pending_at(q, i);
	return NULL;
}

struct pending *pending_last(struct pending_queue *q)
{
	return q->n ? pending_at(q, q->n - 1) : NULL;
}

struct pending *pending_first_unanswered(struct pending_queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		if (!pending_at(q, i)->answered)
			return pending_at(q, i);
	return NULL;
}

struct pending *pending_before(struct pending_queue *q, uint64_t position)
{
	for (size_t i = q->n; i > 0; i--)
		if (pending_at(q, i - 1)->peer <= position)
			return pending_at(q, i - 1);
	return NULL;
}

uint64_t pending_boundary(struct pending_queue *q, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < q->n; i++)
		if (pending_at(q, i)->peer > from)
			return pending_at(q, i)->peer < to ? pending_at(q, i)->peer : to;
	return to;
}
