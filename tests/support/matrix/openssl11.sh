#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles against OpenSSL 1.1 as Debian 11 ships it, unpacked into a folder. Arguments: FOLDER COMPILER [FLAGS and
# sources]. The host's packages and lists are not touched: apt gets a configuration of its own.
set -eu

folder=$(mkdir -p "$1" && cd "$1" && pwd)
shift
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# shellcheck source=/dev/null
. /etc/os-release
if [ "$ID" != debian ] || [ ! -e "$keys" ]; then
	echo "not a Debian host: OpenSSL 1.1 cannot be had here"
	exit 1
fi

if [ ! -e "$folder/unpacked" ]; then
	# shellcheck disable=SC2016 # apt's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' "Release: $VERSION_CODENAME" | head -n 1)
	[ -n "$mirror" ] || { echo "apt has no source for $VERSION_CODENAME"; exit 1; }
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	echo "deb [signed-by=$keys] $mirror bullseye main" >"$folder/sources.list"
	cat >"$folder/apt.conf" <<EOF
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "$folder/lists";
Dir::Cache "$folder/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
EOF
	APT_CONFIG=$folder/apt.conf
	export APT_CONFIG
	apt-get -qq update
	(cd "$folder" && apt-get -qq download libssl1.1/bullseye libssl-dev/bullseye)
	for package in "$folder"/*.deb; do
		dpkg-deb -x "$package" "$folder/root"
	done
	rm -rf "$folder"/*.deb "$folder/lists" "$folder/cache"
	touch "$folder/unpacked"
fi

lib=$(dirname "$(find "$folder/root" -name libssl.so.1.1)")
exec "$@" "-I$folder/root/usr/include" "-I$(dirname "$lib")/../include/$(basename "$lib")" \
	"$lib/libssl.so.1.1" "$lib/libcrypto.so.1.1" -lpthread "-Wl,-rpath,$lib"
