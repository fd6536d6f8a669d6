/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/map.h"
#include "identity/kubelet.h"
#include "identity/labels.h"
#include "identity/pods.h"
#include "identity/runtime.h"
#include "identity/users.h"

/* Containers whose files have been read. When it is full all are forgotten: they are read again. */
#define CONTAINERS_MAX 4096

/* A container without files is looked for again: its runtime may not have written them when it first spoke.
 */
#define AGAIN_NS (5 * NSEC_PER_SEC)

/* Lists that one place may ask for although its pod is known. */
#define ASKS_MAX 3

const struct identity_options identity_options_default = {
	.root = "",
	.list_ms = 30000,
	.early_ms = 2000,
	.keep_ms = 600000,
};

struct known_container {
	struct identity_container *container;
	uint64_t read_ns;
};

struct identity_whois {
	char *root;
	struct users *users;
	struct kubelet *kubelet; /* or NULL */
	pthread_mutex_t lock;
	struct map *containers; /* hash of the id to struct known_container */
};

int identity_whois_new(struct identity_whois **ret_whois, const struct identity_options *options)
{
	_cleanup_(identity_whois_free) struct identity_whois *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	w->root = strdup(options->root);
	if (!w->root)
		return -ENOMEM;
	int r = users_new(&w->users);
	if (r == 0)
		r = map_new(&w->containers);
	if (r == 0 && options->kubelet)
		r = kubelet_start(&w->kubelet, options);
	if (r < 0)
		return r;
	*ret_whois = TAKE_PTR(w);
	return 0;
}

static void containers_clear(struct identity_whois *w)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;
	while (w->containers && map_next(w->containers, &cursor, &key, &value)) {
		struct known_container *known = value;
		container_unref(&known->container);
		free(known);
	}
	if (w->containers)
		map_clear(w->containers);
}

void identity_whois_free(struct identity_whois **whois)
{
	struct identity_whois *w = *whois;
	if (!w)
		return;
	kubelet_stop(&w->kubelet);
	containers_clear(w);
	map_free(&w->containers);
	users_free(&w->users);
	pthread_mutex_destroy(&w->lock);
	free(w->root);
	free(w);
	*whois = NULL;
}

int identity_whois_process(struct identity_whois *w, struct identity_process *process)
{
	int r = process->user ? 0 : users_name(w->users, process->uid, &process->user);
	return r < 0 ? r : identity_process_read("/proc", process);
}

/* --- containers ---------------------------------------------------------------------- */

/* The id's first 16 digits are as good as random. The user's own and the host's are kept apart. */
static uint64_t container_key(const struct container_place *in)
{
	uint64_t key = map_mix(0, in->rootless);
	for (size_t i = 0; in->id[i]; i++)
		key = map_mix(key, (uint8_t)in->id[i]);
	return key;
}

/* A reference, or NULL: not known, or worth another look. */
static struct identity_container *container_known(struct identity_whois *w, const struct container_place *in)
{
	struct identity_container *found = NULL;
	pthread_mutex_lock(&w->lock);
	struct known_container *known = map_get(w->containers, container_key(in));
	if (known && strcmp(known->container->id, in->id) == 0 &&
	    (!known->container->problem || in->rootless || clock_mono_ns() - known->read_ns < AGAIN_NS)) {
		found = known->container;
		container_ref(found);
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

/* Takes a reference of its own. */
static int container_remember(struct identity_whois *w, const struct container_place *in,
			      struct identity_container *container)
{
	uint64_t key = container_key(in);
	struct known_container *known = calloc(1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	known->read_ns = clock_mono_ns();
	known->container = container;
	container_ref(container);

	pthread_mutex_lock(&w->lock);
	if (map_len(w->containers) >= CONTAINERS_MAX)
		containers_clear(w);
	struct known_container *old = map_get(w->containers, key);
	int r = map_put(w->containers, key, known);
	if (r < 0)
		old = known;
	if (old)
		container_unref(&old->container);
	free(old);
	pthread_mutex_unlock(&w->lock);
	return r;
}

static int container_find(struct identity_whois *w, const struct container_place *in,
			  struct identity_container **ret_container)
{
	struct identity_container *c = container_known(w, in);
	if (!c) {
		int r = runtime_read(w->root, in, &c);
		if (r < 0)
			return r;
		(void)container_remember(w, in, c);
	}
	*ret_container = c;
	return 0;
}

/* --- places -------------------------------------------------------------------------- */

static bool place_container(struct identity_whois *w, const struct identity_process *process,
			    struct identity_place *place, int *ret_error)
{
	struct identity_container *found = NULL;
	if (!process->in.id[0] || (place->container && !place->container->problem))
		return true;
	*ret_error = container_find(w, &process->in, &found);
	if (*ret_error < 0)
		return false;
	if (place->container == found) {
		container_unref(&found);
	} else {
		container_unref(&place->container);
		place->container = found;
	}
	return !place->container->problem || process->in.rootless;
}

/* The cgroup's pod or, for a runtime that puts pods' containers elsewhere, the one that its file names. */
static const char *pod_uid_of(const struct identity_process *process, const struct identity_place *place)
{
	if (process->in.pod_uid[0])
		return process->in.pod_uid;
	return place->container ? place->container->pod_uid : NULL;
}

/* Its container's name in the pod. A pod is listed before all of its containers are started, so one that the
 * list lacks is worth another list or two; a sandbox is in none. */
static bool name_container(struct identity_whois *w, const struct identity_process *process,
			   struct identity_place *place)
{
	const char *id = process->in.id,
		   *from_runtime = place->container ? place->container->pod_container : NULL;
	place->pod_container = place->pod && *id ? pod_container_name(place->pod, id) : NULL;
	if (place->pod_container || from_runtime || !place->pod || !*id) {
		place->pod_container = place->pod_container ? place->pod_container : from_runtime;
		return true;
	}
	if (place->asked++ >= ASKS_MAX)
		return true;
	kubelet_want(w->kubelet);
	return false;
}

static bool place_pod(struct identity_whois *w, const struct identity_process *process,
		      struct identity_place *place)
{
	place->pod_uid = pod_uid_of(process, place);
	place->pod_container = NULL;
	if (!place->pod_uid)
		return true;
	if (w->kubelet) {
		pod_unref(&place->pod);
		place->pod = kubelet_pod(w->kubelet, place->pod_uid, &place->pod_problem);
	} else {
		place->pod_problem = "metadata is missing: no kubelet is asked (identity.kubelet)";
	}
	bool named = name_container(w, process, place);
	return named && (place->pod || !w->kubelet);
}

/* "nginx" of "nginx.service", not of what systemd makes for whoever logs in. */
static const char *service_of(const char *unit, size_t *ret_len)
{
	static const char end[] = ".service";
	size_t len = unit ? strlen(unit) : 0;
	if (len < sizeof(end) || strcmp(unit + len - (sizeof(end) - 1), end) != 0 ||
	    strncmp(unit, "user@", 5) == 0)
		return NULL;
	*ret_len = len - (sizeof(end) - 1);
	return unit;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* The first that is known: the pod's label, its workload, the container, the service, the executable, the
 * process's own name. */
static void name_app(const struct identity_process *process, struct identity_place *place)
{
	const struct identity_pod *pod = place->pod;
	const struct identity_container *c = place->container;
	const char *name = pod ? labels_get(&pod->labels, "app.kubernetes.io/name") : NULL;
	size_t len = 0;

	if (pod && (!name || !*name))
		name = pod->workload ? pod->workload : pod->name;
	if (!name)
		name = place->pod_container ? place->pod_container : c ? c->name : NULL;
	if (!name)
		name = service_of(process->unit, &len);
	if (!name)
		name = process->exe ? base_name(process->exe) : process->comm;
	if (!len)
		len = strlen(name);
	snprintf(place->app, sizeof(place->app), "%.*s", (int)MIN(len, sizeof(place->app) - 1), name);
}

int identity_whois_place(struct identity_whois *w, const struct identity_process *process,
			 struct identity_place *place)
{
	int error = 0;
	if (place->settled)
		return 0;
	bool container = place_container(w, process, place, &error);
	bool pod = place_pod(w, process, place);
	name_app(process, place);
	place->settled = container && pod && error == 0;
	return error;
}

void identity_place_done(struct identity_place *place)
{
	container_unref(&place->container);
	pod_unref(&place->pod);
	*place = (struct identity_place){0};
}

struct identity_whois_stats identity_whois_stats(struct identity_whois *w)
{
	struct identity_whois_stats stats = {0};
	if (w->kubelet)
		kubelet_stats(w->kubelet, &stats);
	pthread_mutex_lock(&w->lock);
	stats.containers = map_len(w->containers);
	pthread_mutex_unlock(&w->lock);
	return stats;
}
