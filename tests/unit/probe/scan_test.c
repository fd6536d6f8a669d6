/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macro.h"
#include "probe/scan.h"

static char dir[] = "/tmp/oaitap-scan-XXXXXX";
static char file[64], other[64], pipe_path[64], to_file[64], to_dir[64], by_dir[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", dir);
	snprintf(to_file, sizeof(to_file), "%s/to-file", dir);
	snprintf(to_dir, sizeof(to_dir), "%s/to-dir", dir);
	snprintf(by_dir, sizeof(by_dir), "%s/to-dir/file", dir);
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return mkfifo(pipe_path, 0600) < 0 || symlink(file, to_file) < 0 || symlink(dir, to_dir) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	const char *const all[] = {file, other, pipe_path, to_file, to_dir};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		unlink(all[i]);
	return rmdir(dir);
}

/* What the list of mappings would say of the file `mapped`, were it mapped under the name `path`. No such
 * range exists, so that only the path remains to go by. */
static struct scan_mapping mapping_of(const char *mapped, const char *path)
{
	struct stat st;
	assert_int_equal(stat(mapped, &st), 0);
	return (struct scan_mapping){.pid = getpid(),
				     .start = 0x1000,
				     .end = 0x2000,
				     .dev_major = major(st.st_dev),
				     .dev_minor = minor(st.st_dev),
				     .inode = st.st_ino,
				     .path = path};
}

static int open_result(struct scan_mapping m)
{
	int fd = scan_open_mapping(&m);
	if (fd < 0)
		return fd;
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH), O_RDONLY);
	close(fd);
	return 0;
}

static void test_the_mapped_file(void **state)
{
	(void)state;
	assert_int_equal(open_result(mapping_of(file, file)), 0);
	assert_int_equal(open_result(mapping_of(file, by_dir)), 0);
}

static void test_another_file(void **state)
{
	(void)state;
	assert_int_equal(open_result(mapping_of(file, other)), -ESTALE);
	assert_int_equal(open_result(mapping_of(file, to_file)), -ESTALE);
	assert_int_equal(open_result(mapping_of(other, by_dir)), -ESTALE);
}

static void test_not_a_file(void **state)
{
	(void)state;
	assert_int_equal(open_result(mapping_of(pipe_path, pipe_path)), -EINVAL);
	assert_int_equal(open_result(mapping_of("/dev/null", "/dev/null")), -EINVAL);
	assert_int_equal(open_result(mapping_of(dir, dir)), -EINVAL);
}

/* Between two disks an inode number says nothing; against an anonymous device it is all there is. */
static void test_device(void **state)
{
	struct scan_mapping m = mapping_of(file, file);
	(void)state;
	bool disk = m.dev_major != 0;
	m.dev_major = disk ? m.dev_major + 1 : 8;
	assert_int_equal(open_result(m), disk ? -ESTALE : 0);
	m.dev_major = 0;
	m.dev_minor++;
	assert_int_equal(open_result(m), 0);
}

/* Links of the process must not lead out of its root; /proc's lead anywhere. */
static void test_links_of_proc(void **state)
{
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "/proc/self/cwd%s", file);
	assert_true(open_result(mapping_of(file, path)) < 0);
	snprintf(path, sizeof(path), "/proc/%d/root%s", getpid(), file);
	assert_true(open_result(mapping_of(file, path)) < 0);
}

/* The kernel's own link to a mapping can lead to a device, too. */
static void test_mapped_device(void **state)
{
	size_t len = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	(void)state;
	void *at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	struct scan_mapping m = mapping_of("/dev/zero", "/dev/zero");
	m.start = (uintptr_t)at;
	m.end = m.start + len;
	assert_int_equal(open_result(m), -EINVAL);
	munmap(at, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_mapped_file), cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_not_a_file),	cmocka_unit_test(test_device),
		cmocka_unit_test(test_links_of_proc),	cmocka_unit_test(test_mapped_device),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
