/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/pods.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/map.h"
#include "identity/labels.h"

/* --- one pod ------------------------------------------------------------------------- */

void pod_ref(struct identity_pod *pod)
{
	atomic_fetch_add(&pod->refs, 1);
}

static void pod_free(struct identity_pod *pod)
{
	free(pod->uid);
	free(pod->namespace);
	free(pod->name);
	free(pod->node);
	free(pod->service_account);
	free(pod->config_hash);
	free(pod->workload_kind);
	free(pod->workload);
	labels_done(&pod->labels);
	for (size_t i = 0; i < pod->n_containers; i++) {
		free(pod->containers[i].id);
		free(pod->containers[i].name);
		free(pod->containers[i].image);
	}
	free(pod->containers);
	free(pod);
}

void pod_unref(struct identity_pod **pod)
{
	if (*pod && atomic_fetch_sub(&(*pod)->refs, 1) == 1)
		pod_free(*pod);
	*pod = NULL;
}

const char *pod_container_name(const struct identity_pod *pod, const char *container_id)
{
	for (size_t i = 0; i < pod->n_containers; i++)
		if (pod->containers[i].id && strcmp(pod->containers[i].id, container_id) == 0)
			return pod->containers[i].name;
	return NULL;
}

/* --- workloads ----------------------------------------------------------------------- */

/* Without "-" and the end, which is what a controller put there; NULL: not of that form. */
static char *without_end(const char *name, const char *end)
{
	size_t len = strlen(name), n = end ? strlen(end) : 0;
	if (n == 0 || len < n + 2 || strcmp(name + len - n, end) != 0 || name[len - n - 1] != '-')
		return NULL;
	return strndup(name, len - n - 1);
}

/* A CronJob names its jobs by itself, "-" and the minute they were due: minutes since 1970, of eight digits
 * from 1989 to 2160. Before Kubernetes 1.21 it was seconds, of ten. */
static char *without_time(const char *name)
{
	const char *dash = strrchr(name, '-');
	size_t n = dash ? strspn(dash + 1, "0123456789") : 0;
	if (!dash || dash == name || dash[1 + n] || (n != 8 && n != 10))
		return NULL;
	return strndup(name, (size_t)(dash - name));
}

static int take(struct identity_pod *pod, const char *kind, char *name)
{
	pod->workload = name;
	pod->workload_kind = name ? strdup(kind) : NULL;
	return name && pod->workload_kind ? 0 : -ENOMEM;
}

/* A ReplicaSet that a Deployment made is called after it and the hash of its template, which is a label of
 * the pod; a ReplicaSet of its own has no such label. */
static int read_workload(const json_t *owner, struct identity_pod *pod)
{
	const char *kind = json_text(owner, "kind"), *name = json_text(owner, "name");
	char *outer = NULL;

	if (!kind || !name || strcmp(kind, "Node") == 0)
		return 0;
	if (strcmp(kind, "ReplicaSet") == 0) {
		outer = without_end(name, labels_get(&pod->labels, "pod-template-hash"));
		if (outer)
			return take(pod, "Deployment", outer);
	} else if (strcmp(kind, "Job") == 0) {
		outer = without_time(name);
		if (outer)
			return take(pod, "CronJob", outer);
	}
	return take(pod, kind, strdup(name));
}

/* The owner that controls it, if one does. */
static int read_owner(const json_t *metadata, struct identity_pod *pod)
{
	const json_t *owners = json_object_get(metadata, "ownerReferences"), *owner;
	size_t i;
	json_array_foreach (owners, i, owner)
		if (json_is_true(json_object_get(owner, "controller")))
			return read_workload(owner, pod);
	return 0;
}

/* --- the list ------------------------------------------------------------------------ */

/* "containerd://ID". Of a container that is being started there is none yet. */
static int read_container(const json_t *status, struct identity_pod_container *c)
{
	const char *id = json_text(status, "containerID");
	const char *scheme = id ? strstr(id, "://") : NULL;
	if (scheme && scheme[3]) {
		c->id = strdup(scheme + 3);
		if (!c->id)
			return -ENOMEM;
	}
	int r = json_text_copy(status, "name", &c->name);
	return r < 0 ? r : json_text_copy(status, "image", &c->image);
}

static const char *const status_lists[] = {"containerStatuses", "initContainerStatuses",
					   "ephemeralContainerStatuses"};

static int read_containers(const json_t *status, struct identity_pod *pod)
{
	size_t n = 0;
	for (size_t k = 0; k < ARRAY_SIZE(status_lists); k++)
		n += json_array_size(json_object_get(status, status_lists[k]));
	n = MIN(n, (size_t)POD_CONTAINERS_MAX);
	if (n == 0)
		return 0;
	pod->containers = calloc(n, sizeof(*pod->containers));
	if (!pod->containers)
		return -ENOMEM;
	for (size_t k = 0; k < ARRAY_SIZE(status_lists); k++) {
		const json_t *list = json_object_get(status, status_lists[k]), *item;
		size_t i;
		json_array_foreach (list, i, item) {
			if (pod->n_containers == n)
				return 0;
			int r = read_container(item, &pod->containers[pod->n_containers++]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int read_metadata(const json_t *metadata, struct identity_pod *pod)
{
	const json_t *annotations = json_object_get(metadata, "annotations");
	int r = json_text_copy(metadata, "uid", &pod->uid);
	if (r == 0)
		r = json_text_copy(metadata, "namespace", &pod->namespace);
	if (r == 0)
		r = json_text_copy(metadata, "name", &pod->name);
	/* A static pod has two: its cgroups may bear the hash of the file it was made from. */
	if (r == 0)
		r = json_text_copy(annotations, "kubernetes.io/config.hash", &pod->config_hash);
	if (r == 0)
		r = labels_read(json_object_get(metadata, "labels"), &pod->labels);
	return r < 0 ? r : read_owner(metadata, pod);
}

static int read_pod(const json_t *item, struct identity_pod *pod)
{
	const json_t *spec = json_object_get(item, "spec");
	int r = read_metadata(json_object_get(item, "metadata"), pod);
	if (r == 0)
		r = json_text_copy(spec, "nodeName", &pod->node);
	if (r == 0)
		r = json_text_copy(spec, "serviceAccountName", &pod->service_account);
	return r < 0 ? r : read_containers(json_object_get(item, "status"), pod);
}

static int list_add(struct pod_list *list, const json_t *item)
{
	struct identity_pod *pod = calloc(1, sizeof(*pod));
	if (!pod)
		return -ENOMEM;
	atomic_init(&pod->refs, 1);
	int r = read_pod(item, pod);
	if (r < 0 || !pod->uid) {
		list->left_out += r == 0;
		pod_unref(&pod);
		return r;
	}
	list->pods[list->n++] = pod;
	return 0;
}

static int read_items(const json_t *items, struct pod_list *list)
{
	size_t n = MIN(json_array_size(items), (size_t)PODS_MAX), i;
	const json_t *item;

	list->pods = calloc(n + 1, sizeof(struct identity_pod *));
	if (!list->pods)
		return -ENOMEM;
	json_array_foreach (items, i, item) {
		int r = i < n ? list_add(list, item) : 0;
		list->left_out += i >= n;
		if (r < 0)
			return r;
	}
	return 0;
}

void pod_list_done(struct pod_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		pod_unref(&list->pods[i]);
	free(list->pods);
	*list = (struct pod_list){0};
}

/* No pods at all come as "items":null. */
int pod_list_read(const char *text, size_t len, struct pod_list *ret_list)
{
	_cleanup_(pod_list_done) struct pod_list list = {0};
	if (len > PODS_TEXT_MAX)
		return -E2BIG;
	json_t *root = json_loadb(text, len, 0, NULL);
	const json_t *items = json_object_get(root, "items");
	int r = json_is_array(items) || json_is_null(items) ? 0 : -EBADMSG;
	if (r == 0)
		r = read_items(items, &list);
	json_decref(root);
	if (r < 0)
		return r;
	*ret_list = list;
	list = (struct pod_list){0};
	return 0;
}

/* --- the table ----------------------------------------------------------------------- */

#define KNOWN_MAX (4 * (size_t)PODS_MAX)

struct known {
	struct identity_pod *pod;
	uint64_t listed_ns;
};

struct pods {
	struct map *by_uid; /* hash of the uid to struct known */
	struct map *hashes; /* hash of the config hash of a static pod to struct known */
};

static uint64_t hash(const char *text)
{
	uint64_t h = 0;
	for (; *text; text++)
		h = map_mix(h, (uint8_t)*text);
	return h;
}

int pods_new(struct pods **ret_pods)
{
	_cleanup_(pods_free) struct pods *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	int r = map_new(&p->by_uid);
	if (r >= 0)
		r = map_new(&p->hashes);
	if (r < 0)
		return r;
	*ret_pods = TAKE_PTR(p);
	return 0;
}

static void known_free(struct known *known)
{
	pod_unref(&known->pod);
	free(known);
}

void pods_free(struct pods **pods)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	if (!*pods)
		return;
	while ((*pods)->by_uid && map_next((*pods)->by_uid, &cursor, &key, &value))
		known_free(value);
	map_free(&(*pods)->by_uid);
	map_free(&(*pods)->hashes);
	free(*pods);
	*pods = NULL;
}

static int put(struct pods *p, struct identity_pod *pod, uint64_t now_ns)
{
	uint64_t key = hash(pod->uid);
	struct known *known = map_get(p->by_uid, key);
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		if (map_put(p->by_uid, key, known) < 0) {
			free(known);
			return -ENOMEM;
		}
	}
	pod_ref(pod);
	pod_unref(&known->pod);
	known->pod = pod;
	known->listed_ns = now_ns;
	return 0;
}

/* Static pods' hashes are few, so they are noted anew. */
static int note_hashes(struct pods *p)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;

	map_clear(p->hashes);
	while (map_next(p->by_uid, &cursor, &key, &value)) {
		struct known *known = value;
		if (!known->pod->config_hash)
			continue;
		int r = map_put(p->hashes, hash(known->pod->config_hash), known);
		if (r < 0)
			return r;
	}
	return 0;
}

int pods_update(struct pods *p, struct pod_list *list, uint64_t now_ns, uint64_t keep_ns)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = put(p, list->pods[i], now_ns);
	/* Of a list that is all new each time only so many are kept. */
	bool full = map_len(p->by_uid) > KNOWN_MAX;
	while (map_next(p->by_uid, &cursor, &key, &value)) {
		struct known *known = value;
		if (now_ns - known->listed_ns <= (full ? 0 : keep_ns))
			continue;
		map_remove(p->by_uid, key);
		known_free(known);
	}
	int noted = note_hashes(p);
	pod_list_done(list);
	return r < 0 ? r : noted;
}

struct identity_pod *pods_get(struct pods *p, const char *uid)
{
	struct known *known = map_get(p->by_uid, hash(uid));
	if (known && strcmp(known->pod->uid, uid) != 0)
		known = NULL;
	if (!known)
		known = map_get(p->hashes, hash(uid));
	if (!known || (strcmp(known->pod->uid, uid) != 0 &&
		       (!known->pod->config_hash || strcmp(known->pod->config_hash, uid) != 0)))
		return NULL;
	pod_ref(known->pod);
	return known->pod;
}

size_t pods_len(const struct pods *p)
{
	return map_len(p->by_uid);
}
