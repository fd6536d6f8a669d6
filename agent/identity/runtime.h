/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container's name, image and labels from the files that its runtime keeps on the host. The runtime wrote
 * them, but in part from what a user asked for: sizes are limited, symbolic links at their ends not followed,
 * and nothing but regular files is read. Any thread. */

#include "identity/container.h"
#include "identity/whois.h"

#define RUNTIME_FILE_MAX (4U << 20) /* bytes */

/* One reference for the caller. root: "" or where the host's file system is. Never without a container unless
 * out of memory: what no file tells stays NULL, and problem says so. 0; -ENOMEM. */
int runtime_read(const char *root, const struct container_place *place,
		 struct identity_container **ret_container);

/* Files as the runtimes write them, into a container whose id is set; members that are set already stay. 0;
 * -EBADMSG: not such a file; -ENOENT: the container is not in it; -ENOMEM. */
int runtime_read_docker(const char *text, size_t len,
			struct identity_container *container);				  /* config.v2.json */
int runtime_read_oci(const char *text, size_t len, struct identity_container *container); /* config.json */
int runtime_read_storage(const char *text, size_t len,
			 struct identity_container *container); /* containers.json */

void container_ref(struct identity_container *container);
void container_unref(struct identity_container **container);
