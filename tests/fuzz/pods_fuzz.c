/* SPDX-License-Identifier: Apache-2.0 */

/* What others wrote about pods and containers: the kubelet's list, files of the runtimes, cgroup paths and
 * command lines. The first byte of the input chooses. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "identity/identity.h"
#include "identity/pods.h"
#include "identity/runtime.h"
#include "must.h"

#define ID "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"

static void check_text(const char *text)
{
	must(!text || (strlen(text) <= IDENTITY_TEXT_MAX && utf8_valid(text, strlen(text), NULL)));
}

static void check_labels(const struct identity_labels *labels)
{
	must(labels->n <= IDENTITY_LABELS_MAX);
	for (size_t i = 0; i < labels->n; i++) {
		check_text(labels->items[i].name);
		check_text(labels->items[i].value);
		must(i == 0 || strcmp(labels->items[i - 1].name, labels->items[i].name) < 0);
	}
}

static void check_pods(const char *text, size_t len)
{
	struct pod_list list;
	if (pod_list_read(text, len, &list) < 0)
		return;
	must(list.n <= PODS_MAX);
	for (size_t i = 0; i < list.n; i++) {
		const struct identity_pod *p = list.pods[i];
		must(p->uid && *p->uid && !p->workload == !p->workload_kind &&
		     (!p->workload || *p->workload));
		const char *texts[] = {p->uid,	   p->name, p->namespace, p->node, p->service_account,
				       p->workload};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			check_text(texts[k]);
		check_labels(&p->labels);
		(void)pod_container_name(p, ID);
	}
	struct pods *pods;
	if (pods_new(&pods) == 0) {
		(void)pods_update(pods, &list, 1, 1);
		must(pods_len(pods) <= PODS_MAX);
		pods_free(&pods);
	}
	pod_list_done(&list);
}

static void check_file(const char *text, size_t len, unsigned int which)
{
	static int (*const readers[])(const char *, size_t, struct identity_container *) = {
		runtime_read_docker, runtime_read_oci, runtime_read_storage};
	struct identity_container *c = calloc(1, sizeof(*c));
	if (!c)
		return;
	atomic_init(&c->refs, 1);
	memcpy(c->id, ID, sizeof(ID));
	(void)readers[which](text, len, c);
	check_text(c->name);
	check_text(c->image);
	check_text(c->pod_name);
	check_labels(&c->labels);
	container_unref(&c);
}

static void check_cgroup(const char *text, size_t len)
{
	char *path = strndup(text, len);
	struct container_place place;
	if (path && container_place_read(path, &place)) {
		must(!place.id[0] || strlen(place.id) == CONTAINER_ID_MAX);
		must(!place.pod_uid[0] || strlen(place.pod_uid) == 32 ||
		     strlen(place.pod_uid) == POD_UID_MAX);
		/* A user's manager within a pod leaves the pod what it is; a pod below one is the user's
		 * word. */
		const char *manager = strstr(path, "/user@"), *pods = strstr(path, "kubepods");
		must(!place.rootless || manager);
		must(!place.rootless || !place.pod_uid[0] || (pods && pods < strrchr(path, '/')));
	}
	free(path);
}

static void check_args(const char *text, size_t len)
{
	json_t *list = identity_args_masked(text, len);
	must(!list || json_array_size(list) <= IDENTITY_ARGS_MAX);
	json_decref(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	const char *text = (const char *)data + 1;
	switch (data[0] % 6) {
	case 0:
		check_pods(text, len - 1);
		break;
	case 4:
		check_cgroup(text, len - 1);
		break;
	case 5:
		check_args(text, len - 1);
		break;
	default:
		check_file(text, len - 1, data[0] % 6 - 1);
	}
	return 0;
}
