/* A storage that forgets what was not synced, to be preloaded into the server (SQLite only).
 *
 * Writes to files below FORGETFUL_FOLDER whose names contain ".db" go through, and the octets that
 * they replace are kept until the file is synced. A sync only drops what was kept: the machine itself
 * does not stop. One octet on the pipe FORGETFUL_PIPE is the power cut: what was kept is put back,
 * newest first, and the process ends at once. With FORGETFUL_LIES set, a sync says that it happened
 * and nothing is dropped: a storage that lies, or a database told not to sync.
 *
 * The shared-memory index of SQLite's write-ahead log is mapped, not written, and is rebuilt from the
 * log by the first process that opens it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

struct replaced {
	struct replaced *older;
	dev_t device;
	ino_t inode;
	int fd; /* of our own, never closed: closing would drop the database's locks */
	off_t size;
	off_t at;
	size_t length;
	unsigned char octets[];
};

struct file {
	struct file *next;
	dev_t device;
	ino_t inode;
	int fd; /* -1: none of the database */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct replaced *newest;
static struct file *files;
static const char *folder;
static int lies;

/* Our own descriptor of the file, if it is the database's. The lock is held. */
static int tracked(int fd, struct stat *status)
{
	char link[64], path[PATH_MAX];
	struct file *file;
	ssize_t length;

	if (folder == NULL || fstat(fd, status) != 0 || !S_ISREG(status->st_mode))
		return -1;
	for (file = files; file != NULL; file = file->next)
		if (file->device == status->st_dev && file->inode == status->st_ino)
			return file->fd;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return -1;
	path[length] = 0;
	file = malloc(sizeof *file);
	if (file == NULL)
		abort();
	file->device = status->st_dev;
	file->inode = status->st_ino;
	file->fd = -1;
	if (strncmp(path, folder, strlen(folder)) == 0 && strstr(path, ".db") != NULL
	    && strstr(path, "-shm") == NULL)
		file->fd = open(path, O_RDWR | O_CLOEXEC);
	file->next = files;
	files = file;
	return file->fd;
}

/* Keeps what lies at that place now. The lock is held. */
static void keep(int fd, const struct stat *status, off_t at, size_t length)
{
	struct replaced *old;

	if (at >= status->st_size)
		length = 0;
	else if ((off_t)length > status->st_size - at)
		length = status->st_size - at;
	old = malloc(sizeof *old + length);
	if (old == NULL)
		abort();
	if (length > 0 && syscall(SYS_pread64, fd, old->octets, length, at) != (ssize_t)length)
		abort();
	old->device = status->st_dev;
	old->inode = status->st_ino;
	old->fd = fd;
	old->size = status->st_size;
	old->at = at;
	old->length = length;
	old->older = newest;
	newest = old;
}

static int synced(int fd)
{
	struct stat status;
	struct replaced **place;

	pthread_mutex_lock(&lock);
	if (tracked(fd, &status) >= 0 && !lies) {
		place = &newest;
		while (*place != NULL) {
			struct replaced *old = *place;
			if (old->device == status.st_dev && old->inode == status.st_ino) {
				*place = old->older;
				free(old);
			} else {
				place = &old->older;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

ssize_t pwrite64(int fd, const void *octets, size_t length, off64_t at)
{
	struct stat status;
	ssize_t written;
	int own;

	pthread_mutex_lock(&lock);
	own = tracked(fd, &status);
	if (own >= 0)
		keep(own, &status, at, length);
	written = syscall(SYS_pwrite64, fd, octets, length, at);
	pthread_mutex_unlock(&lock);
	return written;
}

ssize_t pwrite(int fd, const void *octets, size_t length, off_t at)
{
	return pwrite64(fd, octets, length, at);
}

ssize_t write(int fd, const void *octets, size_t length)
{
	struct stat status;
	ssize_t written;
	int own;

	if (fd <= 2 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return syscall(SYS_write, fd, octets, length);
	pthread_mutex_lock(&lock);
	own = tracked(fd, &status);
	if (own >= 0)
		keep(own, &status, lseek(fd, 0, SEEK_CUR), length);
	written = syscall(SYS_write, fd, octets, length);
	pthread_mutex_unlock(&lock);
	return written;
}

int ftruncate64(int fd, off64_t size)
{
	struct stat status;
	int own, done;

	pthread_mutex_lock(&lock);
	own = tracked(fd, &status);
	if (own >= 0)
		keep(own, &status, size, status.st_size > size ? status.st_size - size : 0);
	done = syscall(SYS_ftruncate, fd, size);
	pthread_mutex_unlock(&lock);
	return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void *power_cut(void *path)
{
	unsigned char octet;
	struct replaced *old;
	int pipe = open(path, O_RDONLY | O_CLOEXEC);

	if (pipe < 0 || read(pipe, &octet, 1) != 1)
		return NULL;
	/* Never given back: nobody writes from here on. */
	pthread_mutex_lock(&lock);
	for (old = newest; old != NULL; old = old->older) {
		if (old->length > 0
		    && syscall(SYS_pwrite64, old->fd, old->octets, old->length, old->at)
			   != (ssize_t)old->length)
			abort();
		if (syscall(SYS_ftruncate, old->fd, old->size) != 0)
			abort();
	}
	syscall(SYS_exit_group, 137);
	return NULL;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;
	char *pipe = getenv("FORGETFUL_PIPE");

	folder = getenv("FORGETFUL_FOLDER");
	lies = getenv("FORGETFUL_LIES") != NULL;
	if (folder == NULL || pipe == NULL)
		return;
	if (pthread_create(&thread, NULL, power_cut, pipe) != 0)
		abort();
}
