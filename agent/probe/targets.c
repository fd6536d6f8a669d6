/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/targets.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/queue.h"
#include "probe/attach.h"
#include "probe/file_identity.h"

/* Files known to be of no use are remembered up to this number, then looked at again. */
#define CHECKED_MAX 65536U
#define FILES_MAX   4096U
#define NAMES_MAX   16384U

/* Scans in a row that do not find a user before a file is released. */
#define UNUSED_SCANS 2U

#define REAPER_NICE 10

struct target {
	struct file_identity identity;
	struct attachment *attachment;
	unsigned int unused; /* scans since the last user was seen */
};

struct targets {
	struct programs *programs;
	struct map *files;    /* place to struct target */
	struct map *contents; /* content to the same */
	struct map *checked;  /* version to anything: of no use */
	struct queue *released;
	pthread_t reaper;
	bool reaper_runs;
	pthread_mutex_t names_lock;
	char **names; /* by file id - 1 */
	uint32_t n_ids;
	atomic_uint_least64_t n_checked, n_files, n_released, n_functions, n_failed, n_malformed;
};

/* --- letting go ---------------------------------------------------------------------- */

static void *reaper_main(void *arg)
{
	struct targets *t = arg;
	void *item;
	bool closed = false;

	thread_begin("release", REAPER_NICE);
	while (!closed) {
		if (queue_pop(t->released, &item, 1, -1, &closed) == 0)
			continue;
		struct attachment *attachment = item;
		attachment_free(&attachment);
	}
	return NULL;
}

static void target_free(struct target **target)
{
	if (!*target)
		return;
	attachment_free(&(*target)->attachment);
	free(*target);
	*target = NULL;
}

static void target_release(struct targets *t, struct target *target)
{
	map_remove(t->files, target->identity.place);
	if (map_get(t->contents, target->identity.content) == target)
		map_remove(t->contents, target->identity.content);
	atomic_fetch_sub(&t->n_files, 1);
	atomic_fetch_add(&t->n_released, 1);
	atomic_fetch_sub(&t->n_functions, attachment_functions(target->attachment));
	if (queue_push_timed(t->released, target->attachment, 1, 0) == 0)
		target->attachment = NULL; /* otherwise we wait ourselves */
	target_free(&target);
}

/* --- life ---------------------------------------------------------------------------- */

static int init(struct targets *t)
{
	int r = map_new(&t->files);
	if (r >= 0)
		r = map_new(&t->contents);
	if (r >= 0)
		r = map_new(&t->checked);
	if (r >= 0)
		r = queue_new(&t->released, FILES_MAX, FILES_MAX);
	if (r < 0)
		return r;
	t->names = calloc(NAMES_MAX, sizeof(*t->names));
	if (!t->names)
		return -ENOMEM;
	r = -pthread_create(&t->reaper, NULL, reaper_main, t);
	t->reaper_runs = r == 0;
	return r;
}

int targets_new(struct targets **ret_targets, struct programs *programs)
{
	struct targets *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->programs = programs;
	pthread_mutex_init(&t->names_lock, NULL);
	int r = init(t);
	if (r < 0) {
		targets_free(&t);
		return r;
	}
	*ret_targets = t;
	return 0;
}

void targets_free(struct targets **targets)
{
	struct targets *t = *targets;
	if (!t)
		return;
	if (t->reaper_runs) {
		queue_close(t->released);
		pthread_join(t->reaper, NULL);
	}
	queue_free(&t->released);
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (t->files && map_next(t->files, &cursor, &key, &value)) {
		struct target *target = value;
		target_free(&target);
	}
	map_free(&t->files);
	map_free(&t->contents);
	map_free(&t->checked);
	for (uint32_t i = 0; t->names && i < MIN(t->n_ids, NAMES_MAX); i++)
		free(t->names[i]);
	free(t->names);
	pthread_mutex_destroy(&t->names_lock);
	free(t);
	*targets = NULL;
}

/* --- names --------------------------------------------------------------------------- */

/* Ids are not used again in one run; beyond the bound files have no name. */
static uint32_t name_add(struct targets *t, const char *name)
{
	pthread_mutex_lock(&t->names_lock);
	uint32_t id = ++t->n_ids;
	if (id <= NAMES_MAX)
		t->names[id - 1] = strdup(name);
	pthread_mutex_unlock(&t->names_lock);
	return id;
}

int targets_name(struct targets *t, uint32_t file_id, char *ret_name, size_t size)
{
	int r = -ENOENT;
	pthread_mutex_lock(&t->names_lock);
	if (file_id >= 1 && file_id <= MIN(t->n_ids, NAMES_MAX) && t->names[file_id - 1]) {
		snprintf(ret_name, size, "%s", t->names[file_id - 1]);
		r = 0;
	}
	pthread_mutex_unlock(&t->names_lock);
	return r;
}

/* --- attaching ----------------------------------------------------------------------- */

/* Failures that pass: the file is tried again later. */
static bool is_transient(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EINTR ||
	       error == -EAGAIN || error == -ENOSPC;
}

static int target_new(struct targets *t, const struct file_identity *identity, int fd, const char *name,
		      const struct elf_symbol symbols[static PROBE_FUNCTIONS], struct target **ret_target)
{
	_cleanup_(target_free) struct target *target = calloc(1, sizeof(*target));
	/* The kernel follows this link to the very file that was checked, whatever its name stands for by
	 * now. */
	char path[64];

	if (!target)
		return -ENOMEM;
	target->identity = *identity;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = attachment_new(&target->attachment, t->programs, path, symbols, name_add(t, name));
	if (r < 0)
		return r;
	*ret_target = TAKE_PTR(target);
	return 0;
}

static int attach(struct targets *t, const struct file_identity *identity, int fd, const char *name,
		  const struct elf_symbol symbols[static PROBE_FUNCTIONS])
{
	_cleanup_(target_free) struct target *target = NULL;

	if (map_len(t->files) >= FILES_MAX)
		return -ENOSPC;
	int r = target_new(t, identity, fd, name, symbols, &target);
	if (r >= 0)
		r = map_put(t->files, identity->place, target);
	if (r < 0)
		return r;
	(void)map_put(t->contents, identity->content, target); /* without it: see file_identity.h */
	atomic_fetch_add(&t->n_files, 1);
	atomic_fetch_add(&t->n_functions, attachment_functions(target->attachment));
	TAKE_PTR(target);
	log_info("probes attached to %s", name);
	return 1;
}

static void remember_checked(struct targets *t, uint64_t version)
{
	if (map_len(t->checked) >= CHECKED_MAX)
		map_clear(t->checked);
	(void)map_put(t->checked, version, t);
}

/* The attachment on this very file, or NULL. */
static struct target *find(struct targets *t, const struct file_identity *identity)
{
	struct target *target = map_get(t->files, identity->place);
	if (target)
		return target;
	target = map_get(t->contents, identity->content);
	return target && file_identity_same_content(&target->identity, identity) ? target : NULL;
}

int targets_add(struct targets *t, int fd, const char *name)
{
	struct file_identity identity;
	struct elf_symbol symbols[PROBE_FUNCTIONS];

	int r = file_identity_of(fd, &identity);
	if (r < 0)
		return r == -EINVAL ? 0 : r;
	struct target *known = find(t, &identity);
	if (known)
		known->unused = 0;
	if (known || map_get(t->checked, identity.version))
		return 0;
	atomic_fetch_add(&t->n_checked, 1);
	int found = probe_functions_find(fd, symbols);
	if (found > 0 && !programs_state(t->programs).reads)
		found = 0;
	if (found == -EIO || found == -E2BIG)
		atomic_fetch_add(&t->n_malformed, 1);
	if (found < 0 && is_transient(found))
		return 0;
	r = found > 0 ? attach(t, &identity, fd, name, symbols) : 0;
	if (r < 0) {
		atomic_fetch_add(&t->n_failed, 1);
		log_warn("%s has OpenSSL functions but cannot be probed: %s", name, strerror(-r));
	}
	if (r <= 0 && !is_transient(r))
		remember_checked(t, identity.version);
	return r;
}

/* --- users --------------------------------------------------------------------------- */

void targets_scan_begin(struct targets *t)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (map_next(t->files, &cursor, &key, &value))
		((struct target *)value)->unused++;
}

void targets_scan_end(struct targets *t)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (map_next(t->files, &cursor, &key, &value)) {
		struct target *target = value;
		if (target->unused >= UNUSED_SCANS)
			target_release(t, target);
	}
}

struct targets_stats targets_stats(const struct targets *t)
{
	return (struct targets_stats){
		.files_checked = atomic_load(&t->n_checked),
		.files_attached = atomic_load(&t->n_files),
		.files_released = atomic_load(&t->n_released),
		.functions_attached = atomic_load(&t->n_functions),
		.failed = atomic_load(&t->n_failed),
		.malformed = atomic_load(&t->n_malformed),
	};
}
