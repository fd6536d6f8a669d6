/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A hash table from 64-bit keys to pointers. Values are borrowed: the table frees none. Not thread-safe.
 * Keys come from the kernel or are mixed by the caller; a hostile process cannot choose them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map;

int map_new(struct map **ret_map); /* 0; -ENOMEM */
void map_free(struct map **map);

size_t map_len(const struct map *map);
void *map_get(const struct map *map, uint64_t key);	 /* NULL: not there */
int map_put(struct map *map, uint64_t key, void *value); /* replaces; value is not NULL. 0; -ENOMEM */
void *map_remove(struct map *map, uint64_t key);	 /* the value, or NULL */
void map_clear(struct map *map);
/* The same, and gives each value to free(3). NULL: nothing to do. */
void map_clear_free(struct map *map);

/* Walks all entries in no order. *cursor is 0 at first. False at the end. The entry just given may be
 * removed. */
bool map_next(const struct map *map, size_t *cursor, uint64_t *ret_key, void **ret_value);

/* Mixes a value into a 64-bit key (the finaliser of splitmix64 over the sum). */
uint64_t map_mix(uint64_t seed, uint64_t value);
