/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "identity/labels.h"

void container_ref(struct identity_container *container)
{
	atomic_fetch_add(&container->refs, 1);
}

void container_unref(struct identity_container **container)
{
	struct identity_container *c = *container;
	*container = NULL;
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	free(c->name);
	free(c->image);
	free(c->pod_namespace);
	free(c->pod_name);
	free(c->pod_uid);
	free(c->pod_container);
	labels_done(&c->labels);
	free(c);
}

/* --- what the files hold ------------------------------------------------------------- */

/* Where each runtime notes the same facts: as annotations (OCI) or labels (Docker). */
enum fact { FACT_NAME, FACT_IMAGE, FACT_POD_NAMESPACE, FACT_POD_NAME, FACT_POD_UID, FACT_POD_CONTAINER };

static const struct {
	const char *key;
	enum fact fact;
} facts[] = {
	{"io.kubernetes.cri.container-name", FACT_POD_CONTAINER}, /* containerd */
	{"io.kubernetes.cri.image-name", FACT_IMAGE},
	{"io.kubernetes.cri.sandbox-namespace", FACT_POD_NAMESPACE},
	{"io.kubernetes.cri.sandbox-name", FACT_POD_NAME},
	{"io.kubernetes.cri.sandbox-uid", FACT_POD_UID},
	{"nerdctl/name", FACT_NAME},
	{"io.kubernetes.container.name", FACT_POD_CONTAINER}, /* CRI-O, and cri-dockerd's labels */
	{"io.kubernetes.pod.namespace", FACT_POD_NAMESPACE},
	{"io.kubernetes.pod.name", FACT_POD_NAME},
	{"io.kubernetes.pod.uid", FACT_POD_UID},
	{"io.kubernetes.cri-o.ImageName", FACT_IMAGE},
	{"io.kubernetes.cri-o.Name", FACT_NAME},
};

static int read_facts(const json_t *object, struct identity_container *c)
{
	char **const fields[] = {
		[FACT_NAME] = &c->name,
		[FACT_IMAGE] = &c->image,
		[FACT_POD_NAMESPACE] = &c->pod_namespace,
		[FACT_POD_NAME] = &c->pod_name,
		[FACT_POD_UID] = &c->pod_uid,
		[FACT_POD_CONTAINER] = &c->pod_container,
	};
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(facts) && r == 0; i++)
		r = json_text_copy(object, facts[i].key, fields[facts[i].fact]);
	return r;
}

/* An object in a string, as CRI-O and nerdctl keep labels. */
static int read_nested_labels(const char *text, struct identity_container *c)
{
	json_t *object = text ? json_loads(text, 0, NULL) : NULL;
	int r = c->labels.n ? 0 : labels_read(object, &c->labels);
	json_decref(object);
	return r;
}

int runtime_read_oci(const char *text, size_t len, struct identity_container *c)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const json_t *annotations = json_object_get(root, "annotations");
	int r = json_is_object(root) ? read_facts(annotations, c) : -EBADMSG;
	if (r == 0) {
		const json_t *nested = json_object_get(annotations, "io.kubernetes.cri-o.Labels");
		r = read_nested_labels(json_string_value(nested), c);
	}
	json_decref(root);
	return r;
}

/* Docker's names begin with "/". */
int runtime_read_docker(const char *text, size_t len, struct identity_container *c)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const json_t *config = json_object_get(root, "Config"), *labels = json_object_get(config, "Labels");
	const char *name = json_text(root, "Name");
	int r = json_is_object(root) ? 0 : -EBADMSG;

	if (name && !c->name) {
		c->name = strdup(name + (*name == '/'));
		r = c->name ? r : -ENOMEM;
	}
	if (r == 0)
		r = json_text_copy(config, "Image", &c->image);
	if (r == 0)
		r = read_facts(labels, c);
	if (r == 0 && !c->labels.n)
		r = labels_read(labels, &c->labels);
	json_decref(root);
	return r;
}

static int read_stored(const json_t *item, struct identity_container *c)
{
	const json_t *name = json_array_get(json_object_get(item, "names"), 0);
	const json_t *nested = json_object_get(item, "metadata");
	json_t *metadata = json_is_string(nested) ? json_loads(json_string_value(nested), 0, NULL) : NULL;
	size_t len = json_string_length(name);
	int r = 0;

	if (!c->name && len > 0 && len <= IDENTITY_TEXT_MAX) {
		c->name = strdup(json_string_value(name));
		r = c->name ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = json_text_copy(metadata, "image-name", &c->image);
	json_decref(metadata);
	return r;
}

int runtime_read_storage(const char *text, size_t len, struct identity_container *c)
{
	json_t *root = json_loadb(text, len, 0, NULL), *item;
	int r = json_is_array(root) ? -ENOENT : -EBADMSG;
	size_t i;

	json_array_foreach (root, i, item) {
		const char *id = json_text(item, "id");
		if (id && strcmp(id, c->id) == 0) {
			r = read_stored(item, c);
			break;
		}
	}
	json_decref(root);
	return r;
}

/* --- files --------------------------------------------------------------------------- */

static const struct {
	const char *runtime;
	const char *pattern; /* %s: the id */
	int (*read)(const char *text, size_t len, struct identity_container *container);
} files[] = {
	{"docker", "/var/lib/docker/containers/%s/config.v2.json", runtime_read_docker},
	{"containerd", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
	 runtime_read_oci},
	{"containerd", "/run/containerd/io.containerd.runtime.v2.task/default/%s/config.json",
	 runtime_read_oci},
	{"podman", "/var/lib/containers/storage/overlay-containers/containers.json", runtime_read_storage},
	{"podman", "/var/lib/containers/storage/vfs-containers/containers.json", runtime_read_storage},
	{"cri-o", "/run/containers/storage/overlay-containers/%s/userdata/config.json", runtime_read_oci},
	{"cri-o", "/var/lib/containers/storage/overlay-containers/%s/userdata/config.json", runtime_read_oci},
};

static int open_regular(const char *path, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if ((uint64_t)st.st_size > RUNTIME_FILE_MAX)
		return -E2BIG;
	*ret_len = (size_t)st.st_size;
	return TAKE_FD(fd);
}

/* As much as it had when it was opened: a file that is replaced meanwhile is read as it was. */
static int read_file(const char *path, char **ret_text, size_t *ret_len)
{
	size_t size = 0, len = 0;
	_cleanup_close_ int fd = open_regular(path, &size);
	if (fd < 0)
		return fd;
	_cleanup_free_ char *text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	*ret_text = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int read_one(const char *root, size_t which, struct identity_container *c)
{
	char name[PATH_MAX], path[PATH_MAX + 256];
	_cleanup_free_ char *text = NULL;
	size_t len;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* of the table above */
	snprintf(name, sizeof(name), files[which].pattern, c->id);
#pragma GCC diagnostic pop
	if ((size_t)snprintf(path, sizeof(path), "%s%s", root, name) >= sizeof(path))
		return -ENAMETOOLONG;
	int r = read_file(path, &text, &len);
	return r < 0 ? r : files[which].read(text, len, c);
}

/* CRI-O and podman keep their containers in the same place. */
static bool may_know(const char *runtime, size_t which)
{
	return !runtime || strcmp(runtime, files[which].runtime) == 0 ||
	       (strcmp(runtime, "cri-o") == 0 && strcmp(files[which].runtime, "podman") == 0) ||
	       /* Docker's containers run under containerd. */
	       (strcmp(runtime, "containerd") == 0 && strcmp(files[which].runtime, "docker") == 0);
}

int runtime_read(const char *root, const struct container_place *place,
		 struct identity_container **ret_container)
{
	_cleanup_(container_unref) struct identity_container *c = calloc(1, sizeof(*c));
	bool found = false;
	if (!c)
		return -ENOMEM;
	atomic_init(&c->refs, 1);
	memcpy(c->id, place->id, sizeof(c->id));
	c->runtime = place->runtime;
	for (size_t i = 0; i < ARRAY_SIZE(files) && !place->rootless; i++) {
		int r = may_know(place->runtime, i) ? read_one(root, i, c) : -ENOENT;
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			continue;
		found = true;
		/* An id alone says nothing of its runtime; that its file was found does. */
		if (!c->runtime)
			c->runtime = files[i].runtime;
	}
	if (place->rootless)
		c->problem = "metadata is missing: the container is a user's own, whose files are not read";
	else if (!found)
		c->problem = "metadata is missing: no file of a container runtime tells of it";
	*ret_container = TAKE_PTR(c);
	return 0;
}
