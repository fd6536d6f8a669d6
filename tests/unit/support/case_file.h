/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of cases that programs write for the tests: lines of text, a case from "case NAME" to "end". A
 * failure is the file's, and ends the program with a message. */

#include <stddef.h>
#include <stdint.h>

struct file_case {
	const char *name;
	char **lines; /* those between; without their ends */
	size_t n;
};

struct case_file {
	char *text; /* owned: what all names and lines are parts of */
	char **lines;
	struct file_case *cases;
	size_t n;
};

void case_file_load(struct case_file *file, const char *path);
void case_file_done(struct case_file *file);

/* What follows the word and one space, if that is what the line begins with; or NULL. */
const char *case_line(const char *line, const char *word);

/* The bytes that the hexadecimal digits up to a space or the end stand for; one more byte is there, a 0. The
 * caller frees them. */
uint8_t *case_hex(const char *hex, size_t *ret_len);
