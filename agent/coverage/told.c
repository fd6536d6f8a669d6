/* SPDX-License-Identifier: Apache-2.0 */
#include "coverage/told.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/map.h"
#include "coverage/coverage.h"

/* A process and a host. */
struct source {
	uint64_t told_ns;
	uint64_t untold;
	uint64_t spare;
};

struct told {
	struct map *sources;
};

int told_new(struct told **ret_told)
{
	_cleanup_(told_free) struct told *t = calloc(1, sizeof(*t));
	int r = t ? map_new(&t->sources) : -ENOMEM;
	if (r < 0)
		return r;
	*ret_told = TAKE_PTR(t);
	return 0;
}

void told_free(struct told **told)
{
	if (!*told)
		return;
	map_clear_free((*told)->sources);
	map_free(&(*told)->sources);
	free(*told);
	*told = NULL;
}

uint64_t told_key(uint64_t process, const char *host)
{
	for (const char *p = host; *p; p++)
		process = map_mix(process, (unsigned char)*p | 0x20);
	return process;
}

static struct source *source_get(struct told *t, uint64_t key)
{
	struct source *s = map_get(t->sources, key);
	if (s)
		return s;
	/* Better told once more than not at all. */
	if (map_len(t->sources) >= COVERAGE_SOURCES_MAX)
		map_clear_free(t->sources);
	s = calloc(1, sizeof(*s));
	if (s && map_put(t->sources, key, s) < 0) {
		free(s);
		s = NULL;
	}
	return s;
}

enum told_what told_blind(struct told *t, uint64_t key, uint64_t now_ns, uint64_t *ret_connections)
{
	struct source *s = source_get(t, key);

	if (s && s->spare) {
		s->spare--;
		return TOLD_SPARE;
	}
	if (s && s->told_ns && now_ns - s->told_ns < COVERAGE_QUIET_NS) {
		s->untold++;
		return TOLD_LATER;
	}
	*ret_connections = s ? s->untold + 1 : 1;
	if (s)
		*s = (struct source){.told_ns = now_ns};
	return TOLD_NOW;
}

bool told_undo(struct told *t, uint64_t key, bool with_event)
{
	struct source *s = source_get(t, key);

	if (s && with_event)
		s->spare++;
	if (!s || with_event || !s->untold)
		return false;
	s->untold--;
	return true;
}
