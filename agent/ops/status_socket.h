/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* 0; -ENAMETOOLONG: a Unix socket's path has at most 107 bytes (unix(7)). */
static inline int status_socket_address(const char *path, struct sockaddr_un *ret_addr)
{
	*ret_addr = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret_addr->sun_path, path, strlen(path));
	return 0;
}
