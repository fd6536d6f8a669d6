/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which container and pod a cgroup path belongs to, by the names that runtimes and the kubelet give their
 * cgroups. No I/O, no allocation, any thread. */

#include <stdbool.h>

#define CONTAINER_ID_MAX 64 /* hexadecimal digits, in lower case */
#define POD_UID_MAX	 36

struct container_place {
	char id[CONTAINER_ID_MAX + 1]; /* "": not in a container */
	char pod_uid[POD_UID_MAX + 1]; /* with "-"; of a static pod 32 digits; "": not in a pod */
	const char *runtime; /* static: "containerd", "cri-o", "docker", "podman"; NULL: the path does not say
			      */
	bool rootless;	     /* below a user's own service manager: the names are that user's to choose */
};

/* Of containers within containers the innermost counts, and the pod that is nearest to it. False, and all
 * empty: in neither. A user may make cgroups of any name below user@UID.service, so nothing there is believed
 * to be a pod. */
bool container_place_read(const char *cgroup, struct container_place *ret_place);
