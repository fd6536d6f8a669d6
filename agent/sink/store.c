/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/log.h"
#include "base/macro.h"
#include "sink/sink.h"

#define BUSY_MS 5000
/* A burst makes the log large; it is cut back to this when it was written into the database. */
#define LOG_KEEP_BYTES "67108864"

struct store {
	struct sink sink;
	sqlite3 *db;
	sqlite3_stmt *insert, *begin, *commit, *rollback;
	bool dirty; /* something was committed since the last sync */
};

__attribute__((format(printf, 2, 3))) static void set_error(char **ret_error, const char *fmt, ...)
{
	va_list ap;
	if (!ret_error)
		return;
	va_start(ap, fmt);
	if (vasprintf(ret_error, fmt, ap) < 0)
		*ret_error = NULL;
	va_end(ap);
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* Nobody but root and us may be able to put another file in the place of the store. */
static int check_folder(const char *path, char **ret_error)
{
	_cleanup_free_ char *folder = folder_of(path);
	struct stat st;

	if (!folder)
		return -ENOMEM;
	if (mkdir(folder, 0700) == 0 && chmod(folder, 0700) < 0)
		return -errno;
	if (stat(folder, &st) < 0) {
		int r = -errno;
		set_error(ret_error, "cannot use the folder %s: %s; make it, or give another store.path",
			  folder, strerror(-r));
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		set_error(ret_error, "%s is not a folder; give another store.path", folder);
		return -ENOTDIR;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		set_error(ret_error,
			  "the folder %s belongs to user %u, who could replace the store; chown it", folder,
			  st.st_uid);
		return -EACCES;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX)) {
		set_error(ret_error, "others may write in the folder %s and replace the store; chmod go-w it",
			  folder);
		return -EACCES;
	}
	return 0;
}

/* SQLite takes a file of less than this for an empty database, and would write over it. */
#define MIN_DATABASE 512

/* lstat() of a file that may be missing (ret_st->st_nlink is 0 then) and must otherwise be ours alone. */
static int check_file(const char *path, struct stat *ret_st, char **ret_error)
{
	const char *what = NULL;
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT) {
			*ret_st = (struct stat){0};
			return 0;
		}
		int r = -errno;
		set_error(ret_error, "cannot use %s: %s", path, strerror(-r));
		return r;
	}
	if (S_ISLNK(st.st_mode))
		what = "is a symbolic link; give the path of the file itself";
	else if (!S_ISREG(st.st_mode))
		what = "is not a regular file; give another store.path";
	else if (st.st_uid != geteuid())
		what = "belongs to another user; chown it, or move it away";
	else if (st.st_nlink > 1)
		what = "has several hard links; move it away";
	if (what) {
		set_error(ret_error, "%s %s", path, what);
		return -EACCES;
	}
	*ret_st = st;
	return 0;
}

static const char *const beside[] = {"", "-wal", "-shm", "-journal"};

static int check_files(const char *path, char **ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *name = NULL;
		struct stat st;
		if (asprintf(&name, "%s%s", path, beside[i]) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		int r = check_file(name, &st, ret_error);
		if (r < 0)
			return r;
		if (i == 0 && st.st_size > 0 && st.st_size < MIN_DATABASE) {
			set_error(ret_error,
				  "%s is not an oaitap store; move it away, or give another store.path",
				  path);
			return -EBADMSG;
		}
	}
	return 0;
}

/* By path, not by descriptor: closing a second descriptor of the database would drop SQLite's locks
 * (fcntl(2), the advisory locks of POSIX). That is safe because nobody else may rename files in this folder.
 */
static int tighten_files(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *name = NULL;
		struct stat st;
		if (asprintf(&name, "%s%s", path, beside[i]) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		int r = check_file(name, &st, NULL);
		if (r < 0)
			return r;
		if (st.st_nlink == 0 || (st.st_mode & 0777) == 0600)
			continue;
		if (chmod(name, 0600) < 0)
			return -errno;
		if (st.st_mode & 0077)
			log_warn("the store was open to others, its mode is 0600 now: %s", name);
	}
	return 0;
}

/* SQLite would make the file with the mode of the umask. Closed before SQLite opens it, see tighten_files().
 */
static int make_file(const char *path, char **ret_error)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fchmod(fd, 0600) < 0 ? -errno : 0;
	if (errno == EEXIST)
		return 0;
	int r = -errno;
	set_error(ret_error, "cannot make %s: %s", path, strerror(-r));
	return r;
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_errno(db);
}

static int step(struct store *store, sqlite3_stmt *stmt)
{
	int r = sqlite3_step(stmt) == SQLITE_DONE ? 0 : store_errno(store->db);
	sqlite3_reset(stmt);
	return r;
}

static int make_schema(sqlite3 *db)
{
	char sql[1024];
	snprintf(sql, sizeof(sql),
		 "BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", STORE_SCHEMA,
		 STORE_APPLICATION_ID, STORE_VERSION);
	int r = run(db, sql);
	if (r < 0 && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

/* Fails unless the database is a store of our version or empty. Changes nothing. */
static int check_kind(sqlite3 *db, const char *path, enum store_kind *ret_kind, char **ret_error)
{
	enum store_kind kind;
	int64_t version;
	int r = store_identify(db, &kind, &version);
	if (r == -EBADMSG)
		set_error(ret_error,
			  "%s is not an oaitap store, or it is damaged; move it away, or give another "
			  "store.path",
			  path);
	if (r < 0)
		return r;
	if (kind == STORE_FOREIGN)
		set_error(ret_error, "%s is the database of another program; give another store.path", path);
	if (kind == STORE_NEWER)
		set_error(ret_error,
			  "%s was made by a newer oaitap (store version %lld, this program knows %d); "
			  "upgrade oaitap, or give "
			  "another store.path",
			  path, (long long)version, STORE_VERSION);
	if (kind == STORE_FOREIGN || kind == STORE_NEWER)
		return -EBADMSG;
	*ret_kind = kind;
	return 0;
}

/* synchronous=NORMAL: a commit does not wait for the disk, the log is consistent after any crash, and
 * store_flush() syncs it as soon as there is a pause, so that a burst costs one sync and not one per batch. A
 * file system without shared memory for the log keeps the rollback journal, which is only safe when every
 * commit is synced. */
static int set_modes(sqlite3 *db, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	bool wal = false;
	int r = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		wal = strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
	else
		r = store_errno(db);
	sqlite3_finalize(stmt);
	if (r < 0)
		return r;
	if (!wal)
		log_warn("this file system cannot hold a write-ahead log, the store will be slower: %s",
			 path);
	r = run(db, wal ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL");
	/* In pages of 4 KiB. The default of 1000 is less than a batch under load, and each checkpoint waits
	 * for the disk. */
	if (r >= 0)
		r = run(db, "PRAGMA wal_autocheckpoint=8000");
	return r < 0 ? r : run(db, "PRAGMA journal_size_limit=" LOG_KEEP_BYTES);
}

static int open_database(struct store *store, const char *path, char **ret_error)
{
	enum store_kind kind;
	int64_t version;

	if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix") !=
	    SQLITE_OK)
		return store->db ? store_errno(store->db) : -ENOMEM;
	int r = store_prepare(store->db, BUSY_MS);
	if (r == 0)
		r = check_kind(store->db, path, &kind, ret_error);
	if (r == 0)
		r = tighten_files(path);
	if (r == 0)
		r = set_modes(store->db, path);
	if (r == 0 && kind == STORE_EMPTY) {
		r = make_schema(store->db);
		/* Another process may have made it in between. */
		if (r < 0 && store_identify(store->db, &kind, &version) == 0 && kind == STORE_OURS)
			r = 0;
	}
	return r;
}

static int prepare_statements(struct store *store)
{
	const struct {
		sqlite3_stmt **stmt;
		const char *sql;
	} statements[] = {
		{&store->insert,
		 "INSERT INTO events(event_id, message_id, type, time_ns, body) VALUES(?, ?, ?, ?, ?) "
		 "ON CONFLICT(event_id) DO NOTHING"},
		{&store->begin, "BEGIN IMMEDIATE"},
		{&store->commit, "COMMIT"},
		{&store->rollback, "ROLLBACK"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
		if (sqlite3_prepare_v3(store->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
				       statements[i].stmt, NULL) != SQLITE_OK)
			return store_errno(store->db);
	return 0;
}

static int insert(struct store *store, const struct event *event)
{
	sqlite3_stmt *stmt = store->insert;
	int r;
	if (sqlite3_bind_text(stmt, 1, event->event_id, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_text(stmt, 2, event->message_id, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_text(stmt, 3, event->type, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_int64(stmt, 4, (sqlite3_int64)event->time_ns) != SQLITE_OK ||
	    sqlite3_bind_text64(stmt, 5, event->text, event->len, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
		r = store_errno(store->db);
	else
		r = step(store, stmt);
	sqlite3_clear_bindings(stmt);
	return r;
}

static int store_write(struct sink *sink, struct event *const *events, size_t n, size_t *ret_taken)
{
	struct store *store = (struct store *)sink;
	size_t done = 0;
	int too_big = 0;

	*ret_taken = 0;
	if (n == 0)
		return 0;
	int r = step(store, store->begin);
	if (r < 0)
		return r;
	for (; done < n && r == 0; done++)
		r = insert(store, events[done]);
	if (r == -E2BIG && !sqlite3_get_autocommit(store->db)) {
		done--;
		too_big = r;
		r = 0;
	}
	if (r == 0)
		r = step(store, store->commit);
	if (r < 0) {
		/* A full disk may have ended the transaction already. */
		if (!sqlite3_get_autocommit(store->db))
			step(store, store->rollback);
		return r;
	}
	store->dirty |= done > 0;
	*ret_taken = done;
	return too_big;
}

static int store_flush(struct sink *sink)
{
	struct store *store = (struct store *)sink;
	sqlite3_file *log = NULL;

	if (!store->dirty)
		return 0;
	if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK)
		return -EIO;
	if (log && log->pMethods && log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) != SQLITE_OK)
		return -EIO;
	store->dirty = false;
	return 0;
}

static void store_free(struct sink **sink)
{
	if (!*sink)
		return;
	struct store *store = (struct store *)*sink;
	sqlite3_finalize(store->insert);
	sqlite3_finalize(store->begin);
	sqlite3_finalize(store->commit);
	sqlite3_finalize(store->rollback);
	sqlite3_close(store->db);
	free(store);
	*sink = NULL;
}

static const struct sink_ops store_ops = {
	.name = "store", .write = store_write, .flush = store_flush, .free = store_free};

static void cleanup_store(struct store **store)
{
	store_free((struct sink **)store);
}

static int open_checked(struct store *store, const char *path, char **ret_error)
{
	int r = check_folder(path, ret_error);
	if (r == 0)
		r = check_files(path, ret_error);
	if (r == 0)
		r = make_file(path, ret_error);
	if (r == 0)
		r = open_database(store, path, ret_error);
	if (r == 0)
		r = prepare_statements(store);
	return r;
}

int sink_store_open(struct sink **ret_sink, const char *path, char **ret_error)
{
	_cleanup_(cleanup_store) struct store *store = NULL;
	_cleanup_free_ char *error = NULL, *name = NULL;

	/* A leading "./" keeps SQLite from taking a relative path for a URI or for ":memory:". */
	if (asprintf(&name, "%s%s", path[0] == '/' ? "" : "./", path) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->sink.ops = &store_ops;
	int r = open_checked(store, name, &error);
	if (r == 0) {
		*ret_sink = &TAKE_PTR(store)->sink;
		return 0;
	}
	if (!error)
		set_error(&error, "cannot open the store %s: %s", path, strerror(-r));
	if (ret_error)
		*ret_error = TAKE_PTR(error);
	return r;
}
