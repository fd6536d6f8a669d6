/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/namespaces.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "base/map.h"

#define NAMESPACES_MAX 4096U

struct namespaces {
	ino_t own_ns;
	struct map *roots; /* key of a root to the scan that found it last, as a number */
	uintptr_t scan;	   /* not 0 */
};

int namespaces_new(struct namespaces **ret_namespaces)
{
	_cleanup_(namespaces_free) struct namespaces *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	struct stat ns;
	n->own_ns = stat("/proc/self/ns/mnt", &ns) == 0 ? ns.st_ino : 0;
	n->scan = 1;
	int r = map_new(&n->roots);
	if (r < 0)
		return r;
	*ret_namespaces = TAKE_PTR(n);
	return 0;
}

void namespaces_free(struct namespaces **namespaces)
{
	struct namespaces *n = *namespaces;
	if (!n)
		return;
	map_free(&n->roots);
	free(n);
	*namespaces = NULL;
}

/* The namespace's number alone will not do: container runtimes start a program in the new namespace before
 * they change its root, and numbers are used again at once. The root's device and inode tell more; nothing
 * that a program can change again and again (as a time of the root) may be part of it, since each new key
 * costs a look. */
static int key_of(const struct namespaces *n, pid_t pid, uint64_t *ret_key)
{
	struct stat ns, root;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (stat(path, &ns) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	if (stat(path, &root) < 0)
		return -errno;
	if (ns.st_ino == n->own_ns)
		return -EXDEV;
	*ret_key = map_mix(map_mix(map_mix(0, ns.st_ino), root.st_dev), root.st_ino);
	return 0;
}

static int note(struct namespaces *n, uint64_t key)
{
	if (!map_get(n->roots, key) && map_len(n->roots) >= NAMESPACES_MAX)
		return -ENOSPC;
	int r = map_put(n->roots, key, (void *)n->scan);
	return r < 0 ? r : 1;
}

int namespaces_started(struct namespaces *n, pid_t pid)
{
	uint64_t key;
	int r = key_of(n, pid, &key);
	if (r < 0 || map_get(n->roots, key))
		return r;
	return note(n, key);
}

int namespaces_found(struct namespaces *n, pid_t pid)
{
	uint64_t key;
	int r = key_of(n, pid, &key);
	if (r < 0 || map_get(n->roots, key) == (void *)n->scan)
		return r;
	return note(n, key);
}

void namespaces_scan_begin(struct namespaces *n)
{
	n->scan++;
}

void namespaces_scan_end(struct namespaces *n)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (map_next(n->roots, &cursor, &key, &value))
		if (value != (void *)n->scan)
			map_remove(n->roots, key);
}

size_t namespaces_len(const struct namespaces *n)
{
	return map_len(n->roots);
}
