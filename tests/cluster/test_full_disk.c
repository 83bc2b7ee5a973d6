/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of three replicas on a file system that really fills up: a small one of memory, mounted where only this program and
 * its children see it, so that it ends with them.
 */
#include "tests/cluster/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/judge.h"

enum { VICTIM = 1, PROGRESS = 20, END_MS = 20000, FAILED = 1, FILL_SIZE = 64 << 10 };

#define DISK_SIZE "size=48m"

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

/** A place in the mount table of our own; without rights to that, in a name space where we are root. */
static bool may_mount(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();
	if (unshare(CLONE_NEWNS) != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1\n", uid);
		if (!write_text("/proc/self/uid_map", map))
			return false;
		snprintf(map, sizeof map, "0 %u 1\n", gid);
		if (!write_text("/proc/self/gid_map", map))
			return false;
	}
	/* A chroot may be no mount point; then what is mounted below it stays private anyway. */
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return true;
}

static bool mount_disk(const char *at)
{
	return mount("kvd-test", at, "tmpfs", MS_NOSUID | MS_NODEV, DISK_SIZE) == 0;
}

/** Takes all the room there is. */
static void fill(const char *path)
{
	static const char zeros[FILL_SIZE];
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t piece = sizeof zeros; piece > 0;)
		if (write(fd, zeros, piece) <= 0)
			piece /= 2;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static char disk[PROCESS_PATH_MAX];

static void unmount(void *arg) { umount2(disk, MNT_DETACH); }

static void put_on_small_disk(struct process *p, unsigned index)
{
	if (index != VICTIM)
		return;
	snprintf(disk, sizeof disk, "%s", p->data_dir);
	assert_int_equal(mkdir(disk, 0700), 0);
	assert_true(mount_disk(disk));
	harness_at_teardown(unmount, NULL);
	assert_true(snprintf(p->data_dir, sizeof p->data_dir, "%s/data", disk) < (int)sizeof p->data_dir);
}

static void a_full_file_system_stops_the_node_and_with_room_again_everything_is_there(void **state)
{
	char ballast[PROCESS_PATH_MAX + 16];
	struct cluster *c = cluster_new(&(struct cluster_options){.prepare = put_on_small_disk});
	struct process *p = &c->nodes[VICTIM];
	snprintf(ballast, sizeof ballast, "%s/ballast", disk);
	struct load *load = load_start(c, &(struct load_options){.prefix = "full"});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	fill(ballast);
	assert_true(process_wait(p, END_MS) != 0);
	assert_true(harness_file_has(p->log, "No space left on device"));
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);
	fill(ballast);
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), FAILED);
	assert_true(harness_file_has(p->log, "event=server.refused status=IO"));

	assert_int_equal(unlink(ballast), 0);
	cluster_restart(c, VICTIM);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

static bool may_have_small_disk(void)
{
	char at[] = "/tmp/kvd-mount-XXXXXX";
	if (!may_mount() || !mkdtemp(at))
		return false;
	bool mounted = mount_disk(at);
	if (mounted)
		umount2(at, MNT_DETACH);
	rmdir(at);
	return mounted;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_full_file_system_stops_the_node_and_with_room_again_everything_is_there),
	};
	if (!may_have_small_disk())
		return harness_skip("no right to mount a file system");
	return harness_run(argc, argv, "full_disk", tests);
}
