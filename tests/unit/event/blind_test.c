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

/* --- whose process it was ------------------------------------------------------------ */

#define ID "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"

static struct identity_label labels[] = {{"team", "search"}, {"tier", ""}};
static struct identity_container container = {
	.id = ID,
	.name = "main",
	.image = "shop/web:1",
	.runtime = "containerd",
	.labels = {labels, 2, 3},
	.pod_namespace = "told",
	.pod_name = "told-0",
};
static struct identity_pod pod = {
	.uid = "u",
	.namespace = "shop",
	.name = "chat-0",
	.node = "node-1",
	.service_account = "sa",
	.workload_kind = "Deployment",
	.workload = "chat",
	.labels = {labels, 1, 0},
};

static void check_listed(json_t *json)
{
	check_text(json, "container/id", ID);
	check_text(json, "container/name", "main");
	check_text(json, "container/image", "shop/web:1");
	check_text(json, "container/runtime", "containerd");
	check_text(json, "container/labels/team", "search");
	check_text(json, "container/labels/tier", "");
	check_int(json, "container/labels-left-out", 3);
	check_absent(json, "container/problem");
	check_text(json, "k8s/namespace", "shop");
	check_text(json, "k8s/pod", "chat-0");
	check_text(json, "k8s/pod-uid", "u");
	check_text(json, "k8s/container", "web");
	check_text(json, "k8s/service-account", "sa");
	check_text(json, "k8s/workload", "chat");
	check_text(json, "k8s/workload-kind", "Deployment");
	check_text(json, "k8s/node", "node-1");
	check_text(json, "k8s/labels/team", "search");
	check_absent(json, "k8s/problem");
	check_text(json, "app", "chat");
}

/* Without the kubelet what the runtime told, and that the rest is missing. */
static void check_unlisted(json_t *json)
{
	check_text(json, "k8s/namespace", "told");
	check_text(json, "k8s/pod", "told-0");
	check_text(json, "k8s/pod-uid", "v");
	check_absent(json, "k8s/node");
	check_absent(json, "k8s/labels");
	check_text(json, "k8s/problem", "metadata is missing");
}

static void test_place(void **state)
{
	struct identity_place place = {
		.container = &container, .pod = &pod, .pod_container = "web", .pod_uid = "u", .app = "chat"};
	(void)state;
	context.place = &place;
	json_t *json = build_blind();
	check_listed(json);
	json_decref(json);
	place.pod = NULL;
	place.pod_uid = "v";
	place.pod_problem = "metadata is missing";
	json = build_blind();
	check_unlisted(json);
	json_decref(json);
	place.pod_uid = NULL;
	json = build_blind();
	check_absent(json, "k8s");
	json_decref(json);
	place.container = NULL;
	json = build_blind();
	check_absent(json, "container");
	json_decref(json);
}

static void test_parents_and_args(void **state)
{
	(void)state;
	process.n_parents = 2;
	process.parents[0] = (struct identity_parent){.pid = 77, .comm = "sh"};
	process.parents[1] = (struct identity_parent){.pid = 1, .comm = "init"};
	process.args = json_pack("[s,s]", "x", "[masked]");
	process.args_cut = true;
	json_t *json = build_blind();
	const json_t *parents = json_object_get(json_object_get(json, "process"), "parents");
	assert_int_equal(json_array_size(parents), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(parents, 0), "pid")), 77);
	assert_string_equal(json_string_value(json_object_get(json_array_get(parents, 1), "comm")), "init");
	const json_t *list = json_object_get(json_object_get(json, "process"), "args");
	assert_string_equal(json_string_value(json_array_get(list, 1)), "[masked]");
	assert_true(json_is_true(json_object_get(json_object_get(json, "process"), "args-cut")));
	json_decref(json);
	json_decref(process.args);
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
		EACH(test_whole),	  EACH(test_place),	    EACH(test_parents_and_args),
		EACH(test_owner_unknown), EACH(test_hostile_names), EACH(test_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
