/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where events go. A sink is a table of operations; adding one is one file and one line in the pipeline.
 * All calls to one sink come from its own thread. */

#include <stddef.h>

#include "event/event.h"

struct sink;

struct sink_ops {
	const char *name;
	/* Takes a batch in order; events are borrowed for the call. 0, or negative errno when not all were
	 * taken; *ret_taken says how many were, counted from the first. It is set on failure too. The caller
	 * may give the rest again. -E2BIG: the event after those taken can never be taken; leave it out and
	 * go on. */
	int (*write)(struct sink *sink, struct event *const *events, size_t n, size_t *ret_taken);
	/* Makes what was written durable, or visible. Called when there is nothing more to write at the
	 * moment. */
	int (*flush)(struct sink *sink);
	void (*free)(struct sink **sink);
};

/* First member of every sink's struct. */
struct sink {
	const struct sink_ops *ops;
};

/* The embedded store: SQLite in WAL mode. The database is made if missing, and so is its folder (not the
 * folder's parent); the database and the files SQLite puts beside it are mode 0600 whatever the umask, an
 * existing one is tightened. Refused, because others could read or replace the events: a symbolic link, a
 * file of another user or with several hard links, a folder in which others may replace files. In *ret_error,
 * when given, a plain sentence that says what is wrong and what to do (the caller frees it). 0; -EACCES,
 * -ENOSPC, -EBUSY, -EBADMSG (not our database, damaged, or newer than this program), -ENOENT (no such
 * folder), -EIO, -ENOMEM, other negative errno of the system.
 *
 * write: one transaction a batch, all of it or none: on failure nothing is taken (with -E2BIG: what came
 * before that event is committed). -ENOSPC (also a quota or RLIMIT_FSIZE, if SIGXFSZ is ignored), -EBUSY
 * (another process held the database for 5 s), -EACCES, -EBADMSG, -EIO, -ENOMEM. An event that is there
 * already (same event id) counts as taken, so that a batch can be repeated. Survives kill -9 at any time.
 * flush: syncs the log to disk; until then a loss of power, not a crash of the program, may take the last
 * batches. */
int sink_store_open(struct sink **ret_sink, const char *path, char **ret_error);

/* Standard output or any descriptor (borrowed). SINK_JSON: the exact text of each event and a newline.
 * SINK_PRETTY: see pretty.h; colour != 0 adds colours. Waits for a slow reader, but not for one that
 * stands still. 0; -ENOMEM.
 *
 * write: -EAGAIN: the reader took nothing for a second; or negative errno of write(2): -EPIPE when the reader
 * is gone (SIGPIPE must be ignored). An event counts as taken when all its bytes went out; given again, a
 * half-written one continues where it stopped. flush: nothing to do. */
enum sink_format { SINK_JSON, SINK_PRETTY };
int sink_stdout_new(struct sink **ret_sink, int fd, enum sink_format format, int colour);
