/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

struct slot {
	uint64_t key;
	void *value; /* NULL: free */
};

struct map {
	struct slot *slots;
	size_t n_slots; /* power of two */
	size_t len;
	size_t used; /* slots that are not free: entries and marks of removed ones */
};

static char removed; /* address marks slots whose entry is gone but whose chain goes on */

uint64_t map_mix(uint64_t seed, uint64_t value)
{
	uint64_t z = seed + value + 0x9e3779b97f4a7c15ULL;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

int map_new(struct map **ret_map)
{
	struct map *map = calloc(1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	map->slots = calloc(FIRST_SLOTS, sizeof(*map->slots));
	if (!map->slots) {
		free(map);
		return -ENOMEM;
	}
	map->n_slots = FIRST_SLOTS;
	*ret_map = map;
	return 0;
}

void map_free(struct map **map)
{
	if (!*map)
		return;
	free((*map)->slots);
	free(*map);
	*map = NULL;
}

size_t map_len(const struct map *map)
{
	return map->len;
}

/* The key's slot, or the slot where it would go. There is always a free one. */
static struct slot *slot_find(struct slot *slots, size_t n_slots, uint64_t key)
{
	struct slot *reuse = NULL;
	for (size_t i = map_mix(0, key) & (n_slots - 1);; i = (i + 1) & (n_slots - 1)) {
		struct slot *s = &slots[i];
		if (!s->value)
			return reuse ? reuse : s;
		if (s->value == &removed) {
			if (!reuse)
				reuse = s;
		} else if (s->key == key) {
			return s;
		}
	}
}

static bool slot_live(const struct slot *s)
{
	return s->value && s->value != &removed;
}

void *map_get(const struct map *map, uint64_t key)
{
	struct slot *s = slot_find(map->slots, map->n_slots, key);
	return slot_live(s) && s->key == key ? s->value : NULL;
}

/* Rehashing also sheds the marks of removed entries, so that a table that lives long does not fill with them.
 */
static int map_rehash(struct map *map, size_t n_slots)
{
	struct slot *slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_slots; i++)
		if (slot_live(&map->slots[i]))
			*slot_find(slots, n_slots, map->slots[i].key) = map->slots[i];
	free(map->slots);
	map->slots = slots;
	map->n_slots = n_slots;
	map->used = map->len;
	return 0;
}

int map_put(struct map *map, uint64_t key, void *value)
{
	struct slot *s = slot_find(map->slots, map->n_slots, key);
	if (slot_live(s)) {
		s->value = value;
		return 0;
	}
	if (!s->value && map->used + 1 > map->n_slots / 4 * 3) {
		int r = map_rehash(map, map->len + 1 > map->n_slots / 2 ? map->n_slots * 2 : map->n_slots);
		if (r < 0)
			return r;
		s = slot_find(map->slots, map->n_slots, key);
	}
	map->used += !s->value;
	*s = (struct slot){.key = key, .value = value};
	map->len++;
	return 0;
}

void *map_remove(struct map *map, uint64_t key)
{
	struct slot *s = slot_find(map->slots, map->n_slots, key);
	if (!slot_live(s) || s->key != key)
		return NULL;
	void *value = s->value;
	s->value = &removed;
	map->len--;
	return value;
}

void map_clear(struct map *map)
{
	memset(map->slots, 0, map->n_slots * sizeof(*map->slots));
	map->len = map->used = 0;
}

void map_clear_free(struct map *map)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;

	if (!map)
		return;
	while (map_next(map, &cursor, &key, &value))
		free(value);
	map_clear(map);
}

bool map_next(const struct map *map, size_t *cursor, uint64_t *ret_key, void **ret_value)
{
	for (; *cursor < map->n_slots; (*cursor)++) {
		const struct slot *s = &map->slots[*cursor];
		if (!slot_live(s))
			continue;
		*ret_key = s->key;
		*ret_value = s->value;
		(*cursor)++;
		return true;
	}
	return false;
}
