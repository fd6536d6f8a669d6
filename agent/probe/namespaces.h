/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Mount namespaces other than ours, and roots in them, that processes live in, so that the libraries of a
 * container are looked at when its first process starts, before anything maps them. Bounded. One thread. */

#include <stddef.h>
#include <sys/types.h>

struct namespaces;

int namespaces_new(struct namespaces **ret_namespaces); /* 0; -ENOMEM */
void namespaces_free(struct namespaces **namespaces);

/* A process that has just started. 1: its root was not seen before; 0: known; -ENOENT, -ESRCH: the process is
 * gone; -EXDEV: it is in our own namespace, where a root of its own (chroot) is not looked into: probing what
 * is there would keep its file system busy; -ENOSPC: the table is full until one goes; other negative errno.
 */
int namespaces_started(struct namespaces *namespaces, pid_t pid);

/* All processes are given to namespaces_found() between these two; a root that none of them has is forgotten.
 * namespaces_found(): as namespaces_started(), but 1 for the first process of each root. */
void namespaces_scan_begin(struct namespaces *namespaces);
int namespaces_found(struct namespaces *namespaces, pid_t pid);
void namespaces_scan_end(struct namespaces *namespaces);

size_t namespaces_len(const struct namespaces *namespaces);
