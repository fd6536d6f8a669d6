/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/file_identity.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/map.h"

static uint64_t mix_time(uint64_t key, const struct timespec *t)
{
	return map_mix(map_mix(key, (uint64_t)t->tv_sec), (uint64_t)t->tv_nsec);
}

int file_identity_of(int fd, struct file_identity *ret_identity)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	uint64_t place = map_mix(map_mix(0, st.st_dev), st.st_ino);
	uint64_t content = map_mix(map_mix(0, st.st_ino), (uint64_t)st.st_size);
	*ret_identity = (struct file_identity){
		.place = place,
		.content = mix_time(mix_time(content, &st.st_mtim), &st.st_ctim),
		.version = mix_time(place, &st.st_ctim),
		.overlay = fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC,
	};
	return 0;
}
