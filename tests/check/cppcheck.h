/* SPDX-License-Identifier: Apache-2.0 */

/* Given to cppcheck before each file: jansson's loops and libbpf's options in a form that it can read. */

#define json_array_foreach(a, i, v) for (i = 0; i < json_array_size(a) && (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v)                                                                         \
	for (k = first_key(o); k && (v = json_object_get(o, k)); k = next_key(o, k))
#define LIBBPF_OPTS(type, name, ...) struct type name = {.sz = sizeof(struct type), __VA_ARGS__}
