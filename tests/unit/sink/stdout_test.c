/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/macro.h"
#include "sink/sink.h"

static struct event event_of(const char *id, char *text)
{
	struct event e = {.text = text, .len = strlen(text), .type = "Request"};
	snprintf(e.event_id, sizeof(e.event_id), "%s", id);
	return e;
}

static char *content(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static char path[64];

static int temp_file(void)
{
	strcpy(path, "/tmp/oaitap-stdout-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	return fd;
}

static void test_json(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken = 9;
	struct event a = event_of("a", "{\"x\":\"\x1b\xff exact\"}"), b = event_of("b", "{}");
	struct event *const events[] = {&a, &b};
	int fd = temp_file();
	assert_int_equal(sink_stdout_new(&sink, fd, SINK_JSON, 1), 0);
	assert_int_equal(sink->ops->write(sink, events, 2, &taken), 0);
	assert_int_equal(taken, 2);
	assert_int_equal(sink->ops->flush(sink), 0);
	sink->ops->free(&sink);
	assert_null(sink);
	assert_string_equal(content(path), "{\"x\":\"\x1b\xff exact\"}\n{}\n");
	close(fd);
	unlink(path);
}

static void test_pretty(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken;
	struct event a =
		event_of("a", "{\"event-type\":\"Request\",\"operation\":\"Op\",\"prompt\":\"Hi\\u001b\"}");
	struct event b = event_of("b", "not json");
	struct event *const events[] = {&a, &b};
	int fd = temp_file();
	assert_int_equal(sink_stdout_new(&sink, fd, SINK_PRETTY, 0), 0);
	assert_int_equal(sink->ops->write(sink, events, 2, &taken), 0);
	assert_int_equal(taken, 2);
	sink->ops->free(&sink);
	assert_non_null(strstr(content(path), "    Op\n    > Hi\\x1b\n(an event of 8 bytes"));
	close(fd);
	unlink(path);
}

static void test_reader_gone(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken = 9;
	int fds[2];
	struct event a = event_of("a", "{}");
	struct event *const events[] = {&a};
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(sink_stdout_new(&sink, fds[1], SINK_JSON, 0), 0);
	close(fds[0]);
	assert_int_equal(sink->ops->write(sink, events, 1, &taken), -EPIPE);
	assert_int_equal(taken, 0);
	close(fds[1]);
	assert_int_equal(sink->ops->write(sink, events, 1, &taken), -EBADF);
	sink->ops->free(&sink);
}

static void *drain(void *arg)
{
	int fd = *(int *)arg;
	char piece[777];
	size_t total = 0;
	for (ssize_t n; (n = read(fd, piece, sizeof(piece))) > 0; total += (size_t)n)
		usleep(50);
	return (void *)total;
}

/* A full pipe, non-blocking and slow: every write is partial, nothing is lost. */
static void test_slow_reader(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken;
	int fds[2];
	_cleanup_free_ char *text = malloc(300001);
	memset(text, 'x', 300000);
	text[300000] = '\0';
	struct event a = event_of("a", text), b = event_of("b", text);
	struct event *const events[] = {&a, &b};
	pthread_t thread;
	void *total;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(sink_stdout_new(&sink, fds[1], SINK_JSON, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, drain, &fds[0]), 0);
	assert_int_equal(sink->ops->write(sink, events, 2, &taken), 0);
	assert_int_equal(taken, 2);
	close(fds[1]);
	pthread_join(thread, &total);
	assert_int_equal((size_t)total, 600002);
	close(fds[0]);
	sink->ops->free(&sink);
}

/* Nobody reads: the sink says so after a while rather than wait, and goes on exactly where it stopped. */
static void test_reader_stands_still(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken = 9;
	int fds[2];
	_cleanup_free_ char *text = malloc(300001);
	memset(text, 'x', 300000);
	text[300000] = '\0';
	struct event a = event_of("a", text);
	struct event *const events[] = {&a};
	pthread_t thread;
	void *total;
	assert_int_equal(pipe(fds), 0); /* blocking, as a terminal is */
	assert_int_equal(sink_stdout_new(&sink, fds[1], SINK_JSON, 0), 0);
	assert_int_equal(sink->ops->write(sink, events, 1, &taken), -EAGAIN);
	assert_int_equal(taken, 0);
	assert_int_equal(pthread_create(&thread, NULL, drain, &fds[0]), 0);
	assert_int_equal(sink->ops->write(sink, events, 1, &taken), 0);
	assert_int_equal(taken, 1);
	close(fds[1]);
	pthread_join(thread, &total);
	assert_int_equal((size_t)total, 300001);
	close(fds[0]);
	sink->ops->free(&sink);
}

static void set_limit(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full in the middle of an event: given again it continues; given up, its line is ended. */
static void test_torn(void **state)
{
	(void)state;
	struct sink *sink = NULL;
	size_t taken = 9;
	struct event a = event_of("a", "{\"a\":1}"), b = event_of("b", "{\"bbbb\":2}"),
		     c = event_of("c", "{}");
	struct event *const ab[] = {&a, &b}, *const only_b[] = {&b}, *const only_c[] = {&c};
	signal(SIGXFSZ, SIG_IGN);
	for (rlim_t limit = 9; limit <= 18; limit++) {
		int fd = temp_file();
		assert_int_equal(sink_stdout_new(&sink, fd, SINK_JSON, 0), 0);
		set_limit(limit);
		assert_int_equal(sink->ops->write(sink, ab, 2, &taken), -EFBIG);
		assert_int_equal(taken, 1);
		assert_int_equal(sink->ops->write(sink, only_b, 1, &taken), -EFBIG);
		assert_int_equal(taken, 0);
		set_limit(0);
		assert_int_equal(sink->ops->write(sink, only_b, 1, &taken), 0);
		assert_int_equal(taken, 1);
		assert_string_equal(content(path), "{\"a\":1}\n{\"bbbb\":2}\n");
		sink->ops->free(&sink);
		close(fd);
		unlink(path);
	}
	int fd = temp_file();
	assert_int_equal(sink_stdout_new(&sink, fd, SINK_JSON, 0), 0);
	set_limit(12);
	assert_int_equal(sink->ops->write(sink, ab, 2, &taken), -EFBIG);
	set_limit(0);
	assert_int_equal(sink->ops->write(sink, only_c, 1, &taken), 0);
	assert_string_equal(content(path), "{\"a\":1}\n{\"bb\n{}\n");
	sink->ops->free(&sink);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),	    cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_reader_gone), cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_torn),	    cmocka_unit_test(test_reader_stands_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
