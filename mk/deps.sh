#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs with apt-get what is missing, and only that. Arguments: `build`, `test`, or both.
# Package names: Debian 12, Ubuntu 22.04, Ubuntu 24.04.
set -eu

# shellcheck source=/dev/null
. /etc/os-release 2>/dev/null || ID=unknown

have() { command -v "$1" >/dev/null 2>&1; }

# A program that is there is good, whatever package it came from.
program() { # PROGRAM PACKAGE...
	have "$1" || { shift; wanted="$wanted $*"; }
}

package() {
	for p; do
		[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null)" = 'ii ' ] || wanted="$wanted $p"
	done
}

bpftool_there() {
	have bpftool || [ -x /usr/sbin/bpftool ] || ls /usr/lib/linux-tools*/*/bpftool /usr/lib/linux-tools-*/bpftool >/dev/null 2>&1
}

wanted=
for group; do
	case $group in
	build)
		program gcc gcc libc6-dev
		program clang clang
		program llvm-strip llvm
		program pkg-config pkg-config
		case $ID in
		ubuntu) bpftool_there || wanted="$wanted linux-tools-common linux-tools-generic" ;;
		*) bpftool_there || wanted="$wanted bpftool" ;;
		esac
		package libc6-dev libmimalloc-dev libbpf-dev libjansson-dev libcyaml-dev libyaml-dev libsqlite3-dev libssl-dev \
			libnghttp2-dev zlib1g-dev libbrotli-dev libzstd-dev libcurl4-openssl-dev
		;;
	test)
		package libcmocka-dev
		program clang-format clang-format
		program cppcheck cppcheck
		program shellcheck shellcheck
		program python3 python3
		/usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || wanted="$wanted python3-venv"
		program node nodejs
		program npm npm
		program curl curl
		program openssl openssl
		program ip iproute2
		program unshare util-linux
		# Clients that cannot be read.
		program wget wget
		program gnutls-cli gnutls-bin
		program tstclnt libnss3-tools
		package libmbedtls-dev
		# Other kernels, containers, clients in other languages.
		program qemu-system-x86_64 qemu-system-x86
		program busybox busybox-static
		program podman podman
		program runc runc
		program java default-jdk-headless
		program mvn maven
		program cargo cargo
		program go golang-go
		program setpriv util-linux
		# Servers of HTTP/2 other than the tests' own.
		program nginx nginx-light
		program nghttpx nghttp2-proxy
		# The fuzzers and the sanitizers of clang.
		case $ID in
		debian) package libclang-rt-14-dev ;;
		ubuntu) [ "${VERSION_ID:-}" = 22.04 ] || package libclang-rt-18-dev ;;
		esac
		;;
	*)
		echo "deps: '$group' is neither build nor test" >&2
		exit 2
		;;
	esac
done

[ -n "$wanted" ] || exit 0
if ! have apt-get; then
	echo "deps: no apt-get here; install what Debian calls:$wanted" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: run as root, or install:$wanted" >&2
	exit 1
fi
echo "deps: installing$wanted"
apt-get -qq update
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $wanted >/dev/null
