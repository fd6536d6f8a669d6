/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/store_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/macro.h"
#include "sink/store.h"

#define BUSY_MS 2000

struct store_reader {
	sqlite3 *db;
	bool ready; /* false: the database exists but its tables do not yet */
	sqlite3_stmt *next, *next_of;
};

__attribute__((format(printf, 2, 3))) static void set_error(char **ret_error, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(ret_error, fmt, ap) < 0)
		*ret_error = NULL;
	va_end(ap);
}

void store_reader_free(struct store_reader **reader)
{
	if (!*reader)
		return;
	sqlite3_finalize((*reader)->next);
	sqlite3_finalize((*reader)->next_of);
	sqlite3_close((*reader)->db);
	free(*reader);
	*reader = NULL;
}

static int prepare(struct store_reader *reader, const char *sql, sqlite3_stmt **ret_stmt)
{
	if (sqlite3_prepare_v2(reader->db, sql, -1, ret_stmt, NULL) == SQLITE_OK)
		return 0;
	return store_errno(reader->db);
}

/* 1: the store is there; 0: not yet; negative errno. */
static int make_ready(struct store_reader *reader)
{
	enum store_kind kind;
	int64_t version;

	if (reader->ready)
		return 1;
	int r = store_identify(reader->db, &kind, &version);
	if (r < 0)
		return r;
	if (kind == STORE_EMPTY)
		return 0;
	if (kind != STORE_OURS)
		return -EBADMSG;
	r = prepare(reader, "SELECT seq, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1",
		    &reader->next);
	if (r == 0)
		r = prepare(reader,
			    "SELECT seq, body FROM events WHERE message_id = ?2 AND seq > ?1 ORDER BY seq "
			    "LIMIT 1",
			    &reader->next_of);
	if (r < 0)
		return r;
	reader->ready = true;
	return 1;
}

static int explain_kind(struct store_reader *reader, const char *path, char **ret_error)
{
	enum store_kind kind;
	int64_t version;

	int r = store_identify(reader->db, &kind, &version);
	if (r < 0)
		return r;
	if (kind == STORE_FOREIGN)
		set_error(ret_error,
			  "%s is the database of another program; give the store with --store or -c", path);
	if (kind == STORE_NEWER)
		set_error(ret_error,
			  "%s was made by a newer oaitap (store version %lld, this program knows %d); "
			  "upgrade oaitap",
			  path, (long long)version, STORE_VERSION);
	return kind == STORE_FOREIGN || kind == STORE_NEWER ? -EBADMSG : 0;
}

/* What SQLite would only call "unable to open". */
static int check_path(const char *path, char **ret_error)
{
	struct stat st;
	if (stat(path, &st) < 0) {
		int r = -errno;
		if (r == -ENOENT)
			set_error(ret_error,
				  "there is no store at %s; start `oaitap run`, or give its path with "
				  "--store or -c",
				  path);
		else
			set_error(ret_error, "cannot look at the store %s: %s%s", path, strerror(-r),
				  r == -EACCES ? "; run this as root" : "");
		return r;
	}
	if (!S_ISREG(st.st_mode)) {
		set_error(ret_error, "%s is not a store, it is %s; give the file with --store or -c", path,
			  S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
		return -EBADMSG;
	}
	if (eaccess(path, R_OK) < 0) {
		set_error(ret_error,
			  "may not read the store %s; run this as root, or as user %u, who owns it", path,
			  st.st_uid);
		return -EACCES;
	}
	return 0;
}

static void explain(const char *path, int error, char **ret_error)
{
	switch (error) {
	case -EACCES:
		set_error(ret_error,
			  "may read %s, but not write in its folder, where SQLite keeps the index of the "
			  "log; run this as the "
			  "user who owns the store (usually root), or copy the store with its -wal file to a "
			  "folder of yours",
			  path);
		break;
	case -EBADMSG:
		set_error(ret_error, "%s is not an oaitap store, or it is damaged", path);
		break;
	case -EBUSY:
		set_error(ret_error, "the store %s is locked by another program; try again", path);
		break;
	default:
		set_error(ret_error, "cannot read the store %s: %s", path, strerror(-error));
	}
}

static int open_database(struct store_reader *reader, const char *path, char **ret_error)
{
	_cleanup_free_ char *name = NULL;
	/* A leading "./" keeps SQLite from taking a relative path for a URI or for ":memory:". */
	if (asprintf(&name, "%s%s", path[0] == '/' ? "" : "./", path) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	if (sqlite3_open_v2(name, &reader->db, flags, "unix") != SQLITE_OK)
		return reader->db ? store_errno(reader->db) : -ENOMEM;
	int r = store_prepare(reader->db, BUSY_MS);
	if (r == 0)
		r = explain_kind(reader, path, ret_error);
	if (r == 0)
		r = make_ready(reader);
	return r < 0 ? r : 0;
}

int store_reader_open(struct store_reader **ret_reader, const char *path, char **ret_error)
{
	_cleanup_(store_reader_free) struct store_reader *reader = calloc(1, sizeof(*reader));

	*ret_error = NULL;
	if (!reader)
		return -ENOMEM;
	int r = check_path(path, ret_error);
	if (r == 0)
		r = open_database(reader, path, ret_error);
	if (r < 0) {
		if (!*ret_error)
			explain(path, r, ret_error);
		return r;
	}
	*ret_reader = TAKE_PTR(reader);
	return 0;
}

int store_reader_before_last(struct store_reader *reader, uint64_t n, int64_t *ret_seq)
{
	sqlite3_stmt *stmt = NULL;
	int r = make_ready(reader);
	if (r <= 0) {
		if (r == 0)
			*ret_seq = 0;
		return r;
	}
	/* With n = 0 the oldest of the newest none does not exist, and the newest of all counts. */
	r = prepare(reader,
		    "SELECT coalesce((SELECT min(seq) - 1 FROM (SELECT seq FROM events ORDER BY seq DESC "
		    "LIMIT ?1)),"
		    " (SELECT max(seq) FROM events), 0)",
		    &stmt);
	if (r < 0)
		return r;
	if (sqlite3_bind_int64(stmt, 1, n > INT64_MAX ? INT64_MAX : (sqlite3_int64)n) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		r = store_errno(reader->db);
	else
		*ret_seq = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return r;
}

void store_row_done(struct store_row *row)
{
	free(row->body);
	*row = (struct store_row){0};
}

static int copy_row(sqlite3_stmt *stmt, struct store_row *ret_row)
{
	const void *text = sqlite3_column_text(stmt, 1);
	size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
	char *body = malloc(len + 1);
	if (!body || (!text && len)) {
		free(body);
		return -ENOMEM;
	}
	if (len)
		memcpy(body, text, len);
	body[len] = '\0';
	*ret_row = (struct store_row){.seq = sqlite3_column_int64(stmt, 0), .body = body, .len = len};
	return 1;
}

int store_reader_next(struct store_reader *reader, const char *message_id, int64_t after,
		      struct store_row *ret_row)
{
	int r = make_ready(reader);
	if (r <= 0)
		return r;
	sqlite3_stmt *stmt = message_id ? reader->next_of : reader->next;
	if (sqlite3_bind_int64(stmt, 1, after) != SQLITE_OK ||
	    (message_id && sqlite3_bind_text(stmt, 2, message_id, -1, SQLITE_TRANSIENT) != SQLITE_OK)) {
		r = store_errno(reader->db);
	} else {
		int step = sqlite3_step(stmt);
		if (step == SQLITE_ROW)
			r = copy_row(stmt, ret_row);
		else
			r = step == SQLITE_DONE ? 0 : store_errno(reader->db);
	}
	sqlite3_reset(stmt);
	return r;
}

static int collect(sqlite3 *db, sqlite3_stmt *stmt, size_t max, char (*ids)[STORE_ID_LEN])
{
	size_t n = 0;
	int step = SQLITE_DONE;
	while (n < max && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		const unsigned char *id = sqlite3_column_text(stmt, 0);
		if (id && strlen((const char *)id) < STORE_ID_LEN)
			strcpy(ids[n++], (const char *)id);
	}
	return n < max && step != SQLITE_DONE ? store_errno(db) : (int)n;
}

int store_reader_find(struct store_reader *reader, const char *prefix, size_t max,
		      char (**ret_ids)[STORE_ID_LEN])
{
	sqlite3_stmt *stmt = NULL;
	int r = make_ready(reader);
	if (r < 0)
		return r;
	_cleanup_free_ char(*ids)[STORE_ID_LEN] = calloc(max, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	if (r > 0) {
		/* "g" sorts after every hex digit and the dash: a range of the index, not a scan. */
		r = prepare(reader,
			    "SELECT DISTINCT message_id FROM events WHERE message_id >= ?1 AND message_id < "
			    "?1 || 'g'"
			    " ORDER BY message_id",
			    &stmt);
		if (r == 0 && sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC) != SQLITE_OK)
			r = store_errno(reader->db);
		if (r == 0)
			r = collect(reader->db, stmt, max, ids);
		sqlite3_finalize(stmt);
		if (r < 0)
			return r;
	}
	*ret_ids = TAKE_PTR(ids);
	return r;
}
