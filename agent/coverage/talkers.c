/* SPDX-License-Identifier: Apache-2.0 */
#include "coverage/talkers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/map.h"

struct talkers {
	pthread_mutex_t lock;
	struct map *by_pid; /* struct talker */
};

int talkers_new(struct talkers **ret_talkers)
{
	struct talkers *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	int r = map_new(&t->by_pid);
	if (r < 0) {
		free(t);
		return r;
	}
	pthread_mutex_init(&t->lock, NULL);
	*ret_talkers = t;
	return 0;
}

/* Those whose process has ended. */
static void forget(struct talkers *t)
{
	size_t cursor = 0;
	uint64_t pid;
	void *talker;
	while (map_next(t->by_pid, &cursor, &pid, &talker))
		if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			free(map_remove(t->by_pid, pid));
}

void talkers_free(struct talkers **talkers)
{
	if (!*talkers)
		return;
	map_clear_free((*talkers)->by_pid);
	map_free(&(*talkers)->by_pid);
	pthread_mutex_destroy(&(*talkers)->lock);
	free(*talkers);
	*talkers = NULL;
}

static struct talker *talker_add(struct talkers *t, uint32_t pid)
{
	if (map_len(t->by_pid) >= TALKERS_MAX)
		forget(t);
	if (map_len(t->by_pid) >= TALKERS_MAX)
		map_clear_free(t->by_pid);
	struct talker *talker = calloc(1, sizeof(*talker));
	if (talker && map_put(t->by_pid, pid, talker) < 0) {
		free(talker);
		return NULL;
	}
	return talker;
}

void talkers_note(struct talkers *t, uint32_t pid, uint64_t start_boot_ns)
{
	pthread_mutex_lock(&t->lock);
	struct talker *talker = map_get(t->by_pid, pid);
	if (!talker)
		talker = talker_add(t, pid);
	if (talker)
		*talker = (struct talker){.pid = pid, .start_boot_ns = start_boot_ns};
	pthread_mutex_unlock(&t->lock);
}

size_t talkers_list(struct talkers *t, struct talker *ret_list, size_t max)
{
	size_t cursor = 0, n = 0;
	uint64_t pid;
	void *talker;

	pthread_mutex_lock(&t->lock);
	while (n < max && map_next(t->by_pid, &cursor, &pid, &talker))
		ret_list[n++] = *(struct talker *)talker;
	pthread_mutex_unlock(&t->lock);
	return n;
}
