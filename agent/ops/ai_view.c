/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/ai_view.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/map.h"
#include "ops/ops_common.h"

#define ANSWER_MAX (1 << 20)

struct ai_view {
	struct map *starts; /* pid to the clock tick of its start, plus one */
};

static uint64_t tick_ns(void)
{
	long hz = sysconf(_SC_CLK_TCK);
	return NSEC_PER_SEC / (uint64_t)(hz > 0 ? hz : 100);
}

static int fill(struct ai_view *view, const json_t *processes)
{
	size_t i;
	json_t *one;

	if (!json_is_array(processes))
		return -EBADMSG;
	json_array_foreach (processes, i, one) {
		json_int_t pid = json_integer_value(json_array_get(one, 0));
		json_int_t start_ns = json_integer_value(json_array_get(one, 1));
		if (pid <= 0 || start_ns < 0)
			return -EBADMSG;
		uintptr_t value = (uintptr_t)((uint64_t)start_ns / tick_ns()) + 1;
		int r = map_put(view->starts, (uint64_t)pid, (void *)value);
		if (r < 0)
			return r;
	}
	return 0;
}

int ai_view_read(struct ai_view **ret_view, const struct buf *answer)
{
	json_t *root = json_loadb((const char *)answer->data, answer->len, 0, NULL);
	_cleanup_(ai_view_free) struct ai_view *view = calloc(1, sizeof(*view));
	int r = view ? map_new(&view->starts) : -ENOMEM;

	if (r >= 0)
		r = fill(view, json_object_get(json_object_get(root, "coverage"), "processes"));
	json_decref(root);
	if (r < 0)
		return r;
	*ret_view = TAKE_PTR(view);
	return 0;
}

int ai_view_ask(struct ai_view **ret_view, const char *socket_path)
{
	struct buf answer;

	buf_init(&answer, ANSWER_MAX);
	int r = ops_ask_agent(socket_path, &answer);
	if (r >= 0)
		r = ai_view_read(ret_view, &answer);
	buf_done(&answer);
	return r;
}

void ai_view_free(struct ai_view **view)
{
	if (!*view)
		return;
	map_free(&(*view)->starts);
	free(*view);
	*view = NULL;
}

/* Field 22 of /proc/PID/stat (proc(5)); the name in field 2 may hold anything. */
static bool read_start(pid_t pid, unsigned long long *ret_start)
{
	char path[64], line[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(line, 1, sizeof(line) - 1, f) : 0;
	if (f)
		fclose(f);
	line[n] = 0;
	const char *rest = strrchr(line, ')');
	return rest &&
	       sscanf(rest,
		      ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		      ret_start) == 1;
}

bool ai_view_has(const struct ai_view *view, pid_t pid)
{
	uint64_t known = (uint64_t)(uintptr_t)map_get(view->starts, (uint64_t)pid);
	unsigned long long start;
	return known && read_start(pid, &start) && known == start + 1;
}
