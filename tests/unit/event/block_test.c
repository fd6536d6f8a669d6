/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/event/fixture.h"

static struct event_block block;

static int setup_block(void **state)
{
	(void)state;
	set_who();
	context.caller = NULL;
	context.connection = NULL;
	block = (struct event_block){
		.rule = "default",
		.cgroup = "/system.slice/app.service",
		.begun_ns = TIME_NS,
		.until_ns = TIME_NS + 60 * 1000000000ULL,
		.violations = 1,
		.ended = 1,
	};
	return 0;
}

static json_t *build_block(void)
{
	struct event *event = NULL;
	assert_int_equal(event_build_block(&event, &context, TIME_NS, &block), 0);
	assert_string_equal(event->type, "Policy");
	assert_int_equal(event->time_ns, TIME_NS);
	json_t *json = parse(event);
	event_free(&event);
	return json;
}

static void test_begun(void **state)
{
	(void)state;
	json_t *json = build_block();
	check_text(json, "event-time", "2026-11-23T15:04:05.123456Z");
	check_text(json, "operation", "Unknown");
	check_text(json, "rule", "default");
	check_text(json, "action", "block");
	check_int(json, "process/pid", 4711);
	check_text(json, "block/state", "begun");
	check_text(json, "block/scope", "cgroup");
	check_text(json, "block/cgroup", "/system.slice/app.service");
	check_text(json, "block/since", "2026-11-23T15:04:05.123456Z");
	check_text(json, "block/until", "2026-11-23T15:05:05.123456Z");
	check_int(json, "block/violations", 1);
	check_int(json, "block/ended-connections", 1);
	check_absent(json, "block/refused-connections");
	check_text(json, "reason", "cgroup /system.slice/app.service may not connect to AI hosts for now");
	check_absent(json, "violations");
	check_absent(json, "connection");
	json_decref(json);
	block.ended = 0;
	block.process_only = true;
	block.not_ended = "No such process";
	json = build_block();
	check_text(json, "block/scope", "process");
	check_text(json, "reason",
		   "process 4711 may not connect to AI hosts for now; the connection could not be ended: No "
		   "such "
		   "process");
	json_decref(json);
}

static void test_over(void **state)
{
	(void)state;
	block.over = true;
	block.violations = 2;
	block.refused_connects = 7;
	block.refused_datagrams = 3;
	json_t *json = build_block();
	check_text(json, "block/state", "over");
	check_int(json, "block/violations", 2);
	check_int(json, "block/refused-connections", 7);
	check_int(json, "block/refused-datagrams", 3);
	check_text(
		json, "reason",
		"cgroup /system.slice/app.service may connect to AI hosts again: 7 connections were refused");
	json_decref(json);
	block.lifted = true;
	block.cgroup = NULL;
	block.process_only = true;
	json = build_block();
	check_text(json, "block/state", "lifted");
	check_absent(json, "block/cgroup");
	check_text(json, "reason",
		   "process 4711 may connect to AI hosts again, before its time: 7 connections were refused");
	json_decref(json);
}

/* A cgroup is a folder of any name, of up to 4,095 bytes. */
static void test_hostile_cgroup(void **state)
{
	static char path[4096];
	(void)state;
	memset(path, '\xff', sizeof(path) - 1);
	path[0] = '/';
	block.cgroup = path;
	block.over = block.lifted = true;
	json_t *json = build_block();
	assert_int_equal(json_string_length(json_object_get(json_object_get(json, "block"), "cgroup")),
			 1 + 3 * 4094);
	json_decref(json);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup_block, teardown)
	const struct CMUnitTest tests[] = {
		EACH(test_begun),
		EACH(test_over),
		EACH(test_hostile_cgroup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
