/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds files that could hold OpenSSL: executable mappings of running processes, and the places where
 * libraries and programs are installed. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One executable mapping. Borrowed. */
struct scan_mapping {
	pid_t pid;
	uint64_t start, end; /* address range: names the file under /proc/PID/map_files */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint64_t inode_gen; /* tells apart files that had one inode number; 0: not known */
	uint64_t ts_ns;	    /* monotonic, when it was made; 0: not known */
	/* As the kernel shows it, in the process's mount namespace; may end in " (deleted)". */
	const char *path;
};

typedef void (*scan_mapping_fn)(void *ctx, const struct scan_mapping *mapping);

/* Executable file mappings of one process. 0; -ENOENT, -ESRCH: it is gone; -EACCES and others: cannot be
 * read. */
int scan_process(pid_t pid, scan_mapping_fn fn, void *ctx);

typedef void (*scan_pid_fn)(void *ctx, pid_t pid);
/* All processes. 0; negative errno. */
int scan_pids(scan_pid_fn fn, void *ctx);

/* The mapped file itself, deleted or not, or, when the process is gone, the file under the same path of ours
 * if it is the one that was mapped; nothing but a regular file is ever opened. A descriptor for reading, or
 * negative errno; -EINVAL: not a regular file; -ESTALE: the path no longer leads to the mapped file. */
int scan_open_mapping(const struct scan_mapping *mapping);

/* fd is open for reading and borrowed; path is as the process sees it. */
typedef void (*scan_file_fn)(void *ctx, int fd, const char *path);
/* libssl in the library folders and node in PATH: so that their first user finds the probes there. */
void scan_installed(scan_file_fn fn, void *ctx);

/* The same below the root of a process, in the usual folders of programs. 0; -ENOENT, -ESRCH: the process is
 * gone; other negative errno. */
int scan_installed_in(pid_t pid, scan_file_fn fn, void *ctx);
