/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sixteen bytes at a time, in C that compilers turn into vector instructions: arithmetic and comparisons of
 * `lanes` work on each byte for itself; a comparison gives 0xff or 0. */

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LANES 16

typedef uint8_t lanes __attribute__((vector_size(LANES)));

static inline lanes lanes_load(const void *from)
{
	lanes v;
	memcpy(&v, from, LANES);
	return v;
}

static inline void lanes_store(void *to, lanes v)
{
	memcpy(to, &v, LANES);
}

/* Bit i is byte i of what a comparison gave. */
static inline unsigned lanes_bits(lanes mask)
{
#ifdef __SSE2__
	return (unsigned)_mm_movemask_epi8((__m128i)mask);
#else
	uint64_t half[2];
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");
	memcpy(half, &mask, LANES);
	for (int i = 0; i < 2; i++)
		half[i] = (half[i] & 0x0101010101010101ULL) * 0x0102040810204080ULL >> 56;
	return (unsigned)(half[0] | half[1] << 8);
#endif
}

/* Index of the first byte that is set in what a comparison gave; LANES: none. */
static inline unsigned lanes_first(lanes mask)
{
	const unsigned bits = lanes_bits(mask);
	return bits ? (unsigned)__builtin_ctz(bits) : LANES;
}
