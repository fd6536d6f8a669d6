/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <string.h>

#include "base/macro.h"
#include "identity/container.h"

/* Two containers, two pods in both spellings, a static pod. */
#define A    "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f86aaaa"
#define B    "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c3842814bbbb"
#define P    "2c48913c-b29f-41e7-9350-020968147796"
#define P_   "2c48913c_b29f_41e7_9350_020968147796"
#define Q    "72f7f152-440c-46ac-9084-e0fc1d8a910c"
#define Q_   "72f7f152_440c_46ac_9084_e0fc1d8a910c"
#define HASH "0123456789abcdef0123456789abcdef"

#define SLICE	    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" P_ ".slice"
#define USER	    "/user.slice/user-1000.slice/user@1000.service"
#define KIND_SYSTEM "/system.slice/docker-" A ".scope/kubelet.slice/kubelet-kubepods.slice"

struct row {
	const char *path, *id, *pod_uid, *runtime;
	bool rootless;
};

static const struct row rows[] = {
	/* containerd under the kubelet */
	{SLICE "/cri-containerd-" A ".scope", A, P, "containerd", false},
	{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" P_ ".slice/cri-containerd-" A
	 ".scope",
	 A, P, "containerd", false},
	{"/kubepods.slice/kubepods-pod" P_ ".slice/cri-containerd-" A ".scope", A, P, "containerd", false},
	{"/system.slice/containerd.service/kubepods-burstable-pod" P_ ".slice:cri-containerd:" A, A, P,
	 "containerd", false},
	{"/kubepods-besteffort-pod" P_ ".slice:cri-containerd:" A, A, P, "containerd", false},
	{"/kubepods/burstable/pod" P "/" A, A, P, NULL, false},
	{"/kubepods/besteffort/pod" P "/" A, A, P, NULL, false},
	{"/kubepods/pod" P "/" A, A, P, NULL, false},
	{"/kubepods/burstable/pod" HASH "/" A, A, HASH, NULL, false},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH ".slice/cri-containerd-" A
	 ".scope",
	 A, HASH, "containerd", false},
	{SLICE "/cri-containerd-" A ".scope/init.scope", A, P, "containerd", false},
	{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	 "kubelet-kubepods-burstable-pod" P_ ".slice/cri-containerd-" A ".scope",
	 A, P, "containerd", false},
	{"/kubelet/kubepods/burstable/pod" P "/" A, A, P, NULL, false},
	{"/k3s.slice/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" P_
	 ".slice/cri-containerd-" A ".scope",
	 A, P, "containerd", false},
	{"/azure.slice/kubepods.slice/kubepods-pod" P_ ".slice/cri-containerd-" A ".scope", A, P,
	 "containerd", false},
	/* containerd by hand and by nerdctl */
	{"/default/" A, A, "", "containerd", false},
	{"/k8s.io/" A, A, "", "containerd", false},
	{"/system.slice/nerdctl-" A ".scope", A, "", "containerd", false},
	{"/system.slice/containerd-" A ".scope", A, "", "containerd", false},
	{USER "/user.slice/nerdctl-" A ".scope", A, "", "containerd", true},
	/* CRI-O */
	{SLICE "/crio-" A ".scope", A, P, "cri-o", false},
	{SLICE "/crio-" A ".scope/container", A, P, "cri-o", false},
	{"/kubepods/burstable/pod" P "/crio-" A, A, P, "cri-o", false},
	{"/kubepods-besteffort-pod" P_ ".slice:crio:" A, A, P, "cri-o", false},
	{SLICE "/crio-conmon-" A ".scope", "", P, NULL, false},
	{"/kubepods/burstable/pod" P "/crio-conmon-" A, "", P, NULL, false},
	{"/system.slice/crio-" A ".scope", A, "", "cri-o", false},
	/* Docker */
	{"/docker/" A, A, "", "docker", false},
	{"/system.slice/docker-" A ".scope", A, "", "docker", false},
	{"/docker/" A "/init.scope", A, "", "docker", false},
	{"/docker/" A "/system.slice/nginx.service", A, "", "docker", false},
	{"/system.slice:docker:" A, A, "", "docker", false},
	{"/system.slice/docker.service/system.slice:docker:" A, A, "", "docker", false},
	{SLICE "/docker-" A ".scope", A, P, "docker", false},
	{USER "/user.slice/docker-" A ".scope", A, "", "docker", true},
	{"/moby/" A, A, "", "containerd", false},
	{"/actions_job/" A, A, "", NULL, false},
	/* podman */
	{"/machine.slice/libpod-" A ".scope", A, "", "podman", false},
	{"/machine.slice/libpod-" A ".scope/container", A, "", "podman", false},
	{"/machine.slice/libpod-conmon-" A ".scope", "", "", NULL, false},
	{"/libpod_parent/libpod-" A, A, "", "podman", false},
	{"/libpod_parent/" B "/libpod-" A, A, "", "podman", false},
	{"/libpod_parent/" B, "", "", NULL, false},
	{"/libpod_parent/conmon", "", "", NULL, false},
	{"/libpod-" A, A, "", "podman", false},
	{"/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope/container", A, "", "podman",
	 false},
	{"/machine.slice/machine-libpod_pod_" B ".slice", "", "", NULL, false},
	{"/system.slice/nginx.service/libpod-payload-" A, A, "", "podman", false},
	{"/system.slice/nginx.service/runtime", "", "", NULL, false},
	{USER "/user.slice/libpod-" A ".scope", A, "", "podman", true},
	{USER "/user.slice/libpod-" A ".scope/container", A, "", "podman", true},
	{USER "/app.slice/redis.service/libpod-payload-" A, A, "", "podman", true},
	{USER "/user.slice/user-libpod_pod_" B ".slice/libpod-" A ".scope", A, "", "podman", true},
	{USER "/user.slice/podman-4711.scope", "", "", NULL, true},
	/* containers in containers: the innermost */
	{"/docker/" B "/docker/" A, A, "", "docker", false},
	{"/system.slice/docker-" B ".scope/system.slice/docker-" A ".scope", A, "", "docker", false},
	{"/docker/" B "/kubelet/kubepods/burstable/pod" P "/" A, A, P, NULL, false},
	{"/docker/" B "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" P_
	 ".slice/cri-containerd-" A ".scope",
	 A, P, "containerd", false},
	{KIND_SYSTEM "/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" P_
		     ".slice/cri-containerd-" B ".scope",
	 B, P, "containerd", false},
	{SLICE "/cri-containerd-" B ".scope/docker/" A, A, P, "docker", false},
	{"/kubepods/burstable/pod" Q "/" B "/kubepods/besteffort/pod" P "/" A, A, P, NULL, false},
	{"/machine.slice/libpod-" B ".scope/container/libpod_parent/libpod-" A, A, "", "podman", false},
	/* a pod, and no container of it (yet) */
	{SLICE, "", P, NULL, false},
	{"/docker/" B "/kubelet/kubepods/burstable/pod" P, "", P, NULL, false},
	/* what a user may have made */
	{USER "/kubepods/burstable/pod" P "/" A, A, "", NULL, true},
	{USER "/kubepods.slice/kubepods-pod" P_ ".slice/cri-containerd-" A ".scope", A, "", "containerd",
	 true},
	/* none */
	{"/", "", "", NULL, false},
	{"", "", "", NULL, false},
	{"/system.slice/ssh.service", "", "", NULL, false},
	{"/init.scope", "", "", NULL, false},
	{"/user.slice/user-1000.slice/session-2.scope", "", "", NULL, false},
	{USER "/app.slice/app-gnome-code-4711.scope", "", "", NULL, true},
	{"/system.slice/containerd.service", "", "", NULL, false},
	{"/system.slice/docker.service", "", "", NULL, false},
	{"/kubepods.slice/kubepods-burstable.slice", "", "", NULL, false},
	{"/kubepods/burstable/pod", "", "", NULL, false},
	{"/kubepods/burstable/podxyz", "", "", NULL, false},
	{"/kubepods/burstable/xpod" P, "", "", NULL, false},
	{"/pod" P "/x", "", "", NULL, false},
	{"/system.slice/run-docker-" A "a.scope", "", "", NULL, false},
	{"/system.slice/other-" A ".scope", "", "", NULL, false},
	{"/docker/3726184226f5", "", "", NULL, false},
	{"/docker/3726184226F5D3147C25FDEAB5B60097E378E8A720503A5E19ECFDF29F86AAAA", "", "", NULL, false},
	{"/docker/buildkit/ab12cd34ef56gh78ij90kl12m", "", "", NULL, false},
};

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void test_spellings(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(rows) >= 40);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct container_place place;
		size_t size = strlen(row->path) + 1;
		uint8_t *path = guard_copy(row->path, size);
		bool found = container_place_read((char *)path, &place);
		guard_free(path, size);
		if (found != (row->id[0] || row->pod_uid[0]) || strcmp(place.id, row->id) != 0 ||
		    strcmp(place.pod_uid, row->pod_uid) != 0 || !same(place.runtime, row->runtime) ||
		    place.rootless != row->rootless)
			fail_msg("row %zu, %s: id %s, pod %s, runtime %s, rootless %d", i, row->path,
				 place.id, place.pod_uid, place.runtime ? place.runtime : "-",
				 place.rootless);
	}
}

/* Cut anywhere, a path gives what its components say, and nothing is read beyond its end. */
static void test_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].path);
		for (size_t cut = 0; cut < len; cut++) {
			struct container_place place;
			uint8_t *path = guard_copy(rows[i].path, cut + 1);
			path[cut] = 0;
			container_place_read((char *)path, &place);
			guard_free(path, cut + 1);
			size_t n = strlen(place.id);
			assert_true(n == 0 || n == CONTAINER_ID_MAX);
			n = strlen(place.pod_uid);
			assert_true(n == 0 || n == 32 || n == POD_UID_MAX);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_every_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
