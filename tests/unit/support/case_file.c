/* SPDX-License-Identifier: Apache-2.0 */
#include "case_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digit.h"

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void fail(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	exit(2);
}

static char *read_all(const char *path)
{
	size_t len = 0, cap = 1 << 20, n;
	FILE *in = fopen(path, "rb");
	if (!in)
		fail(path, "cannot be opened");
	char *text = must(malloc(cap));
	while ((n = fread(text + len, 1, cap - len - 1, in)) > 0) {
		len += n;
		if (len + 1 == cap)
			text = must(realloc(text, cap *= 2));
	}
	fclose(in);
	text[len] = 0;
	return text;
}

static size_t split(char *text, char ***ret_lines)
{
	size_t n = 0, cap = 1024;
	char **lines = must(calloc(cap, sizeof(*lines)));
	for (char *line; (line = strsep(&text, "\n"));) {
		if (n == cap)
			lines = must(reallocarray(lines, cap *= 2, sizeof(*lines)));
		lines[n++] = line;
	}
	*ret_lines = lines;
	return n;
}

void case_file_load(struct case_file *file, const char *path)
{
	*file = (struct case_file){.text = read_all(path)};
	size_t n = split(file->text, &file->lines);
	file->cases = must(calloc(n, sizeof(*file->cases)));
	struct file_case *open = NULL;
	for (size_t i = 0; i < n; i++) {
		char *line = file->lines[i];
		if (open && strcmp(line, "end") == 0) {
			open = NULL;
			file->n++;
		} else if (open) {
			open->n++;
		} else if (case_line(line, "case")) {
			open = &file->cases[file->n];
			*open = (struct file_case){case_line(line, "case"), &file->lines[i + 1], 0};
		} else if (*line) {
			fail(path, "there is a line outside of a case");
		}
	}
	if (open || !file->n)
		fail(path, "it ends within a case, or has none");
}

void case_file_done(struct case_file *file)
{
	free(file->cases);
	free(file->lines);
	free(file->text);
	*file = (struct case_file){};
}

const char *case_line(const char *line, const char *word)
{
	size_t n = strlen(word);
	if (strncmp(line, word, n) != 0 || (line[n] && line[n] != ' '))
		return NULL;
	return line[n] ? line + n + 1 : line + n;
}

uint8_t *case_hex(const char *hex, size_t *ret_len)
{
	size_t len = strcspn(hex, " ") / 2;
	uint8_t *data = must(malloc(len + 1));
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(hex_digit((uint8_t)hex[2 * i]) << 4 | hex_digit((uint8_t)hex[2 * i + 1]));
	data[len] = 0;
	*ret_len = len;
	return data;
}
