/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "base/macro.h"
#include "identity/reader.h"
#include "ops/commands.h"

static char dir[] = "/tmp/oaitap-fingerprint-XXXXXX";
static char key_path[64], conf_path[64];
static char out[8192], err[8192];
static struct identity_key *key;

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/key", dir);
	snprintf(conf_path, sizeof(conf_path), "%s/c.yaml", dir);
	FILE *f = fopen(conf_path, "w");
	fprintf(f, "identity:\n  key_path: %s\n", key_path);
	fclose(f);
	return identity_key_open(&key, key_path);
}

static int teardown(void **state)
{
	(void)state;
	identity_key_free(&key);
	unlink(key_path);
	unlink(conf_path);
	return rmdir(dir);
}

static void read_end(int fd, char *text, size_t size)
{
	size_t len = 0;
	for (ssize_t n; len + 1 < size && (n = read(fd, text + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = 0;
	close(fd);
}

/* In a process of its own; the exit code. */
static int run(const char *input, size_t input_len, char **argv)
{
	int in_pipe[2], out_pipe[2], err_pipe[2], argc = 0, status;
	while (argv[argc])
		argc++;
	assert_true(pipe(in_pipe) == 0 && pipe(out_pipe) == 0 && pipe(err_pipe) == 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(in_pipe[0], STDIN_FILENO);
		dup2(out_pipe[1], STDOUT_FILENO);
		dup2(err_pipe[1], STDERR_FILENO);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		int code = cmd_fingerprint(argc, argv);
		fflush(NULL);
		_exit(code);
	}
	close(in_pipe[0]);
	close(out_pipe[1]);
	close(err_pipe[1]);
	for (ssize_t n; input_len > 0 && (n = write(in_pipe[1], input, input_len)) > 0;) {
		input += n;
		input_len -= (size_t)n;
	}
	close(in_pipe[1]);
	read_end(out_pipe[0], out, sizeof(out));
	read_end(err_pipe[0], err, sizeof(err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run_key(const char *input)
{
	char *argv[] = {"fingerprint", "-k", key_path, NULL};
	return run(input, strlen(input), argv);
}

static void check_is_of(const char *credential)
{
	_cleanup_free_ char *want = NULL;
	assert_int_equal(identity_fingerprint(key, credential, strlen(credential), &want), 0);
	assert_int_equal(strncmp(out, want, strlen(want)), 0);
	assert_string_equal(out + strlen(want), "\n");
}

/* As events have it for the header that carries it, however it is given here. */
static void test_agrees_with_events(void **state)
{
	static const char *const forms[] = {"sk-proj-abc\n", "sk-proj-abc", "  sk-proj-abc\t\r\n",
					    "Bearer sk-proj-abc\n", "bEARER \tsk-proj-abc"};
	static const char *const others[] = {"0123456789abcdef0123456789abcdef", "opaque token", "a.b.c",
					     "Bearers"};
	_cleanup_(identity_reader_free) struct identity_reader *reader = NULL;
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(run_key(forms[i]), 0);
		check_is_of("sk-proj-abc");
		assert_string_equal(err, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(run_key(others[i]), 0);
		check_is_of(others[i]);
	}
	/* What the stage that makes events says of the same. */
	struct identity_headers headers = {.authorization = "Bearer sk-proj-abc"};
	struct identity_caller caller;
	assert_int_equal(identity_reader_new(&reader, key, NULL, NULL), 0);
	assert_int_equal(identity_reader_read(reader, &headers, 0, &caller), 0);
	assert_int_equal(run_key("sk-proj-abc"), 0);
	assert_int_equal(strncmp(out, caller.key_fingerprint, strlen(caller.key_fingerprint)), 0);
	identity_caller_done(&caller);
}

static void test_no_key(void **state)
{
	/* {"alg":"RS256"} . {"iss":"https://sts.windows.net/t/","tid":"t","oid":"o","appid":"a"} . signature
	 */
	static const char entra[] =
		"Bearer eyJhbGciOiJSUzI1NiJ9."
		"eyJpc3MiOiJodHRwczovL3N0cy53aW5kb3dzLm5ldC90LyIsInRpZCI6InQiLCJvaWQiOiJvIiwiYXBwaWQiOiJhIn0."
		"U0lHTkFUVVJF";
	static const struct {
		const char *input, *error;
	} rows[] = {
		{"", "no key was given"},
		{" \r\n\n", "no key was given"},
		{"one\ntwo\n", "more than one line"},
		{"Bearer ", "bearer token is empty"},
		{entra, "token of Entra's"},
	};
	char *argv[] = {"fingerprint", "-k", key_path, NULL};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(run_key(rows[i].input), 1);
		assert_string_equal(out, "");
		if (!strstr(err, rows[i].error))
			fail_msg("%s: %s", rows[i].input, err);
	}
	assert_int_equal(run("a\0b", 3, argv), 1);
	assert_non_null(strstr(err, "NUL"));
	_cleanup_free_ char *huge = malloc(200001);
	memset(huge, 'k', 200000);
	huge[200000] = 0;
	assert_int_equal(run_key(huge), 1);
	assert_non_null(strstr(err, "too long"));
}

static void test_usage(void **state)
{
	char *of_config[] = {"fingerprint", "--config", conf_path, NULL};
	char *argument[] = {"fingerprint", "sk-secret-on-the-command-line", NULL};
	char *option[] = {"fingerprint", "--colour", NULL};
	char *help[] = {"fingerprint", "--help", NULL};
	char *missing[] = {"fingerprint", "-k", "/nonexistent/key", NULL};
	char *not_key[] = {"fingerprint", "-k", conf_path, NULL};
	(void)state;
	assert_int_equal(run("sk-proj-abc", 11, of_config), 0);
	check_is_of("sk-proj-abc");
	assert_int_equal(run("", 0, argument), 2);
	assert_null(strstr(err, "sk-secret"));
	assert_int_equal(run("", 0, option), 2);
	assert_int_equal(run("", 0, help), 0);
	assert_non_null(strstr(out, "Usage: oaitap fingerprint"));
	/* None is made: it would be nobody's. */
	assert_int_equal(run("k", 1, missing), 2);
	assert_non_null(strstr(err, "/nonexistent/key: not there"));
	assert_int_equal(chmod(conf_path, 0600), 0);
	assert_int_equal(run("k", 1, not_key), 2);
	assert_non_null(strstr(err, "not a fingerprint key"));
	assert_int_equal(chmod(key_path, 0644), 0);
	assert_int_equal(run_key("k"), 3);
	assert_non_null(strstr(err, "0600"));
	assert_int_equal(chmod(key_path, 0600), 0);
}

/* Waits until the terminal says so. */
static void terminal_expect(int fd, char *text, size_t size, const char *part)
{
	size_t len = strlen(text);
	while (!strstr(text, part)) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&ready, 1, 10000), 1);
		ssize_t n = read(fd, text + len, size - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
		text[len] = 0;
	}
}

static int at_terminal(const char *typed, char *text, size_t size, const char *part, bool *ret_echo)
{
	char *argv[] = {"fingerprint", "-k", key_path, NULL};
	struct termios after;
	int fd, slave, status;
	assert_int_equal(openpty(&fd, &slave, NULL, NULL, NULL), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		login_tty(slave);
		int code = cmd_fingerprint(3, argv);
		fflush(NULL);
		_exit(code);
	}
	text[0] = 0;
	terminal_expect(fd, text, size, "not shown): ");
	assert_true(write(fd, typed, strlen(typed)) > 0);
	terminal_expect(fd, text, size, part);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tcgetattr(slave, &after), 0);
	*ret_echo = (after.c_lflag & ECHO) && (after.c_lflag & ISIG);
	close(slave);
	close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_terminal(void **state)
{
	char text[4096];
	bool echo;
	_cleanup_free_ char *want = NULL;
	(void)state;
	assert_int_equal(identity_fingerprint(key, "sk-proj-abc", 11, &want), 0);
	assert_int_equal(at_terminal("sk-proj-abc\n", text, sizeof(text), want, &echo), 0);
	assert_null(strstr(text, "sk-proj"));
	assert_true(echo);
	/* Ctrl-C: no fingerprint, and the terminal is as it was. */
	assert_int_equal(at_terminal("sk-pr\x03", text, sizeof(text), "\n", &echo), 1);
	assert_null(strstr(text, "sk-pr"));
	assert_null(strstr(text, "hmac"));
	assert_true(echo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_events),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_terminal),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
