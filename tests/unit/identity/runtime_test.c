/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "identity/identity.h"
#include "identity/labels.h"
#include "identity/runtime.h"

#define ID "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"

/* As the runtimes write them, shortened. */
static const char docker[] =
	"{\"StreamConfig\":{},\"State\":{\"Running\":true,\"Pid\":77},\"ID\":\"" ID "\",\"Config\":{"
	"\"Hostname\":\"3726184226f5\",\"Env\":[\"SECRET=made-up\"],\"Image\":\"shop/web:1\",\"Labels\":{"
	"\"team\":\"search\"}},\"Name\":\"/web_1\"}";
static const char containerd[] =
	"{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"x\"]},\"annotations\":{"
	"\"io.kubernetes.cri.container-name\":\"main\",\"io.kubernetes.cri.container-type\":\"container\","
	"\"io.kubernetes.cri.image-name\":\"docker.io/shop/web:1\",\"io.kubernetes.cri.sandbox-id\":\"s\","
	"\"io.kubernetes.cri.sandbox-name\":\"chat-0\",\"io.kubernetes.cri.sandbox-namespace\":\"shop\","
	"\"io.kubernetes.cri.sandbox-uid\":\"2c48913c-b29f-41e7-9350-020968147796\"}}";
static const char crio[] =
	"{\"ociVersion\":\"1.1.0\",\"annotations\":{\"io.kubernetes.container.name\":\"main\","
	"\"io.kubernetes.pod.name\":\"chat-0\",\"io.kubernetes.pod.namespace\":\"shop\","
	"\"io.kubernetes.pod.uid\":\"u\",\"io.kubernetes.cri-o.ImageName\":\"shop/web:2\","
	"\"io.kubernetes.cri-o.Name\":\"k8s_main_chat-0\",\"io.kubernetes.cri-o.Labels\":"
	"\"{\\\"team\\\":\\\"search\\\"}\"}}";
static const char storage[] =
	"[{\"id\":\"other\",\"names\":[\"no\"]},{\"id\":\"" ID "\",\"names\":[\"webapp\"],\"image\":\"abc\","
	"\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/library/"
	"nginx:1\\\",\\\"name\\\":\\\"webapp\\\"}\"}]";

typedef int read_fn(const char *text, size_t len, struct identity_container *container);

static struct identity_container *fresh(void)
{
	struct identity_container *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	atomic_init(&c->refs, 1);
	memcpy(c->id, ID, sizeof(ID));
	return c;
}

static void test_docker(void **state)
{
	struct identity_container *c = fresh();
	(void)state;
	assert_int_equal(runtime_read_docker(docker, sizeof(docker) - 1, c), 0);
	assert_string_equal(c->name, "web_1");
	assert_string_equal(c->image, "shop/web:1");
	assert_string_equal(labels_get(&c->labels, "team"), "search");
	container_unref(&c);
}

static void test_oci(void **state)
{
	struct identity_container *c = fresh();
	(void)state;
	assert_int_equal(runtime_read_oci(containerd, sizeof(containerd) - 1, c), 0);
	assert_null(c->name);
	assert_string_equal(c->image, "docker.io/shop/web:1");
	assert_string_equal(c->pod_container, "main");
	assert_string_equal(c->pod_name, "chat-0");
	assert_string_equal(c->pod_namespace, "shop");
	assert_string_equal(c->pod_uid, "2c48913c-b29f-41e7-9350-020968147796");
	container_unref(&c);

	c = fresh();
	assert_int_equal(runtime_read_oci(crio, sizeof(crio) - 1, c), 0);
	assert_string_equal(c->name, "k8s_main_chat-0");
	assert_string_equal(c->image, "shop/web:2");
	assert_string_equal(c->pod_container, "main");
	assert_string_equal(labels_get(&c->labels, "team"), "search");
	container_unref(&c);
}

static void test_storage(void **state)
{
	struct identity_container *c = fresh();
	(void)state;
	assert_int_equal(runtime_read_storage(storage, sizeof(storage) - 1, c), 0);
	assert_string_equal(c->name, "webapp");
	assert_string_equal(c->image, "docker.io/library/nginx:1");
	c->id[0] = '0';
	assert_int_equal(runtime_read_storage(storage, sizeof(storage) - 1, c), -ENOENT);
	container_unref(&c);
}

static void cut_everywhere(read_fn *fn, const char *text, size_t len)
{
	for (size_t cut = 0; cut < len; cut++) {
		struct identity_container *c = fresh();
		uint8_t *copy = guard_copy(text, cut);
		assert_int_equal(fn((const char *)copy, cut, c), -EBADMSG);
		guard_free(copy, cut);
		container_unref(&c);
	}
}

static void test_every_cut(void **state)
{
	(void)state;
	cut_everywhere(runtime_read_docker, docker, sizeof(docker) - 1);
	cut_everywhere(runtime_read_oci, containerd, sizeof(containerd) - 1);
	cut_everywhere(runtime_read_oci, crio, sizeof(crio) - 1);
	cut_everywhere(runtime_read_storage, storage, sizeof(storage) - 1);
}

static void test_odd(void **state)
{
	static const char *const texts[] = {"7",
					    "\"x\"",
					    "[1,null,{\"id\":7}]",
					    "{\"annotations\":[]}",
					    "{\"Config\":7,\"Name\":\"\"}",
					    "{\"Config\":{\"Labels\":[]}}",
					    "[{\"id\":\"" ID "\",\"names\":{},\"metadata\":\"{\"}]"};
	read_fn *const readers[] = {runtime_read_docker, runtime_read_oci, runtime_read_storage};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(readers); k++) {
			struct identity_container *c = fresh();
			(void)readers[k](texts[i], strlen(texts[i]), c);
			assert_null(c->name);
			assert_null(c->image);
			container_unref(&c);
		}
}

/* --- files --------------------------------------------------------------------------- */

static char root[] = "/tmp/oaitap-runtime-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void put_file(const char *name, const char *text, size_t len)
{
	char path[512];
	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static struct identity_container *look(const char *cgroup)
{
	struct container_place place;
	struct identity_container *c;
	assert_true(container_place_read(cgroup, &place));
	assert_int_equal(runtime_read(root, &place, &c), 0);
	return c;
}

static void test_files(void **state)
{
	(void)state;
	struct identity_container *c = look("/docker/" ID);
	assert_null(c->name);
	assert_non_null(strstr(c->problem, "metadata is missing"));
	container_unref(&c);

	put_file("/var/lib/docker/containers/" ID "/config.v2.json", docker, sizeof(docker) - 1);
	c = look("/docker/" ID);
	assert_string_equal(c->name, "web_1");
	assert_null(c->problem);
	container_unref(&c);
	/* The id alone: where its file is tells the runtime. */
	c = look("/kubepods/pod2c48913c-b29f-41e7-9350-020968147796/" ID);
	assert_string_equal(c->runtime, "docker");
	container_unref(&c);
	/* Another runtime's container of that id would be another one. */
	c = look("/libpod_parent/libpod-" ID);
	assert_null(c->name);
	container_unref(&c);
	/* A user may choose any id. */
	c = look("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope");
	assert_null(c->name);
	assert_non_null(c->problem);
	container_unref(&c);

	put_file("/var/lib/containers/storage/overlay-containers/containers.json", storage,
		 sizeof(storage) - 1);
	c = look("/machine.slice/libpod-" ID ".scope/container");
	assert_string_equal(c->name, "webapp");
	container_unref(&c);
	put_file("/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json", containerd,
		 sizeof(containerd) - 1);
	c = look("/kubepods.slice/kubepods-pod2c48913c_b29f_41e7_9350_020968147796.slice/cri-containerd-" ID
		 ".scope");
	assert_string_equal(c->pod_name, "chat-0");
	container_unref(&c);
}

static void test_hostile_files(void **state)
{
	static const char name[] = "/var/lib/docker/containers/" ID "/config.v2.json";
	char path[512], target[64];
	(void)state;
	snprintf(path, sizeof(path), "%s%s", root, name);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* does not hang */
	struct identity_container *c = look("/docker/" ID);
	assert_null(c->name);
	container_unref(&c);
	unlink(path);
	snprintf(target, sizeof(target), "%s/target", root);
	put_file("/target", docker, sizeof(docker) - 1);
	assert_int_equal(symlink(target, path), 0);
	c = look("/docker/" ID);
	assert_null(c->name);
	container_unref(&c);
	unlink(path);
	put_file(name, docker, sizeof(docker) - 1);
	assert_int_equal(truncate(path, RUNTIME_FILE_MAX + 1), 0);
	c = look("/docker/" ID);
	assert_null(c->name);
	container_unref(&c);
}

/* --- places -------------------------------------------------------------------------- */

static void place_of(struct identity_whois *w, const char *cgroup, const char *unit, const char *exe,
		     struct identity_place *ret_place)
{
	struct identity_process p = {.pid = 7, .comm = "comm", .unit = (char *)unit, .exe = (char *)exe};
	*ret_place = (struct identity_place){0};
	(void)container_place_read(cgroup, &p.in);
	assert_int_equal(identity_whois_place(w, &p, ret_place), 0);
}

static void test_places(void **state)
{
	struct identity_options options = identity_options_default;
	struct identity_whois *w;
	struct identity_place place;
	(void)state;
	options.root = root;
	assert_int_equal(identity_whois_new(&w, &options), 0);
	place_of(w, "/system.slice/nginx.service", "nginx.service", "/usr/sbin/nginx", &place);
	assert_string_equal(place.app, "nginx");
	assert_true(place.settled && !place.container && !place.pod_uid);
	identity_place_done(&place);
	place_of(w, "/user.slice/user@1000.service", "user@1000.service", "/usr/bin/x", &place);
	assert_string_equal(place.app, "x");
	place_of(w, "/user.slice/session-2.scope", "session-2.scope", NULL, &place);
	assert_string_equal(place.app, "comm");
	place_of(w, "/machine.slice/libpod-" ID ".scope", "libpod.scope", "/x", &place);
	assert_string_equal(place.app, "webapp");
	struct identity_container *first = place.container;
	identity_place_done(&place);
	place_of(w, "/libpod_parent/libpod-" ID, NULL, "/x", &place);
	assert_ptr_equal(place.container, first); /* remembered */
	identity_place_done(&place);
	/* Without a kubelet: what the runtime says, and that the rest is missing. */
	place_of(w,
		 "/kubepods.slice/kubepods-pod2c48913c_b29f_41e7_9350_020968147796.slice/cri-containerd-" ID
		 ".scope",
		 NULL, "/x", &place);
	assert_int_equal(identity_whois_stats(w).containers, 1);
	assert_non_null(strstr(place.pod_problem, "metadata is missing"));
	assert_true(place.settled);
	identity_place_done(&place);
	identity_whois_free(&w);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker),	cmocka_unit_test(test_oci),
		cmocka_unit_test(test_storage), cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_odd),	cmocka_unit_test(test_files),
		cmocka_unit_test(test_places),	cmocka_unit_test(test_hostile_files),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
