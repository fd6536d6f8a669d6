/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <sqlite3.h>

#include "base/macro.h"
#include "ops/commands.h"
#include "ops/store_reader.h"
#include "sink/sink.h"
#include "sink/store.h"

static char dir[] = "/tmp/oaitap-ops-XXXXXX";
static char db[64], conf[64], out_path[64], err_path[64];

#define ID(n) "0193a5b2-7c3d-7abc-8000-00000000000" #n

static const char request_form[] =
	"{\"event-type\":\"Request\",\"event-time\":\"2026-11-23T15:04:05.123456Z\",\"message-id\":\"%s\","
	"\"n\":%u,"
	"\"backend\":\"contoso.openai.azure.com\",\"operation\":\"ChatCompletions_Create\",\"deployment-id\":"
	"\"dep\","
	"\"model\":\"gpt-4o\",\"method\":\"POST\",\"path\":\"/openai/deployments/dep/chat/completions\","
	"\"identity\":{\"kind\":\"entra\",\"tenant-id\":\"T-1\",\"object-id\":\"O-1\",\"app-id\":\"A-1\","
	"\"verification\":\"unverified\"},\"process\":{\"pid\":77,\"comm\":\"node\",\"user\":\"bob\",\"exe\":"
	"\"/usr/bin/node\"},"
	"\"connection\":{\"protocol\":\"http/1.1\",\"sni\":\"contoso.openai.azure.com\"},"
	"\"capture\":{\"complete\":true},\"body-bytes\":321,\"body-sha256\":\"ab12\",\"parameters\":{"
	"\"temperature\":0.5},"
	"\"messages\":[{\"role\":\"system\",\"content\":\"Be "
	"brief.\"},{\"role\":\"user\",\"content\":\"One\\nTwo\\u001b[2J\"},"
	"{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"sunny\"}],"
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"The "
	"weather\","
	"\"parameters\":{\"type\":\"object\"}}}]}";

static const char response_form[] =
	"{\"event-type\":\"Response\",\"event-time\":\"2026-11-23T15:04:06.123456Z\",\"message-id\":\"%s\","
	"\"n\":%u,"
	"\"status\":200,\"outcome\":\"ok\",\"model\":\"gpt-4o-2024\",\"finish-reason\":[\"stop\",\"tool_"
	"calls\"],"
	"\"prompt_tokens\":12,\"completion_tokens\":34,\"total_tokens\":46,\"usage-source\":\"reported\","
	"\"timing\":{\"duration-ms\":1500,\"time-to-first-byte-ms\":100,\"time-to-first-token-ms\":200,"
	"\"chunks\":9},"
	"\"modeltime\":29.1,\"capture\":{\"complete\":false,\"missing-bytes\":4096,\"reason\":\"ring-full\"},"
	"\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
	"\"content\":\"Paris.\"}},"
	"{\"index\":1,\"finish_reason\":\"tool_calls\",\"message\":{\"role\":\"assistant\",\"content\":null,"
	"\"tool_calls\":"
	"[{\"id\":\"call_2\",\"function\":{\"name\":\"get_time\",\"arguments\":\"{\\\"zone\\\":\\\"CET\\\"}"
	"\"}}]}}]}";

static void write_event(struct sink *sink, unsigned int n, const char *id, const char *type, const char *form)
{
	char text[4096];
	struct event e = {.text = text, .type = type, .time_ns = n};
	struct event *const events[] = {&e};
	size_t taken;
	/* The forms are ours, each with one %s and one %u. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	e.len = (size_t)snprintf(text, sizeof(text), form, id, n);
#pragma GCC diagnostic pop
	assert_true(e.len < sizeof(text));
	snprintf(e.event_id, sizeof(e.event_id), "e-%u", n);
	snprintf(e.message_id, sizeof(e.message_id), "%s", id);
	assert_int_equal(sink->ops->write(sink, events, 1, &taken), 0);
	assert_int_equal(taken, 1);
}

/* Three exchanges; the second has no answer yet, the third has an answer whose request was missed. */
static void fill(struct sink *sink)
{
	write_event(sink, 1, ID(1), "Request", request_form);
	write_event(sink, 2, ID(1), "Response", response_form);
	write_event(sink, 3, ID(2), "Request", request_form);
	write_event(sink, 4, "0193ffff-0000-7000-8000-000000000000", "Response", response_form);
}

static void unlink_store(void)
{
	static const char *const beside[] = {"", "-wal", "-shm"};
	char name[80];
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		snprintf(name, sizeof(name), "%s%s", db, beside[i]);
		unlink(name);
	}
}

static int setup(void **state)
{
	struct sink *sink = NULL;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(db, sizeof(db), "%s/s.db", dir);
	snprintf(conf, sizeof(conf), "%s/c.yaml", dir);
	snprintf(out_path, sizeof(out_path), "%s/out", dir);
	snprintf(err_path, sizeof(err_path), "%s/err", dir);
	FILE *f = fopen(conf, "w");
	if (!f || sink_store_open(&sink, db, NULL) < 0)
		return -1;
	fprintf(f, "hosts: [a.example]\nstore: {path: %s}\n", db);
	fclose(f);
	fill(sink);
	*state = sink;
	return 0;
}

static int teardown(void **state)
{
	struct sink *sink = *state;
	if (sink)
		sink->ops->free(&sink);
	unlink_store();
	unlink(conf);
	unlink(out_path);
	unlink(err_path);
	return rmdir(dir);
}

static char out[65536], err[65536];

static void slurp(const char *path, char *text)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, 65535);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
}

/* Runs a command with its output in `out` and `err`. Words are separated by blanks; "%" stands for the
 * store's path. */
static int run(int (*cmd)(int, char **), const char *words)
{
	char line[1024], *argv[32], *save;
	int argc = 0;
	snprintf(line, sizeof(line), "%s", words);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "%") == 0 ? db : strcmp(w, "@") == 0 ? conf : w;
	argv[argc] = NULL;

	fflush(NULL);
	int saved_out = dup(1), saved_err = dup(2);
	int o = open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600),
	    e = open(err_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(o, 1);
	dup2(e, 2);
	int code = cmd(argc, argv);
	fflush(NULL);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	close(o);
	close(e);
	slurp(out_path, out);
	slurp(err_path, err);
	return code;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

/* The number after "n": of each line of JSON. */
static void events_are(const char *numbers)
{
	char got[256] = "";
	for (char *p = out; *p;) {
		char *end = strchr(p, '\n');
		assert_non_null(end);
		_cleanup_(json_decrefp) json_t *event = json_loadb(p, (size_t)(end - p), 0, NULL);
		assert_non_null(event);
		size_t len = strlen(got);
		snprintf(got + len, sizeof(got) - len, "%lld ",
			 (long long)json_integer_value(json_object_get(event, "n")));
		p = end + 1;
	}
	assert_string_equal(got, numbers);
}

static void test_tail_json(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_tail, "tail --json --store %"), 0);
	events_are("1 2 3 4 ");
	assert_int_equal(run(cmd_tail, "tail -n 2 --json -c @"), 0);
	events_are("3 4 ");
	assert_int_equal(run(cmd_tail, "tail -n2 --lines=1 --json --store %"), 0);
	events_are("4 ");
	assert_int_equal(run(cmd_tail, "tail -n 0 --json --store %"), 0);
	events_are("");
	assert_int_equal(run(cmd_tail, "tail -n 18446744073709551615 --json --store %"), 0);
	events_are("1 2 3 4 ");
	assert_string_equal(err, "");
}

static void test_tail_pretty(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_tail, "tail --store %"), 0);
	has(out, "2026-11-23 15:04:05.123Z \xe2\x86\x92 0193a5b2-7c3d-7abc node[77] bob  A-1 (entra, "
		 "unverified)\n");
	has(out, "    > One Two\\x1b[2J\n");
	has(out, "    !! INCOMPLETE CAPTURE: ring-full, 4096 bytes missing\n");
	assert_null(strchr(out, '\x1b'));
	assert_string_equal(err, "");
}

static void test_tail_usage(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"tail -n",     "tail -n x",    "tail -n -1", "tail -n 99999999999999999999",
		"tail --nope", "tail -z",      "tail extra", "tail --store",
		"tail -n 1x",  "tail --json=1"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run(cmd_tail, bad[i]), 2);
		assert_string_equal(out, "");
		has(err, "oaitap tail: ");
		has(err, "--help");
		assert_ptr_equal(strchr(err, '\n'), err + strlen(err) - 1);
	}
	assert_int_equal(run(cmd_tail, "tail --help"), 0);
	has(out, "Usage: oaitap tail");
	assert_string_equal(err, "");
}

static void test_no_store(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_tail, "tail --store /nonexistent/x.db"), 2);
	has(err, "oaitap tail: there is no store at /nonexistent/x.db; start `oaitap run`");
	assert_int_equal(run(cmd_show, "show 01 --store /tmp"), 2);
	has(err, "/tmp is not a store, it is a folder");
	assert_int_equal(run(cmd_tail, "tail -c /nonexistent/x.yaml"), 2);
	has(err, "/nonexistent/x.yaml: cannot read it");
	assert_int_equal(run(cmd_tail, "tail --store @"), 2);
	has(err, "is not an oaitap store");
	assert_string_equal(out, "");
}

static void sql(const char *text)
{
	sqlite3 *conn;
	assert_int_equal(sqlite3_open_v2(db, &conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_exec(conn, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(conn), SQLITE_OK);
}

static void test_other_databases(void **state)
{
	struct sink *sink = *state;
	sql("PRAGMA user_version=7");
	assert_int_equal(run(cmd_tail, "tail --store %"), 2);
	has(err, "newer oaitap (store version 7, this program knows 1)");
	sink->ops->free(&sink);
	*state = NULL;
	unlink_store();
	sql("CREATE TABLE t(x)");
	assert_int_equal(run(cmd_show, "show 01 --store %"), 2);
	has(err, "another program");
	unlink_store();

	/* A store that the agent is about to make. */
	sql("PRAGMA journal_mode=WAL");
	assert_int_equal(run(cmd_tail, "tail --store %"), 0);
	assert_int_equal(run(cmd_tail, "tail --store % -n 0"), 0);
	assert_int_equal(run(cmd_show, "show 01 --store %"), 1);
	unlink_store();
	close(open(db, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(run(cmd_tail, "tail --store %"), 0);
	assert_string_equal(out, "");
}

/* As another user, in a child: the exit code is the command's. */
static int run_as_nobody(const char *words)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		int e = open(err_path, O_WRONLY | O_TRUNC);
		dup2(e, 2);
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(99);
		char line[256], *argv[8], *save;
		int argc = 0;
		snprintf(line, sizeof(line), "%s", words);
		for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
			argv[argc++] = strcmp(w, "%") == 0 ? db : w;
		argv[argc] = NULL;
		_exit(cmd_tail(argc, argv));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	slurp(err_path, err);
	return WEXITSTATUS(status);
}

static void test_not_permitted(void **state)
{
	struct sink *sink = *state;
	if (geteuid() != 0) {
		print_message("SKIPPED: needs root to become another user\n");
		skip();
	}
	run(cmd_tail, "tail --help");
	assert_int_equal(run_as_nobody("tail --store %"), 3);
	has(err, "cannot look at the store");
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(run_as_nobody("tail --store %"), 3);
	has(err, "may not read the store");
	has(err, "root, or as user 0, who owns it");

	/* A readable copy whose log has no index, in a folder that is not ours. */
	sink->ops->free(&sink);
	*state = NULL;
	assert_int_equal(chmod(db, 0644), 0);
	assert_int_equal(run_as_nobody("tail --store %"), 3);
	has(err, "not write in its folder");
}

static void test_show_page(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_show, "show " ID(1) " --store %"), 0);
	assert_string_equal(err, "");
	assert_null(strchr(out, '\x1b'));
	has(out, "Exchange " ID(1) "\n");
	has(out, "  Who          A-1 (entra, unverified), tenant T-1, object O-1, app A-1\n");
	has(out, "  Process      node  pid 77  user bob  /usr/bin/node\n");
	has(out, "  Operation    ChatCompletions_Create  model gpt-4o  deployment dep  at "
		 "contoso.openai.azure.com\n");
	has(out, "\nAsked (3)\n");
	has(out, "  Parameters   {\"temperature\":0.5}\n");
	has(out, "  [1] system\n      Be brief.\n  [2] user\n      One\n      Two\\x1b[2J\n"
		 "  [3] tool  answers call_1\n      sunny\n");
	has(out, "\nTools (1)\n  - get_weather: The weather\n      {\"type\":\"object\"}\n");
	has(out, "\nAnswer (2)\n");
	has(out, "  Outcome      200 ok  finish [\"stop\",\"tool_calls\"]  model gpt-4o-2024\n");
	has(out, "  Tokens       12 prompt + 34 completion = 46  reported\n");
	has(out,
	    "  Timing       total 1.50 s  first byte 100 ms  first token 200 ms  chunks 9  model 29 ms\n");
	has(out, "  Capture      complete  body bytes 321  sha256 ab12\n");
	has(out, "  Capture      !! INCOMPLETE: ring-full, missing bytes 4096\n");
	has(out, "  choice 0  assistant  finish stop\n      Paris.\n");
	has(out, "      calls get_time  id call_2\n      {\"zone\":\"CET\"}\n");
}

static void test_show_ids(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_show, "show 0193F --store %"), 0);
	has(out, "Exchange 0193ffff-0000-7000-8000-000000000000\n");
	assert_null(strstr(out, "Asked"));
	assert_int_equal(run(cmd_show, "show " ID(2) " -c @"), 0);
	assert_null(strstr(out, "Answer"));
	assert_int_equal(run(cmd_show, "show 0193 --store %"), 1);
	has(err, "several exchanges begin with 0193:\n  " ID(1) "\n  " ID(2) "\n  0193ffff-");
	assert_string_equal(out, "");
	assert_int_equal(run(cmd_show, "show 0194 --store %"), 1);
	has(err, "no exchange 0194 in the store");
	assert_int_equal(run(cmd_show, "show " ID(1) "0 --store %"), 2);
	static const char *const bad[] = {"show",
					  "show xyz --store %",
					  "show 01 02 --store %",
					  "show 01% --store %",
					  "show 01' --store %",
					  "show -q 01"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run(cmd_show, bad[i]), 2);
		has(err, "oaitap show: ");
		has(err, "--help");
	}
	assert_int_equal(run(cmd_show, "show -h"), 0);
	has(out, "Usage: oaitap show");
}

static void test_show_json(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_show, "show --json " ID(1) " --store %"), 0);
	_cleanup_(json_decrefp) json_t *array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(array, 0), "event-type")),
			    "Request");
	assert_string_equal(json_string_value(json_object_get(json_array_get(array, 1), "event-type")),
			    "Response");

	/* A damaged row does not damage the array. */
	sql("UPDATE events SET body = '{\"a\":' WHERE event_id = 'e-1'");
	assert_int_equal(run(cmd_show, "show --json " ID(1) " --store %"), 1);
	has(err, "is not JSON, left out");
	_cleanup_(json_decrefp) json_t *rest = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(rest), 1);
	assert_int_equal(run(cmd_show, "show " ID(1) " --store %"), 1);
	has(out, "Exchange " ID(1));
	sql("UPDATE events SET body = x'00ff' WHERE message_id = '" ID(1) "'");
	assert_int_equal(run(cmd_show, "show --json " ID(1) " --store %"), 1);
	assert_string_equal(out, "[]\n");
	assert_int_equal(run(cmd_tail, "tail --store %"), 0);
	has(out, "(an event of 2 bytes that is not a JSON object)\n");
}

static size_t read_lines(int fd, char *text, size_t size, size_t lines, int timeout_ms)
{
	size_t n = 0, seen = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (seen < lines && n < size - 1 && poll(&p, 1, timeout_ms) > 0) {
		if (read(fd, text + n, 1) != 1)
			break;
		seen += text[n++] == '\n';
	}
	text[n] = '\0';
	return seen;
}

static pid_t follow(int *ret_fd, const char *count)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = {(char[]){"tail"},
				(char[]){"-f"},
				(char[]){"-n"},
				strdup(count),
				(char[]){"--json"},
				(char[]){"--store"},
				db,
				NULL};
		close(fds[0]);
		dup2(fds[1], 1);
		close(fds[1]);
		_exit(cmd_tail(7, argv));
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static int exit_of(pid_t pid)
{
	int status = 0;
	for (int i = 0; i < 500; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void test_follow(void **state)
{
	struct sink *sink = *state;
	static const int signals[] = {SIGINT, SIGTERM};
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int fd;
		char text[8192];
		pid_t pid = follow(&fd, "1");
		assert_int_equal(read_lines(fd, text, sizeof(text), 1, 5000), 1);
		write_event(sink, 10 + 2 * (unsigned int)i, ID(3), "Request", request_form);
		write_event(sink, 11 + 2 * (unsigned int)i, ID(3), "Response", response_form);
		assert_int_equal(read_lines(fd, text, sizeof(text), 2, 5000), 2);
		has(text, i ? "\"n\":12," : "\"n\":10,");
		has(text, i ? "\"n\":13," : "\"n\":11,");
		assert_int_equal(read_lines(fd, text, sizeof(text), 1, 250), 0);
		kill(pid, signals[i]);
		assert_int_equal(exit_of(pid), 0);
		close(fd);
	}
}

/* The reader goes away while nothing happens. */
static void test_follow_reader_gone(void **state)
{
	(void)state;
	int fd;
	char text[8192];
	pid_t pid = follow(&fd, "1");
	assert_int_equal(read_lines(fd, text, sizeof(text), 1, 5000), 1);
	close(fd);
	assert_int_equal(exit_of(pid), 0);
}

/* Nothing is lost or repeated while batches come in, and the store can be made after the follower started. */
static void test_follow_from_empty(void **state)
{
	struct sink *sink = *state;
	int fd;
	char text[4096];
	sink->ops->free(&sink);
	*state = NULL;
	unlink_store();
	close(open(db, O_CREAT | O_WRONLY, 0600));
	pid_t pid = follow(&fd, "0");
	assert_int_equal(read_lines(fd, text, sizeof(text), 1, 300), 0);
	assert_int_equal(sink_store_open(&sink, db, NULL), 0);
	*state = sink;
	for (unsigned int n = 1; n <= 300; n++)
		write_event(sink, n, ID(4), "Request", "{\"message-id\":\"%s\",\"n\":%u}");
	for (unsigned int n = 1; n <= 300; n++) {
		char want[32];
		assert_int_equal(read_lines(fd, text, sizeof(text), 1, 5000), 1);
		snprintf(want, sizeof(want), "\"n\":%u}", n);
		has(text, want);
	}
	kill(pid, SIGTERM);
	assert_int_equal(exit_of(pid), 0);
	close(fd);
}

/* The agent was killed: its log is there, its index is stale. */
static void test_after_kill(void **state)
{
	struct sink *sink = *state;
	sink->ops->free(&sink);
	*state = NULL;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct sink *doomed = NULL;
		if (sink_store_open(&doomed, db, NULL) == 0)
			write_event(doomed, 50, ID(5), "Request", request_form);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(exit_of(pid), 100 + SIGKILL);
	assert_int_equal(run(cmd_tail, "tail --json -n 1 --store %"), 0);
	events_are("50 ");
}

static void test_config(void **state)
{
	(void)state;
	char want[128];
	snprintf(want, sizeof(want), "%s: ok\n", conf);
	assert_int_equal(run(cmd_config, "config check @"), 0);
	assert_string_equal(out, want);
	assert_int_equal(run(cmd_config, "config check -c @"), 0);
	assert_string_equal(out, want);
	assert_int_equal(run(cmd_config, "config print --config @"), 0);
	has(out, "hosts:\n  - \"a.example\"\ncapture:\n  roles: [client]\n  max_body: 4MiB\n  max_call: "
		 "16MiB\n  max_message: 16GiB\n  ring_size: "
		 "16MiB\nstore:\n");
	assert_string_equal(err, "");
	assert_int_equal(run(cmd_config, "config help capture.max_body"), 0);
	has(out, "capture.max_body\n");
	assert_int_equal(run(cmd_config, "config help"), 0);
	has(out, "status.socket\n");
	assert_int_equal(run(cmd_config, "config help nope"), 1);
	assert_int_equal(run(cmd_config, "config --help"), 0);
	has(out, "Usage: oaitap config");

	FILE *f = fopen(conf, "w");
	fprintf(f, "hosts: [a]\ncapture:\n  max_body: 4 Mib\n");
	fclose(f);
	snprintf(want, sizeof(want), "%s:3: capture.max_body: \"4 Mib\" is not a size; expected ", conf);
	assert_int_equal(run(cmd_config, "config check @"), 2);
	assert_memory_equal(err, want, strlen(want));
	assert_string_equal(out, "");
	assert_int_equal(run(cmd_config, "config print -c @"), 2);
	assert_int_equal(run(cmd_tail, "tail -c @"), 2);
	assert_memory_equal(err, want, strlen(want));

	static const char *const bad[] = {"config",	    "config nope",	   "config check a b",
					  "config print @", "config check @ -c @", "config -x",
					  "config check -c"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run(cmd_config, bad[i]), 2);
		has(err, "oaitap config: ");
		has(err, "--help");
	}
}

#define each(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_tail_json),	       each(test_tail_pretty),
		each(test_tail_usage),	       each(test_no_store),
		each(test_other_databases),    each(test_not_permitted),
		each(test_show_page),	       each(test_show_ids),
		each(test_show_json),	       each(test_follow),
		each(test_follow_reader_gone), each(test_follow_from_empty),
		each(test_after_kill),	       each(test_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
