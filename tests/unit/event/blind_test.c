/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/event/fixture.h"

static struct event_blind blind;

static int setup_blind(void **state)
{
	(void)state;
	set_who();
	context.caller = NULL;
	context.claimed = NULL;
	connection.protocol = NULL;
	connection.tls_library = NULL;
	blind = (struct event_blind){
		.library = "GnuTLS",
		.reason = "GnuTLS is not OpenSSL",
		.bytes_written = 517,
		.bytes_read = 3200,
		.connections = 3,
	};
	return 0;
}

static json_t *build_blind(void)
{
	struct event *event = NULL;
	assert_int_equal(event_build_blind(&event, &context, TIME_NS, &blind), 0);
	assert_string_equal(event->type, "Blind");
	assert_int_equal(event->time_ns, TIME_NS);
	json_t *json = parse(event);
	event_free(&event);
	return json;
}

static void test_whole(void **state)
{
	(void)state;
	json_t *json = build_blind();
	check_text(json, "schema", "oaitap/1");
	check_text(json, "event-time", "2026-11-23T15:04:05.123456Z");
	check_text(json, "backend", "contoso.openai.azure.com");
	check_text(json, "identity/kind", "none");
	check_int(json, "process/pid", 4711);
	check_text(json, "process/cgroup", "/system.slice/app.service");
	check_text(json, "host/name", "node1");
	check_text(json, "connection/id", "18446744073709551615");
	check_text(json, "connection/sni", "Contoso.OpenAI.Azure.com");
	check_text(json, "connection/local", "10.0.0.1:50000");
	check_text(json, "connection/remote", "[2001:db8::1]:443");
	check_text(json, "connection/role", "client");
	check_absent(json, "connection/protocol");
	check_absent(json, "connection/tls-library");
	check_text(json, "library", "GnuTLS");
	check_text(json, "reason", "GnuTLS is not OpenSSL");
	check_int(json, "bytes-written", 517);
	check_int(json, "bytes-read", 3200);
	check_int(json, "connections", 3);
	check_absent(json, "capture");
	check_absent(json, "headers");
	json_decref(json);
}

static void test_owner_unknown(void **state)
{
	(void)state;
	context.process = NULL;
	json_t *json = build_blind();
	check_absent(json, "process");
	check_text(json, "connection/sni", "Contoso.OpenAI.Azure.com");
	json_decref(json);
}

/* A ClientHello and a process name are whatever a program likes. */
static void test_hostile_names(void **state)
{
	(void)state;
	connection.sni = "A\"\\\x01\xff.Example";
	memcpy(process.comm, "\xff\"\n\x1b[2J", 8);
	json_t *json = build_blind();
	check_text(json, "backend", "a\"\\\x01\xef\xbf\xbd.example");
	check_text(json, "process/comm", "\xef\xbf\xbd\"\n\x1b[2J");
	json_decref(json);
}

/* Integers that a reader with doubles or signed numbers still takes. */
static void test_counts(void **state)
{
	(void)state;
	blind.bytes_written = 0;
	blind.bytes_read = (uint64_t)1 << 52;
	blind.connections = 1;
	json_t *json = build_blind();
	check_int(json, "bytes-written", 0);
	check_int(json, "bytes-read", (json_int_t)1 << 52);
	check_int(json, "connections", 1);
	json_decref(json);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup_blind, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_whole),
		EACH(test_owner_unknown),
		EACH(test_hostile_names),
		EACH(test_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
