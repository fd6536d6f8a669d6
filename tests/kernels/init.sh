#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The first process of an emulated kernel: loads what it needs to see the host's files (read only, over 9p), makes the
# mounts that a host has, runs guest.sh there and powers off. /params says where the tree and the build folder are.

/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /host /new
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

off() {
	sync
	echo o > /proc/sysrq-trigger
	sleep 60
}

fail() {
	echo "boot $*" > /dev/ttyS1
	off
}

# TREE, BUILD
# shellcheck source=/dev/null
. /params

while read -r module; do
	insmod "/modules/$module" || fail "insmod $module"
done < /modules/order

# Nothing on the host changes while we look, so everything may be cached.
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=524288,cache=loose root /host || fail "9p root"
mount -o bind /host /new

mount -t proc proc /new/proc
mount -t sysfs sys /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs shm /new/dev/shm
ln -sf /proc/self/fd /new/dev/fd
mount -t bpf bpf /new/sys/fs/bpf
mount -t tracefs tracefs /new/sys/kernel/tracing
mount -t securityfs securityfs /new/sys/kernel/security
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup || fail "cgroup2"

# Some folders must be writable; the tree or the build folder may be in one of them.
for hidden in /tmp /run /var/tmp; do
	mount -t tmpfs -o mode=1777 tmpfs "/new$hidden" || fail "tmpfs on $hidden"
done
for path in "$TREE" "$BUILD"; do
	[ -d "/new$path" ] && continue
	mkdir -p "/new$path"
	mount -o bind "/host$path" "/new$path" || fail "$path"
done

ip link set lo up
hostname oaitap-kernel
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/tmp TMPDIR=/tmp LANG=C.UTF-8
# Not chroot: a process that enters a mount namespace gets that namespace's own root.
# shellcheck disable=SC2016 # expanded there
exec /bin/busybox switch_root /new /bin/sh -c '
	/bin/sh "$0/tests/kernels/guest.sh" "$0" "$1" /dev/ttyS1
	echo o > /proc/sysrq-trigger
	sleep 60' "$TREE" "$BUILD"
