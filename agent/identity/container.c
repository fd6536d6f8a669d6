/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/container.h"

#include <stddef.h>
#include <string.h>

#include "base/macro.h"

/* One component of the path. */
struct part {
	const char *text;
	size_t len;
};

static bool is_lower_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return true;
}

static bool part_is(struct part p, const char *text)
{
	return p.len == strlen(text) && memcmp(p.text, text, p.len) == 0;
}

static bool ends_with(struct part p, const char *end)
{
	size_t n = strlen(end);
	return p.len >= n && memcmp(p.text + p.len - n, end, n) == 0;
}

static bool begins_with(struct part p, const char *start)
{
	size_t n = strlen(start);
	return p.len >= n && memcmp(p.text, start, n) == 0;
}

static bool has(struct part p, const char *text)
{
	return memmem(p.text, p.len, text, strlen(text)) != NULL;
}

static struct part without_end(struct part p, const char *end)
{
	if (ends_with(p, end))
		p.len -= strlen(end);
	return p;
}

/* --- pods ---------------------------------------------------------------------------- */

/* 8-4-4-4-12 digits, or with "_" for "-" as in the names of slices, where "-" means a level. */
static bool uuid_copy(const char *text, char ret_uid[static POD_UID_MAX + 1])
{
	for (size_t i = 0; i < POD_UID_MAX; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? text[i] != '-' && text[i] != '_' : !is_lower_hex(text + i, 1))
			return false;
		ret_uid[i] = dash ? '-' : text[i];
	}
	ret_uid[POD_UID_MAX] = 0;
	return true;
}

/* "podUID" of the cgroupfs driver, "kubepods-burstable-podUID.slice" of systemd's; what comes after ":" is
 * the container's, where a runtime without the systemd driver was given a systemd name. */
static bool pod_read(struct part p, char ret_uid[static POD_UID_MAX + 1])
{
	const char *colon = memchr(p.text, ':', p.len);
	if (colon)
		p.len = (size_t)(colon - p.text);
	p = without_end(p, ".slice");
	size_t n = p.len >= 36 && (p.text[p.len - 13] == '-' || p.text[p.len - 13] == '_') ? 36 : 32;
	if (p.len < n + 3 || memcmp(p.text + p.len - n - 3, "pod", 3) != 0)
		return false;
	if (p.len > n + 3 && p.text[p.len - n - 4] != '-')
		return false;
	const char *uid = p.text + p.len - n;
	if (n == 36)
		return uuid_copy(uid, ret_uid);
	if (!is_lower_hex(uid, n))
		return false;
	memcpy(ret_uid, uid, n);
	ret_uid[n] = 0;
	return true;
}

/* --- containers ---------------------------------------------------------------------- */

static const struct {
	const char *prefix;
	const char *runtime; /* NULL: a runtime's helper, which is not in the container */
} prefixes[] = {
	{"cri-containerd", "containerd"},
	{"containerd", "containerd"},
	{"nerdctl", "containerd"},
	{"crio", "cri-o"},
	{"crio-conmon", NULL},
	{"docker", "docker"},
	{"libpod", "podman"},
	{"libpod-payload", "podman"},
	{"libpod-conmon", NULL},
};

/* Folders in which containers' cgroups have their bare ids. */
static const struct {
	const char *folder;
	const char *runtime;
} folders[] = {
	{"docker", "docker"},	   {"moby", "containerd"},	{"k8s.io", "containerd"},
	{"default", "containerd"}, {"libpod_parent", "podman"},
};

static const char *runtime_of_folder(struct part folder)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (part_is(folder, folders[i].folder))
			return folders[i].runtime;
	return NULL;
}

/* "PREFIX-ID.scope", "PREFIX-ID", "SLICE:PREFIX:ID". False: not of that form. */
static bool prefixed_read(struct part p, struct container_place *place)
{
	p = without_end(p, ".scope");
	if (p.len <= CONTAINER_ID_MAX + 1)
		return false;
	const char *id = p.text + p.len - CONTAINER_ID_MAX;
	char separator = id[-1];
	struct part prefix = {.text = p.text, .len = p.len - CONTAINER_ID_MAX - 1};
	const char *colon = memrchr(prefix.text, ':', prefix.len);

	if ((separator != '-' && separator != ':') || !is_lower_hex(id, CONTAINER_ID_MAX))
		return false;
	if (separator == ':' && colon) {
		prefix.len -= (size_t)(colon + 1 - prefix.text);
		prefix.text = colon + 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!part_is(prefix, prefixes[i].prefix))
			continue;
		if (!prefixes[i].runtime)
			return false;
		memcpy(place->id, id, CONTAINER_ID_MAX);
		place->id[CONTAINER_ID_MAX] = 0;
		place->runtime = prefixes[i].runtime;
		return true;
	}
	return false;
}

/* An id alone. Directly below libpod_parent it is a podman pod's. */
static bool bare_read(struct part p, struct part folder, struct container_place *place)
{
	if (p.len != CONTAINER_ID_MAX || !is_lower_hex(p.text, p.len) || part_is(folder, "libpod_parent"))
		return false;
	memcpy(place->id, p.text, p.len);
	place->id[p.len] = 0;
	place->runtime = runtime_of_folder(folder);
	return true;
}

/* "user@1000.service" */
static bool is_user_manager(struct part p)
{
	return begins_with(p, "user@") && ends_with(p, ".service");
}

bool container_place_read(const char *cgroup, struct container_place *ret_place)
{
	struct container_place place = {0};
	struct part folder = {.text = "", .len = 0};
	bool kube = false;
	char uid[POD_UID_MAX + 1];

	for (const char *p = cgroup; *p;) {
		struct part part = {.text = p, .len = strcspn(p, "/")};
		p += part.len + (p[part.len] == '/');
		if (part.len == 0)
			continue;
		place.rootless |= is_user_manager(part);
		kube |= has(part, "kubepods");
		if (kube && !place.rootless && pod_read(part, uid)) {
			memcpy(place.pod_uid, uid, sizeof(uid));
			place.id[0] = 0;
			place.runtime = NULL;
		}
		(void)(prefixed_read(part, &place) || bare_read(part, folder, &place));
		folder = part;
	}
	*ret_place = place;
	return place.id[0] || place.pod_uid[0];
}
