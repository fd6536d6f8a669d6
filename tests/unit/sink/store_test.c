/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/macro.h"
#include "sink/sink.h"
#include "sink/store.h"

static char base[] = "/tmp/oaitap-store-XXXXXX";
static char db[64]; /* base/s/db: the folder s is made by the store */

static void remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	char name[512];
	if (!d)
		return;
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "%s/%.200s", path, e->d_name);
		unlink(name);
	}
	closedir(d);
	rmdir(path);
}

static int setup(void **state)
{
	(void)state;
	strcpy(base + strlen(base) - 6, "XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(db, sizeof(db), "%s/s/db", base);
	return 0;
}

static int teardown(void **state)
{
	char folder[64];
	(void)state;
	snprintf(folder, sizeof(folder), "%s/s", base);
	remove_folder(folder);
	remove_folder(base);
	return 0;
}

/* Event number i, with len bytes of text. */
static struct event *make_event(unsigned int i, size_t len)
{
	struct event *e = calloc(1, sizeof(*e));
	assert_non_null(e);
	snprintf(e->event_id, sizeof(e->event_id), "00000000-0000-7000-8000-%012u", i);
	snprintf(e->message_id, sizeof(e->message_id), "10000000-0000-7000-8000-%012u", i / 2);
	e->type = i % 2 ? "Response" : "Request";
	e->time_ns = 1700000000000000000ULL + i;
	e->text = malloc(len + 64);
	assert_non_null(e->text);
	e->len = (size_t)sprintf(e->text, "{\"n\":%u,\"pad\":\"", i);
	memset(e->text + e->len, 'x', len);
	e->len += len;
	strcpy(e->text + e->len, "\"}");
	e->len += 2;
	return e;
}

static void drop_events(struct event **events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(events[i]->text);
		free(events[i]);
	}
}

/* Writes n events numbered from `first`. */
static int write_events(struct sink *sink, unsigned int first, size_t n, size_t len, size_t *ret_taken)
{
	struct event *events[64];
	assert_true(n <= ARRAY_SIZE(events));
	for (size_t i = 0; i < n; i++)
		events[i] = make_event(first + (unsigned int)i, len);
	int r = sink->ops->write(sink, events, n, ret_taken);
	drop_events(events, n);
	return r;
}

static struct sink *open_store(void)
{
	struct sink *sink = NULL;
	char *error = NULL;
	int r = sink_store_open(&sink, db, &error);
	if (r < 0)
		fail_msg("open: %d %s", r, error);
	assert_null(error);
	return sink;
}

static int64_t query(const char *sql)
{
	sqlite3 *conn;
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_open_v2(db, &conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
			 SQLITE_OK);
	sqlite3_busy_timeout(conn, 5000);
	assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
	int64_t value = -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	assert_int_equal(sqlite3_close(conn), SQLITE_OK);
	return value;
}

static void make_file(const char *path, const char *data, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void refused(int want, const char *has)
{
	struct sink *sink = NULL;
	char *error = NULL;
	int r = sink_store_open(&sink, db, &error);
	if (r != want || sink || !error || !strstr(error, has) || !strstr(error, base))
		fail_msg("got %d \"%s\", expected %d \"%s\"", r, error ? error : "", want, has);
	free(error);
	assert_int_equal(sink_store_open(&sink, db, NULL), want);
}

static void test_write_and_reopen(void **state)
{
	(void)state;
	size_t taken = 9;
	struct sink *sink = open_store();
	assert_int_equal(write_events(sink, 0, 3, 10, &taken), 0);
	assert_int_equal(taken, 3);
	assert_int_equal(sink->ops->flush(sink), 0);
	assert_int_equal(sink->ops->flush(sink), 0);
	assert_int_equal(write_events(sink, 0, 0, 0, &taken), 0);
	assert_int_equal(taken, 0);

	/* Given again, as after a failure whose outcome was not known. */
	assert_int_equal(write_events(sink, 1, 4, 10, &taken), 0);
	assert_int_equal(taken, 4);
	sink->ops->free(&sink);
	assert_null(sink);
	sink = open_store();
	assert_int_equal(write_events(sink, 5, 1, 300000, &taken), 0);
	sink->ops->free(&sink);

	assert_int_equal(query("SELECT count(*) FROM events"), 6);
	assert_int_equal(query("SELECT count(*) FROM events WHERE type = 'Response' AND time_ns % 2 = 1"), 3);
	assert_int_equal(
		query("SELECT count(*) FROM events WHERE typeof(body) = 'text' AND json_valid(body)"), 6);
	assert_int_equal(query("SELECT length(body) FROM events ORDER BY seq DESC LIMIT 1"), 300000 + 16);
	assert_int_equal(query("SELECT count(*) FROM events a WHERE json_extract(body, '$.n') = "
			       "(SELECT count(*) FROM events b WHERE b.seq < a.seq)"),
			 6);
	assert_int_equal(query("SELECT count(DISTINCT message_id) FROM events"), 3);
	assert_int_equal(query("PRAGMA application_id"), STORE_APPLICATION_ID);
	assert_int_equal(query("PRAGMA user_version"), STORE_VERSION);
}

static void check_modes(void)
{
	char name[80];
	size_t taken;
	struct sink *sink = open_store();
	assert_int_equal(write_events(sink, 0, 1, 10, &taken), 0);
	assert_int_equal(mode_of(db), 0600);
	snprintf(name, sizeof(name), "%s-wal", db);
	assert_int_equal(mode_of(name), 0600);
	snprintf(name, sizeof(name), "%s-shm", db);
	assert_int_equal(mode_of(name), 0600);
	snprintf(name, sizeof(name), "%s/s", base);
	assert_int_equal(mode_of(name), 0700);
	sink->ops->free(&sink);
}

static void test_modes_open_umask(void **state)
{
	(void)state;
	mode_t before = umask(0);
	check_modes();
	umask(before);
}

static void test_modes_closed_umask(void **state)
{
	(void)state;
	mode_t before = umask(0777);
	check_modes();
	umask(before);
}

static void test_tightens(void **state)
{
	(void)state;
	char name[80];
	struct sink *sink = open_store();
	/* Left by a killed writer: the log and its index are there and readable by all. */
	snprintf(name, sizeof(name), "%s-wal", db);
	assert_int_equal(chmod(db, 0644), 0);
	assert_int_equal(chmod(name, 0666), 0);
	struct sink *second = open_store();
	assert_int_equal(mode_of(db), 0600);
	assert_int_equal(mode_of(name), 0600);
	second->ops->free(&second);
	sink->ops->free(&sink);
}

static void make_folder(mode_t mode)
{
	char folder[64];
	snprintf(folder, sizeof(folder), "%s/s", base);
	mkdir(folder, 0700);
	assert_int_equal(chmod(folder, mode), 0);
}

static void test_refuses_files(void **state)
{
	(void)state;
	char other[80];
	make_folder(0700);
	snprintf(other, sizeof(other), "%s/other", base);
	make_file(other, "", 0, 0600);

	assert_int_equal(symlink(other, db), 0);
	refused(-EACCES, "symbolic link");
	unlink(db);
	assert_int_equal(link(other, db), 0);
	refused(-EACCES, "hard link");
	unlink(db);
	assert_int_equal(mkdir(db, 0700), 0);
	refused(-EACCES, "regular file");
	rmdir(db);
	assert_int_equal(mkfifo(db, 0600), 0);
	refused(-EACCES, "regular file");
	unlink(db);
	char wal[80];
	snprintf(wal, sizeof(wal), "%s-wal", db);
	assert_int_equal(symlink(other, wal), 0);
	refused(-EACCES, "-wal is a symbolic link");
	unlink(wal);
	make_folder(0777);
	refused(-EACCES, "others may write");
	make_folder(0770);
	refused(-EACCES, "others may write");
	make_folder(01777);
	struct sink *sink = open_store();
	sink->ops->free(&sink);
	unlink(other);
}

static void test_refuses_owner(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("SKIPPED: needs root to give a file to another user\n");
		skip();
	}
	make_folder(0700);
	make_file(db, "", 0, 0600);
	assert_int_equal(chown(db, 65534, 65534), 0);
	refused(-EACCES, "another user");
	unlink(db);
	char folder[64];
	snprintf(folder, sizeof(folder), "%s/s", base);
	assert_int_equal(chown(folder, 65534, 65534), 0);
	refused(-EACCES, "belongs to user 65534");
}

static void test_no_folder(void **state)
{
	(void)state;
	snprintf(db, sizeof(db), "%s/a/b/db", base);
	refused(-ENOENT, "cannot use the folder");
	make_folder(0700);
	snprintf(db, sizeof(db), "%s/s", base);
	make_folder(0500);
	refused(-EACCES, "not a regular file");
}

static void test_foreign(void **state)
{
	(void)state;
	char garbage[8192];
	make_folder(0700);
	memset(garbage, 'g', sizeof(garbage));
	make_file(db, garbage, sizeof(garbage), 0644);
	refused(-EBADMSG, "not an oaitap store");
	assert_int_equal(mode_of(db), 0644);
	make_file(db, "x", 1, 0600);
	refused(-EBADMSG, "not an oaitap store");
	unlink(db);

	query("CREATE TABLE t(x)");
	assert_int_equal(chmod(db, 0640), 0);
	refused(-EBADMSG, "another program");
	assert_int_equal(mode_of(db), 0640);
	unlink(db);

	/* Half-made stores, as a kill between two steps leaves them. */
	make_file(db, "", 0, 0600);
	struct sink *sink = open_store();
	sink->ops->free(&sink);
	unlink(db);
	query("PRAGMA journal_mode=WAL");
	assert_int_equal(chmod(db, 0600), 0);
	sink = open_store();
	sink->ops->free(&sink);
	assert_int_equal(query("SELECT count(*) FROM events"), 0);

	query("PRAGMA user_version=2");
	refused(-EBADMSG, "newer oaitap (store version 2, this program knows 1)");
	query("PRAGMA user_version=0");
	refused(-EBADMSG, "another program");
	query("PRAGMA user_version=1");
	query("DROP TABLE events");
	refused(-EBADMSG, "cannot open the store");
}

static void test_damaged(void **state)
{
	(void)state;
	size_t taken;
	char zeros[4096] = {0};
	struct sink *sink = open_store();
	assert_int_equal(write_events(sink, 0, 20, 2000, &taken), 0);
	sink->ops->free(&sink);
	int fd = open(db, O_WRONLY);
	for (int page = 1; page < 8; page++)
		assert_int_equal(pwrite(fd, zeros, sizeof(zeros), page * 4096), sizeof(zeros));
	close(fd);
	char *error = NULL;
	int r = sink_store_open(&sink, db, &error);
	if (r == 0) {
		taken = 7;
		assert_int_equal(write_events(sink, 20, 20, 2000, &taken), -EBADMSG);
		assert_int_equal(taken, 0);
		sink->ops->free(&sink);
	} else {
		assert_int_equal(r, -EBADMSG);
	}
	free(error);
}

static void test_too_big(void **state)
{
	(void)state;
	size_t taken;
	struct sink *sink = open_store();
	struct event *events[3];
	for (unsigned int i = 0; i < 3; i++)
		events[i] = make_event(i, 10);
	size_t len = events[1]->len;
	events[1]->len = 1000000001; /* over SQLite's limit, refused before a byte of it is read */
	assert_int_equal(sink->ops->write(sink, events, 3, &taken), -E2BIG);
	assert_int_equal(taken, 1);
	assert_int_equal(sink->ops->write(sink, events + 1, 2, &taken), -E2BIG);
	assert_int_equal(taken, 0);
	assert_int_equal(sink->ops->write(sink, events + 2, 1, &taken), 0);
	events[1]->len = len;
	drop_events(events, 3);
	sink->ops->free(&sink);
	assert_int_equal(query("SELECT count(*) FROM events"), 2);
}

#define KILL_BATCH 5

static void write_forever(int fd)
{
	struct sink *sink = open_store();
	unsigned int next = (unsigned int)query("SELECT coalesce(max(seq), 0) FROM events");
	for (;; next += KILL_BATCH) {
		size_t taken;
		if (write_events(sink, next, KILL_BATCH, 20000, &taken) < 0 || taken != KILL_BATCH)
			_exit(9);
		next % 3 ? 0 : sink->ops->flush(sink);
		if (write(fd, &next, sizeof(next)) < 0)
			_exit(8);
	}
}

static void test_kill(void **state)
{
	(void)state;
	unsigned int confirmed = 0;
	for (int round = 0; round < 8; round++) {
		int fds[2], status;
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			close(fds[0]);
			write_forever(fds[1]);
		}
		close(fds[1]);
		unsigned int next;
		assert_int_equal(read(fds[0], &next, sizeof(next)), sizeof(next));
		nanosleep(&(struct timespec){.tv_nsec = 3000000 * (round + 1) + 777777}, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		confirmed = next + KILL_BATCH;
		while (read(fds[0], &next, sizeof(next)) == sizeof(next))
			confirmed = next + KILL_BATCH;
		close(fds[0]);

		/* Whole batches only, and all that were confirmed. */
		struct sink *sink = open_store();
		int64_t n = query("SELECT count(*) FROM events");
		assert_true(n >= confirmed);
		assert_int_equal(n % KILL_BATCH, 0);
		sink->ops->free(&sink);
	}
	assert_int_equal(query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
			 0);
	assert_int_equal(query("SELECT count(*) FROM events WHERE NOT json_valid(body)"), 0);
}

/* Fills until the store says -ENOSPC, makes room, goes on. Exit code of a child process: 0 if all was as it
 * must be. */
static int fill_up(int (*make_room)(void))
{
	struct sink *sink = NULL;
	size_t taken = 0;
	unsigned int next = 0;
	int r = 0;

	if (sink_store_open(&sink, db, NULL) < 0)
		return 1;
	for (; next < 4000 && r == 0; next += r == 0 ? 10 : 0)
		r = write_events(sink, next, 10, 5000, &taken);
	if (r != -ENOSPC || taken != 0 || next < 10)
		return 2;
	if (write_events(sink, next, 10, 5000, &taken) != -ENOSPC || taken != 0)
		return 3;
	if (query("SELECT count(*) FROM events") != next)
		return 4;
	if (make_room() < 0)
		return 5;
	if (write_events(sink, next, 10, 5000, &taken) != 0 || taken != 10)
		return 6;
	sink->ops->flush(sink);
	sink->ops->free(&sink);
	if (query("SELECT count(*) FROM events") != next + 10)
		return 7;
	return query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") ? 8 : 0;
}

static int lift_limit(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_FSIZE, &limit);
}

static int in_child(int (*fn)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int limited_child(void)
{
	struct rlimit limit;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 512 << 10;
	setrlimit(RLIMIT_FSIZE, &limit);
	return fill_up(lift_limit);
}

static void test_file_limit(void **state)
{
	(void)state;
	assert_int_equal(in_child(limited_child), 0);
}

static int grow_mount(void)
{
	return mount("none", base, "tmpfs", MS_REMOUNT, "size=16m");
}

#define NO_MOUNT 77

static int full_disk_child(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", base, "tmpfs", 0, "size=1m,mode=0700") < 0)
		return NO_MOUNT;
	return fill_up(grow_mount);
}

static void test_full_disk(void **state)
{
	(void)state;
	int r = in_child(full_disk_child);
	if (r == NO_MOUNT) {
		print_message("SKIPPED: may not mount a small tmpfs\n");
		skip();
	}
	assert_int_equal(r, 0);
}

static int read_until_done(void)
{
	sqlite3 *conn;
	sqlite3_stmt *stmt;
	int64_t last = 0;
	if (sqlite3_open_v2(db, &conn, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		return 1;
	if (sqlite3_prepare_v2(conn, "SELECT count(*), sum(length(body)) FROM events", -1, &stmt, NULL) !=
	    SQLITE_OK)
		return 2;
	while (last < 2000) {
		if (sqlite3_step(stmt) != SQLITE_ROW)
			return 3;
		int64_t n = sqlite3_column_int64(stmt, 0);
		if (n < last || n % 20)
			return 4;
		last = n;
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(conn);
	return 0;
}

static void test_reader_meanwhile(void **state)
{
	(void)state;
	size_t taken;
	struct sink *sink = open_store();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(read_until_done());
	for (unsigned int i = 0; i < 2000; i += 20) {
		assert_int_equal(write_events(sink, i, 20, 1000, &taken), 0);
		assert_int_equal(taken, 20);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	sink->ops->free(&sink);
}

/* Another program holds the write lock for a while: the store waits. */
static void test_waits_for_lock(void **state)
{
	(void)state;
	size_t taken;
	int fds[2], status;
	char c = 0;
	struct sink *sink = open_store();
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		sqlite3 *conn;
		if (sqlite3_open_v2(db, &conn, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		    sqlite3_exec(conn, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
		    write(fds[1], "x", 1) != 1)
			_exit(1);
		nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(write_events(sink, 0, 1, 10, &taken), 0);
	assert_int_equal(taken, 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	sink->ops->free(&sink);
}

static void test_relative_names(void **state)
{
	(void)state;
	char folder[64], before[4096], *error = NULL;
	struct sink *sink = NULL;
	make_folder(0700);
	snprintf(folder, sizeof(folder), "%s/s", base);
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	static const char *const names[] = {"plain.db", ":memory:", "file:x.db?mode=memory"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(sink_store_open(&sink, names[i], &error), 0);
		sink->ops->free(&sink);
		assert_int_equal(mode_of(names[i]), 0600);
	}
	assert_int_equal(chdir(before), 0);
}

#define each(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_write_and_reopen),
		each(test_modes_open_umask),
		each(test_modes_closed_umask),
		each(test_tightens),
		each(test_refuses_files),
		each(test_refuses_owner),
		each(test_no_folder),
		each(test_foreign),
		each(test_damaged),
		each(test_too_big),
		each(test_kill),
		each(test_file_limit),
		each(test_full_disk),
		each(test_reader_meanwhile),
		each(test_waits_for_lock),
		each(test_relative_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
