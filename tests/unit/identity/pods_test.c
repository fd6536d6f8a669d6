/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "identity/labels.h"
#include "identity/pods.h"

#define ID_A "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"
#define ID_B "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c3842814bbbb"
#define UID  "2c48913c-b29f-41e7-9350-020968147796"

/* As the kubelet gives it, shortened. */
static const char whole[] =
	"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[{\"metadata\":{"
	"\"name\":\"chat-7d9c5b8f6d-x2x9z\",\"generateName\":\"chat-7d9c5b8f6d-\",\"namespace\":\"shop\","
	"\"uid\":\"" UID "\",\"labels\":{\"app.kubernetes.io/name\":\"chat\","
	"\"pod-template-hash\":\"7d9c5b8f6d\",\"team\":\"search\"},\"annotations\":{"
	"\"kubernetes.io/config.source\":\"api\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
	"\"kind\":\"ReplicaSet\",\"name\":\"chat-7d9c5b8f6d\",\"uid\":\"u\",\"controller\":true}]},"
	"\"spec\":{\"serviceAccountName\":\"chat-sa\",\"nodeName\":\"node-1\"},\"status\":{"
	"\"containerStatuses\":[{\"name\":\"web\",\"image\":\"shop/web:1\",\"containerID\":\"containerd:/"
	"/" ID_A "\"},{\"name\":\"side\",\"image\":\"shop/side:2\",\"containerID\":\"\"}],"
	"\"initContainerStatuses\":[{\"name\":\"init\",\"containerID\":\"containerd://" ID_B "\"}]}}]}";

static void read_whole(struct pod_list *ret_list)
{
	assert_int_equal(pod_list_read(whole, sizeof(whole) - 1, ret_list), 0);
	assert_int_equal(ret_list->n, 1);
}

static void test_whole(void **state)
{
	struct pod_list list;
	(void)state;
	read_whole(&list);
	const struct identity_pod *p = list.pods[0];
	assert_string_equal(p->uid, UID);
	assert_string_equal(p->namespace, "shop");
	assert_string_equal(p->name, "chat-7d9c5b8f6d-x2x9z");
	assert_string_equal(p->node, "node-1");
	assert_string_equal(p->service_account, "chat-sa");
	assert_string_equal(p->workload, "chat");
	assert_string_equal(p->workload_kind, "Deployment");
	assert_string_equal(labels_get(&p->labels, "team"), "search");
	assert_int_equal(p->labels.n, 3);
	assert_string_equal(pod_container_name(p, ID_A), "web");
	assert_string_equal(pod_container_name(p, ID_B), "init");
	assert_null(pod_container_name(p, ""));
	pod_list_done(&list);
}

/* The text ends anywhere: refused, and nothing is read beyond. */
static void test_every_cut(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
		struct pod_list list = {.n = 7};
		uint8_t *text = guard_copy(whole, cut);
		assert_int_equal(pod_list_read((const char *)text, cut, &list), -EBADMSG);
		assert_int_equal(list.n, 7);
		guard_free(text, cut);
	}
}

static const struct {
	const char *kind, *name, *hash, *want_kind, *want;
} owners[] = {
	{"ReplicaSet", "chat-7d9c5b8f6d", "7d9c5b8f6d", "Deployment", "chat"},
	{"ReplicaSet", "a-b-7d9c5b8f6d", "7d9c5b8f6d", "Deployment", "a-b"},
	{"ReplicaSet", "chat-7d9c5b8f6d", NULL, "ReplicaSet", "chat-7d9c5b8f6d"},
	{"ReplicaSet", "chat", "7d9c5b8f6d", "ReplicaSet", "chat"},
	{"ReplicaSet", "-7d9c5b8f6d", "7d9c5b8f6d", "ReplicaSet", "-7d9c5b8f6d"},
	{"DaemonSet", "logs", NULL, "DaemonSet", "logs"},
	{"StatefulSet", "db", NULL, "StatefulSet", "db"},
	{"Job", "nightly-28412345", NULL, "CronJob", "nightly"},
	{"Job", "nightly-1704067200", NULL, "CronJob", "nightly"},
	{"Job", "migrate", NULL, "Job", "migrate"},
	{"Job", "migrate-2", NULL, "Job", "migrate-2"},
	{"Job", "28412345", NULL, "Job", "28412345"},
	{"Rollout", "canary", NULL, "Rollout", "canary"},
	{"Node", "node-1", NULL, NULL, NULL},
};

static void test_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		char text[1024];
		struct pod_list list;
		snprintf(text, sizeof(text),
			 "{\"items\":[{\"metadata\":{\"uid\":\"u\",\"labels\":{\"%s\":\"%s\"},"
			 "\"ownerReferences\":[{\"kind\":\"Other\",\"name\":\"o\"},"
			 "{\"kind\":\"%s\",\"name\":\"%s\",\"controller\":true}]}}]}",
			 owners[i].hash ? "pod-template-hash" : "x", owners[i].hash ? owners[i].hash : "y",
			 owners[i].kind, owners[i].name);
		assert_int_equal(pod_list_read(text, strlen(text), &list), 0);
		const struct identity_pod *p = list.pods[0];
		if (!owners[i].want) {
			assert_null(p->workload);
			assert_null(p->workload_kind);
		} else {
			assert_string_equal(p->workload, owners[i].want);
			assert_string_equal(p->workload_kind, owners[i].want_kind);
		}
		pod_list_done(&list);
	}
}

static const struct {
	const char *text;
	int r;
	size_t n, left_out;
} odd[] = {
	{"", -EBADMSG, 0, 0},
	{"[]", -EBADMSG, 0, 0},
	{"{}", -EBADMSG, 0, 0},
	{"null", -EBADMSG, 0, 0},
	{"{\"items\":{}}", -EBADMSG, 0, 0},
	{"{\"items\":\"x\"}", -EBADMSG, 0, 0},
	{"{\"items\":null}", 0, 0, 0},
	{"{\"items\":[]}", 0, 0, 0},
	{"{\"items\":[1,null,{},[],\"x\"]}", 0, 0, 5},
	{"{\"items\":[{\"metadata\":7,\"spec\":[],\"status\":\"\"}]}", 0, 0, 1},
	{"{\"items\":[{\"metadata\":{\"uid\":7}}]}", 0, 0, 1},
	{"{\"items\":[{\"metadata\":{\"uid\":\"\"}}]}", 0, 0, 1},
	{"{\"items\":[{\"metadata\":{\"uid\":\"u\",\"labels\":[1],\"ownerReferences\":{}},"
	 "\"status\":{\"containerStatuses\":{\"a\":1}}}]}",
	 0, 1, 0},
	{"{\"items\":[{\"metadata\":{\"uid\":\"u\"},\"status\":{\"containerStatuses\":[null,1,"
	 "{\"containerID\":\"x\"},{\"containerID\":\"x://\"},{\"name\":\"n\"}]}}]}",
	 0, 1, 0},
	{"{\"items\":[]}x", -EBADMSG, 0, 0},
};

static void test_odd(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct pod_list list = {0};
		int r = pod_list_read(odd[i].text, strlen(odd[i].text), &list);
		if (r != odd[i].r || list.n != odd[i].n || list.left_out != odd[i].left_out)
			fail_msg("row %zu: %d, %zu pods, %zu left out", i, r, list.n, list.left_out);
		pod_list_done(&list);
	}
	assert_int_equal(pod_list_read("", PODS_TEXT_MAX + 1ULL, &(struct pod_list){0}), -E2BIG);
}

static void test_many_labels(void **state)
{
	static char text[65536];
	size_t n =
		(size_t)snprintf(text, sizeof(text), "{\"items\":[{\"metadata\":{\"uid\":\"u\",\"labels\":{");
	struct pod_list list;
	(void)state;
	for (int i = 99; i >= 0; i--)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\"l%02d\":\"%d\",", i, i);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\"x\":7}}}]}");
	assert_int_equal(pod_list_read(text, n, &list), 0);
	assert_int_equal(list.pods[0]->labels.n, IDENTITY_LABELS_MAX);
	assert_int_equal(list.pods[0]->labels.left_out, 100 - IDENTITY_LABELS_MAX);
	assert_string_equal(list.pods[0]->labels.items[0].name, "l00");
	assert_null(labels_get(&list.pods[0]->labels, "l64"));
	pod_list_done(&list);
}

static void update(struct pods *pods, const char *uids, uint64_t now_ns)
{
	char text[512] = "{\"items\":[";
	struct pod_list list;
	for (const char *u = uids; *u; u++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s{\"metadata\":{\"uid\":\"u%c\",\"name\":\"n%c%llu\",\"annotations\":{"
			 "\"kubernetes.io/config.hash\":\"h%c\"}}}",
			 u > uids ? "," : "", *u, *u, (unsigned long long)now_ns, *u);
	strcat(text, "]}");
	assert_int_equal(pod_list_read(text, strlen(text), &list), 0);
	assert_int_equal(pods_update(pods, &list, now_ns, 100), 0);
}

static void assert_pod(struct pods *pods, const char *uid, const char *name)
{
	struct identity_pod *pod = pods_get(pods, uid);
	if (!name) {
		assert_null(pod);
		return;
	}
	assert_non_null(pod);
	assert_string_equal(pod->name, name);
	pod_unref(&pod);
}

/* Who is gone stays known for a while, and is then forgotten; who holds it may go on. */
static void test_table(void **state)
{
	struct pods *pods;
	(void)state;
	assert_int_equal(pods_new(&pods), 0);
	assert_pod(pods, "ua", NULL);
	update(pods, "ab", 1000);
	assert_pod(pods, "ua", "na1000");
	assert_pod(pods, "hb", "nb1000");
	struct identity_pod *held = pods_get(pods, "ua");
	update(pods, "bc", 1100);
	assert_pod(pods, "ua", "na1000");
	assert_pod(pods, "ub", "nb1100");
	assert_int_equal(pods_len(pods), 3);
	update(pods, "bc", 1101);
	assert_pod(pods, "ua", NULL);
	assert_pod(pods, "ha", NULL);
	assert_pod(pods, "uc", "nc1101");
	assert_int_equal(pods_len(pods), 2);
	assert_string_equal(held->name, "na1000");
	pod_unref(&held);
	pods_free(&pods);
	assert_null(pods);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	    cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_owners),	    cmocka_unit_test(test_odd),
		cmocka_unit_test(test_many_labels), cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
