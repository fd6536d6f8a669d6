/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which file a descriptor leads to. A uprobe sits on an inode; two names of one inode must not be probed
 * twice, and the device and inode number that stat tells are not always the inode's own: through overlayfs
 * each mount has a device of its own for the files of its layers. There the rest of what stat tells comes
 * from the layer's inode (overlayfs.rst, "Inode properties"): number, size, and both times to the nanosecond,
 * which no two files of a host share.
 *
 * Where this is wrong after all, little happens: of a file that is probed twice each call still counts once
 * (COUNTER_TWICE tells of it), and one that is taken for another shows by Blind events. */

#include <stdbool.h>
#include <stdint.h>

struct file_identity {
	uint64_t place;	  /* device and inode number: one file as long as it is held */
	uint64_t content; /* inode number, size, modification and change time, of whatever device */
	uint64_t version; /* place and change time: tells files apart that had one number after another */
	bool overlay;	  /* its place is not the inode's */
};

/* 0; -EINVAL: not a regular file; negative errno of fstat. */
int file_identity_of(int fd, struct file_identity *ret_identity);

/* Whether both lead to one inode, other than by the same place. */
static inline bool file_identity_same_content(const struct file_identity *a, const struct file_identity *b)
{
	return (a->overlay || b->overlay) && a->content == b->content;
}
