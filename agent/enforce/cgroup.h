/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Cgroups of version 2 by their ids. Used inside this stage only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The path of a cgroup below the mount, which begins with "/"; "/" is the root. mount: where cgroup v2 is
 * mounted. 0; -ENOENT: it is gone, or outside the mount; -EPERM: needs CAP_DAC_READ_SEARCH; -ENAMETOOLONG;
 * negative errno. */
int cgroup_path(const char *mount, uint64_t id, char *ret_path, size_t size);

/* Whether a cgroup holds what belongs to nobody in particular, so that blocking it would hit bystanders: the
 * root, what is neither service, scope nor container (a slice, the groups of Kubernetes' classes), init's
 * own, and login sessions. */
bool cgroup_is_shared(const char *path);
