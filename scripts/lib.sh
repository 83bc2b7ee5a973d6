# SPDX-License-Identifier: Apache-2.0
# Shell functions the scripts share. Source it first: . "$(dirname "$0")/lib.sh"
# shellcheck shell=sh disable=SC2034,SC2154

ROOT=$(cd "$(dirname "$0")/.." && pwd)

# Debian 12 names. What kvd and kvctl are built from, cmocka included because the tests are configured with them.
BUILD_PACKAGES="gcc libc6-dev pkg-config meson ninja-build librocksdb-dev libevent-dev libprotobuf-c-dev
	protobuf-c-compiler libxxhash-dev libjemalloc-dev libcyaml-dev libyaml-dev libjansson-dev libsmartcols-dev
	libedit-dev libcmocka-dev scdoc"
# What scripts/test needs besides.
TEST_PACKAGES="ccache clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14 python3 iproute2 procps
	man-db zsh fish chromium valgrind"
# What scripts/bench needs besides: a way to talk to etcd, and Redis, whose server is in its package of tools.
BENCH_PACKAGES="libnghttp2-dev redis-tools python3"

# What scripts/package needs to build Debian packages, and what the test of them needs besides.
PACKAGE_PACKAGES="build-essential debhelper dpkg-dev fakeroot scdoc"
PACKAGE_TEST_PACKAGES="debootstrap iproute2 lintian mount pkg-config python3 systemd util-linux"

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "$(basename "$0"): $*"
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		die "needs root, or sudo, for: $*"
	fi
}

package_is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the named packages that are missing. On a system without dpkg it trusts that they are there.
need_packages() {
	command -v dpkg-query >/dev/null 2>&1 || return 0
	missing=
	for package in "$@"; do
		package_is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing:$missing"
	as_root apt-get -o DPkg::Lock::Timeout=600 update -qq >&2
	# shellcheck disable=SC2086 # one word a package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends $missing >&2
}

# Puts Prometheus' promtool into build-test/tools, unless the system has it: from its package, whose service is not wanted.
# Without dpkg or the archive it does nothing, and tests that need it are skipped.
need_promtool() {
	tools=$ROOT/build-test/tools
	! command -v promtool >/dev/null 2>&1 && ! [ -x "$tools/promtool" ] || return 0
	command -v apt-get >/dev/null 2>&1 || return 0
	say "unpacking promtool"
	mkdir -p "$tools"
	(cd "$tools" && apt-get download -qq prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar x ./usr/bin/promtool &&
		mv usr/bin/promtool . && rm -rf usr prometheus_*.deb) >&2 || say "there is no promtool"
}

# Configures build directory $1 with $COMPILER (gcc by default) and the meson options that follow; again with others applies
# those. Quiet unless it fails.
configure() {
	directory=$1
	shift
	[ ! -f "$directory/build.ninja" ] || set -- --reconfigure "$@"
	output=$(CC=${COMPILER:-gcc} meson setup "$directory" "$ROOT" "$@" 2>&1) || {
		say "$output"
		return 1
	}
}
