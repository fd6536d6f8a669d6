/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/targets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/map.h"
#include "probe/attach.h"

/* Files known to be of no use are remembered up to this number, then looked at again. */
#define CHECKED_MAX 65536U
#define FILES_MAX   4096U

struct target {
	struct attachment *attachment;
};

struct targets {
	struct programs *programs;
	struct map *files;   /* identity to struct target */
	struct map *checked; /* identity to anything: of no use */
	atomic_uint_least64_t n_checked, n_files, n_functions, n_failed;
};

int targets_new(struct targets **ret_targets, struct programs *programs)
{
	struct targets *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->programs = programs;
	int r = map_new(&t->files);
	if (r >= 0)
		r = map_new(&t->checked);
	if (r < 0) {
		targets_free(&t);
		return r;
	}
	*ret_targets = t;
	return 0;
}

static void target_free(struct target **target)
{
	if (!*target)
		return;
	attachment_free(&(*target)->attachment);
	free(*target);
	*target = NULL;
}

void targets_free(struct targets **targets)
{
	struct targets *t = *targets;
	if (!t)
		return;
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (t->files && map_next(t->files, &cursor, &key, &value)) {
		struct target *target = value;
		target_free(&target);
	}
	map_free(&t->files);
	map_free(&t->checked);
	free(t);
	*targets = NULL;
}

/* Names an attached file for as long as it is attached: its probes hold the inode. */
static uint64_t identity_of(const struct stat *st)
{
	return map_mix(map_mix(0, st->st_dev), st->st_ino);
}

/* Of a file that was found useless nothing is held: its inode number may become another file's, which the
 * change time tells. (An upgrade or a new link changes the time of an attached file, and must not attach it
 * again.) */
static uint64_t version_of(const struct stat *st)
{
	uint64_t key = map_mix(identity_of(st), (uint64_t)st->st_ctim.tv_sec);
	return map_mix(key, (uint64_t)st->st_ctim.tv_nsec);
}

/* Failures that pass: the file is tried again later. */
static bool is_transient(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EINTR ||
	       error == -EAGAIN;
}

static int attach_functions(struct targets *t, struct target *target, int fd,
			    const struct elf_symbol symbols[static PROBE_FUNCTIONS])
{
	/* The kernel follows this link to the very file that was checked, whatever its name stands for by
	 * now. */
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = attachment_new(&target->attachment, t->programs, path, symbols, 1);
	if (r >= 0)
		atomic_fetch_add(&t->n_functions, attachment_functions(target->attachment));
	return r;
}

static int attach(struct targets *t, uint64_t identity, int fd, const char *name,
		  const struct elf_symbol symbols[static PROBE_FUNCTIONS])
{
	if (map_len(t->files) >= FILES_MAX)
		return -ENOSPC;
	_cleanup_(target_free) struct target *target = calloc(1, sizeof(*target));
	if (!target)
		return -ENOMEM;
	int r = attach_functions(t, target, fd, symbols);
	if (r >= 0)
		r = map_put(t->files, identity, target);
	if (r < 0)
		return r;
	TAKE_PTR(target);
	atomic_fetch_add(&t->n_files, 1);
	log_info("probes attached to %s", name);
	return 1;
}

static void remember_checked(struct targets *t, uint64_t version)
{
	if (map_len(t->checked) >= CHECKED_MAX)
		map_clear(t->checked);
	(void)map_put(t->checked, version, t);
}

int targets_add(struct targets *t, int fd, const char *name)
{
	struct stat st;
	struct elf_symbol symbols[PROBE_FUNCTIONS];

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	uint64_t identity = identity_of(&st), version = version_of(&st);
	if (map_get(t->files, identity) || map_get(t->checked, version))
		return 0;
	atomic_fetch_add(&t->n_checked, 1);
	int r = probe_functions_find(fd, symbols);
	if (r > 0)
		r = attach(t, identity, fd, name, symbols);
	else
		r = 0;
	if (r < 0) {
		atomic_fetch_add(&t->n_failed, 1);
		log_warn("%s has OpenSSL functions but cannot be probed: %s", name, strerror(-r));
	}
	if (r <= 0 && !is_transient(r))
		remember_checked(t, version);
	return r;
}

struct targets_stats targets_stats(const struct targets *t)
{
	return (struct targets_stats){
		.files_checked = atomic_load(&t->n_checked),
		.files_attached = atomic_load(&t->n_files),
		.functions_attached = atomic_load(&t->n_functions),
		.failed = atomic_load(&t->n_failed),
	};
}
