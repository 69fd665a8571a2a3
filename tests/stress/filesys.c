// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* File systems for scenarios, on loop devices: mounted for one process. */

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guestsys.h"

const char *const fs_dir = "/run/stress-fs";

static const struct kind {
	const char *type, *mkfs;
} kinds[] = { { "ext4", "mkfs.ext4 -q -F -b 4096 -O ^resize_inode -J size=4 "
			"-E lazy_itable_init=1,lazy_journal_init=1,nodiscard" },
	      /* Below 300 MB it makes none, but for who tests file systems. */
	      { "xfs", "TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 "
		       "mkfs.xfs -q -f -K -b size=4096" },
	      {} };

static bool make_fs(struct run *r, const char *type, const char *where)
{
	const struct kind *k = kinds;

	while (k->type && strcmp(k->type, type))
		k++;
	if (!k->type)
		die("no file system %s", type);
	if (command("%s %s", k->mkfs, where))
		return true;
	skip(r, "mkfs.%s fails or is not installed", type);
	return false;
}

/* --- loop devices ------------------------------------------------- */

/* Is it still another scenario's, which has just ended? */
static bool image_is_used(const char *image)
{
	return !command("! grep -qs '^%s$' /sys/block/loop*/loop/backing_file",
			image);
}

/* A loop device that goes when it is no longer mounted; -1: none. */
static int loop_over(int backing, char *path, size_t room)
{
	struct loop_config config = { .fd = backing,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control, fd, n;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	n = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (control >= 0)
		close(control);
	if (n < 0)
		return -1;
	snprintf(path, room, "/dev/loop%d", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Made once and used again: to make one takes an emulated guest seconds. */
static int open_image(struct run *r, const char *type)
{
	uint64_t end = now_ms() + 10000;
	char image[40];
	int fd;

	snprintf(image, sizeof(image), "/run/stress-%s.img", type);
	fd = open(image, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		while (image_is_used(image) && now_ms() < end)
			sleep_ms(100);
		return fd;
	}
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 64 << 20))
		die("%s: %s", image, strerror(errno));
	if (make_fs(r, type, image))
		return fd;
	close(fd);
	unlink(image);
	return -1;
}

/* --- mounting ----------------------------------------------------- */

static bool mount_here(struct run *r, const char *what, const char *type,
		       const char *options)
{
	/* Nobody else sees it, and it ends with the process. */
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("a mount namespace: %s", strerror(errno));
	if (mkdir(fs_dir, 0755) && errno != EEXIST)
		die("%s: %s", fs_dir, strerror(errno));
	if (!mount(what, fs_dir, type, 0, options))
		return true;
	skip(r, "mount of %s%s%s: %s", type, options ? " with " : "",
	     options ?: "", strerror(errno));
	return false;
}

bool fs_mount_on(struct run *r, const char *dev, const char *type,
		 const char *options)
{
	return make_fs(r, type, dev) && mount_here(r, dev, type, options);
}

bool fs_mount(struct run *r, const char *type)
{
	int backing, loop;
	char path[32];
	bool done;

	/* A fault may wait for a journal and its disk. */
	r->limit_ms *= 5;
	if (!strcmp(type, "tmpfs"))
		return mount_here(r, "stress", type, NULL);
	if (access("/dev/loop-control", F_OK))
		command("modprobe loop");
	backing = open_image(r, type);
	if (backing < 0)
		return false;
	loop = loop_over(backing, path, sizeof(path));
	if (loop < 0) {
		skip(r, "no loop device: %s", strerror(errno));
		return false;
	}
	done = mount_here(r, path, type, NULL);
	close(loop);
	close(backing);
	return done;
}

/* --- files -------------------------------------------------------- */

struct file fs_file(const char *name, size_t bytes)
{
	struct file file;

	snprintf(file.path, sizeof(file.path), "%s/%s", fs_dir, name);
	unlink(file.path);
	file.fd = open(file.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file.fd < 0 || ftruncate(file.fd, bytes))
		die("%s: %s", file.path, strerror(errno));
	return file;
}

struct field *field_file(struct run *r, int fd, unsigned int pages)
{
	void *p = mmap(place(pages * PAGE), pages * PAGE,
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
		       fd, 0);

	if (p == MAP_FAILED)
		die("mmap of a file: %s", strerror(errno));
	return field_over(r, "file", p, pages);
}

bool fs_engine(struct engine *e, struct run *r, const char *type,
	       unsigned int pages, struct file *file)
{
	if (!fs_mount(r, type))
		return false;
	*file = fs_file("field", pages * PAGE);
	e->run = r;
	e->field[0] = field_file(r, file->fd, pages);
	e->field[1] = field_pinned(r, 32);
	field_register(e->field[0], 0);
	return true;
}
