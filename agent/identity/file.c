/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/file.h"

#include <errno.h>
#include <unistd.h>

int file_read(int fd, char *text, size_t size, size_t *ret_len)
{
	size_t len = 0;
	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_len = len;
	return 0;
}
