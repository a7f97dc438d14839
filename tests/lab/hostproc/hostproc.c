/*
 * hostproc: a file system with a /proc/stat, cpuinfo, meminfo and uptime for
 * each host of a lab, made from the host's control group, to be mounted over the
 * machine's own.
 *
 *     hostproc MOUNTPOINT CPU-DIR CPUACCT-DIR MEMORY-DIR
 *
 * The directories are those in which the hosts' groups lie, three of version 1
 * or the same one three times of version 2. The files are MOUNTPOINT/h1/stat and
 * so on, for every host that has a group.
 *
 * lxcfs does this, too, but has no CPU time with version 2 (lxc/lxcfs#593: it
 * shows the machine's), and counts with an error of some percent and sometimes
 * backwards with version 1. Here
 *
 *     busy time = CPU time of the group
 *     idle time = capacity x time - CPU time, never going back
 *
 * both exact at the moment of reading. All of them begin at 0 when the group is
 * made. A host has as many CPUs as its capacity needs, rounded up, and what
 * it does is spread evenly over them.
 *
 * It speaks the kernel's protocol itself (linux/fuse.h, fuse(4)), because so few
 * files need no more than this and a library would have to be installed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_HOSTS 100
#define MAX_CPUS  64
#define NS        1000000000ull
#define TICK      (NS / 100)                    /* USER_HZ is 100              */

typedef unsigned long long u64;

static const char *cpu_dir, *cpuacct_dir, *memory_dir;
static u64 machine_cpus;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static u64 now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (u64)t.tv_sec * NS + (u64)t.tv_nsec;
}

/* ---- reading control groups ---- */

/* The whole of a small file, or 0 if it is not there. */
static int slurp(char *text, size_t size, const char *dir, int host, const char *name)
{
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/h%d/%s", dir, host, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	return 1;
}

/* The number after a key in "key value" lines, or otherwise. */
static u64 value_of(const char *text, const char *key, u64 otherwise)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && line[n] == ' ')
			return strtoull(line + n + 1, 0, 10);
	}
	return otherwise;
}

/* CPU time in ns, in user and in system mode. Their sum is exact. */
static int cpu_time(int host, u64 *user, u64 *system)
{
	char a[64], b[64], stat[4096];

	if (slurp(a, sizeof a, cpuacct_dir, host, "cpuacct.usage_user") &&
	    slurp(b, sizeof b, cpuacct_dir, host, "cpuacct.usage_sys")) {
		*user = strtoull(a, 0, 10);
		*system = strtoull(b, 0, 10);
		return 1;
	}
	if (slurp(stat, sizeof stat, cpu_dir, host, "cpu.stat")) {
		u64 all = value_of(stat, "usage_usec", 0);
		*user = value_of(stat, "user_usec", 0) * 1000;
		*system = all * 1000 - *user;
		return 1;
	}
	return 0;
}

/* CPU time that the host may use in a second, in ns. */
static u64 capacity(int host)
{
	char quota[64], period[64];
	long long q = -1, p = 0;

	if (slurp(quota, sizeof quota, cpu_dir, host, "cpu.cfs_quota_us") &&
	    slurp(period, sizeof period, cpu_dir, host, "cpu.cfs_period_us")) {
		q = atoll(quota);
		p = atoll(period);
	} else if (slurp(quota, sizeof quota, cpu_dir, host, "cpu.max")) {
		if (sscanf(quota, "%lld %lld", &q, &p) != 2)    /* "max 100000" */
			q = -1;
	}
	if (q > 0 && p > 0 && (u64)q < machine_cpus * (u64)p)
		return (u64)q * NS / (u64)p;
	return machine_cpus * NS;
}

/* ---- what a host has done ---- */

struct host {
	ino_t group;                            /* another one after a restart    */
	u64 since, at;                          /* monotonic: start, last sample  */
	u64 user, system;                       /* CPU time at the last sample    */
	long long idle;                         /* may go back: see below         */
	u64 idle_shown;
	u64 cpus;
	struct { u64 user, system, idle; } cpu[MAX_CPUS];
} hosts[MAX_HOSTS];

/* Takes the time since the last sample into account. 0 = there is no such host. */
static int sample(int number)
{
	struct host *h = &hosts[number];
	u64 user, system, allowed, now;
	char path[512];
	struct stat st;

	snprintf(path, sizeof path, "%s/h%d", cpuacct_dir, number);
	if (stat(path, &st) || !cpu_time(number, &user, &system)) {
		h->group = 0;
		return 0;
	}
	now = now_ns(CLOCK_MONOTONIC);
	if (st.st_ino != h->group) {
		memset(h, 0, sizeof *h);
		h->group = st.st_ino;
		h->since = h->at = now;
		h->user = user;
		h->system = system;
	}
	allowed = capacity(number);
	h->cpus = (allowed + NS - 1) / NS;
	if (h->cpus > MAX_CPUS)
		h->cpus = MAX_CPUS;

	u64 d_user = user > h->user ? user - h->user : 0;
	u64 d_system = system > h->system ? system - h->system : 0;
	u64 d_idle = 0;
	/* What a period's quota left over is used at once in the next one, so a
	   short while may hold more than the capacity: that is made up for. */
	h->idle += (long long)((double)(now - h->at) * (double)allowed / NS) - (long long)(d_user + d_system);
	if (h->idle > (long long)h->idle_shown) {
		d_idle = (u64)h->idle - h->idle_shown;
		h->idle_shown = (u64)h->idle;
	}
	for (u64 c = 0; c < h->cpus; c++) {
		h->cpu[c].user += d_user / h->cpus;
		h->cpu[c].system += d_system / h->cpus;
		h->cpu[c].idle += d_idle / h->cpus;
	}
	h->at = now;
	h->user += d_user;
	h->system += d_system;
	return 1;
}

/* ---- the files ---- */

struct text { char *data; size_t size; };

__attribute__((format(printf, 2, 3)))
static void print(struct text *t, const char *format, ...)
{
	va_list args;
	char *line;
	int n;

	va_start(args, format);
	n = vasprintf(&line, format, args);
	va_end(args);
	if (n < 0 || !(t->data = realloc(t->data, t->size + (size_t)n)))
		fail("memory");
	memcpy(t->data + t->size, line, (size_t)n);
	t->size += (size_t)n;
	free(line);
}

static void print_stat(struct text *t, int number)
{
	struct host *h = &hosts[number];
	u64 user = 0, system = 0, idle = 0;

	/* As with the kernel's, the first line is the sum of all CPUs, also of those
	   that are not there any more. */
	for (u64 c = 0; c < MAX_CPUS; c++) {
		user += h->cpu[c].user / TICK;
		system += h->cpu[c].system / TICK;
		idle += h->cpu[c].idle / TICK;
	}
	print(t, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", user, system, idle);
	for (u64 c = 0; c < h->cpus; c++)
		print(t, "cpu%llu %llu 0 %llu %llu 0 0 0 0 0 0\n", c,
		      h->cpu[c].user / TICK, h->cpu[c].system / TICK, h->cpu[c].idle / TICK);
	print(t, "intr 0\nctxt 0\nbtime %llu\nprocesses 0\nprocs_running 1\nprocs_blocked 0\n",
	      (now_ns(CLOCK_REALTIME) - (h->at - h->since)) / NS);
}

static void print_uptime(struct text *t, int number)
{
	struct host *h = &hosts[number];

	print(t, "%.2f %.2f\n", (double)(h->at - h->since) / NS, (double)h->idle_shown / NS);
}

/* The machine's, up to the last CPU that the host has. */
static void print_cpuinfo(struct text *t, int number)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = 0;
	size_t size = 0;
	u64 cpu;

	while (f && getline(&line, &size, f) > 0) {
		if (sscanf(line, "processor : %llu", &cpu) == 1 && cpu >= hosts[number].cpus)
			break;
		print(t, "%s", line);
	}
	free(line);
	if (f)
		fclose(f);
}

static void print_meminfo(struct text *t, int number)
{
	char text[64], stat[16384] = "";
	u64 page = (u64)sysconf(_SC_PAGESIZE), total = (u64)sysconf(_SC_PHYS_PAGES) * page;
	u64 limit = ~0ull, used = 0, cached, shmem, anon, active, inactive, free_;

	if (slurp(text, sizeof text, memory_dir, number, "memory.limit_in_bytes") ||
	    (slurp(text, sizeof text, memory_dir, number, "memory.max") && strncmp(text, "max", 3)))
		limit = strtoull(text, 0, 10);
	if (slurp(text, sizeof text, memory_dir, number, "memory.usage_in_bytes") ||
	    slurp(text, sizeof text, memory_dir, number, "memory.current"))
		used = strtoull(text, 0, 10);
	slurp(stat, sizeof stat, memory_dir, number, "memory.stat");
	cached = value_of(stat, "total_cache", value_of(stat, "file", 0));
	shmem = value_of(stat, "total_shmem", value_of(stat, "shmem", 0));
	anon = value_of(stat, "total_rss", value_of(stat, "anon", 0));
	active = value_of(stat, "total_active_file", value_of(stat, "active_file", 0));
	inactive = value_of(stat, "total_inactive_file", value_of(stat, "inactive_file", 0));
	if (limit < total)
		total = limit;
	free_ = used < total ? total - used : 0;

	struct { const char *name; u64 bytes; } lines[] = {
		{ "MemTotal", total }, { "MemFree", free_ }, { "MemAvailable", free_ + active + inactive },
		{ "Buffers", 0 }, { "Cached", cached }, { "SwapCached", 0 },
		{ "Active", active }, { "Inactive", inactive }, { "SwapTotal", 0 }, { "SwapFree", 0 },
		{ "Dirty", 0 }, { "Writeback", 0 }, { "AnonPages", anon }, { "Shmem", shmem },
		{ "Slab", 0 }, { "SReclaimable", 0 },
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		print(t, "%s:%*llu kB\n", lines[i].name, 23 - (int)strlen(lines[i].name), lines[i].bytes / 1024);
	print(t, "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
}

static const struct { const char *name; void (*make)(struct text *, int); } files[] = {
	{ "stat", print_stat }, { "uptime", print_uptime },
	{ "cpuinfo", print_cpuinfo }, { "meminfo", print_meminfo },
};
#define FILES (sizeof files / sizeof *files)

/* ---- the file system: node 1 is the root, host << 8 a directory, and
        host << 8 | 1 + index a file in it ---- */

static int device;

static void reply(u64 unique, int error, const void *data, size_t size)
{
	char buffer[sizeof(struct fuse_out_header) + 131072];
	struct fuse_out_header *header = (void *)buffer;

	header->len = (unsigned)(sizeof *header + size);
	header->error = -error;
	header->unique = unique;
	memcpy(buffer + sizeof *header, data, size);
	/* ENOENT: who asked has been killed meanwhile */
	if (write(device, buffer, header->len) < 0 && errno != ENOENT)
		fail("write to /dev/fuse");
}

static struct fuse_attr attributes(u64 node)
{
	int is_file = node != 1 && (node & 0xff);

	return (struct fuse_attr){
		.ino = node, .nlink = 1, .blksize = 4096,
		.mode = is_file ? S_IFREG | 0444 : S_IFDIR | 0555,
	};
}

/* The node of that name in a directory, or 0. */
static u64 lookup(u64 directory, const char *name)
{
	char *end;

	if (directory == 1) {
		long host = name[0] == 'h' ? strtol(name + 1, &end, 10) : 0;
		return host > 0 && host < MAX_HOSTS && !*end && sample((int)host) ? (u64)host << 8 : 0;
	}
	for (size_t i = 0; i < FILES; i++)
		if (!strcmp(name, files[i].name))
			return directory | (i + 1);
	return 0;
}

static void answer(const struct fuse_in_header *request, const void *body)
{
	u64 node = request->nodeid, unique = request->unique;

	switch (request->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = {
			.major = FUSE_KERNEL_VERSION, .minor = 31,
			.max_write = 4096, .max_background = 16, .congestion_threshold = 12, .time_gran = 1,
		};
		reply(unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = { .nodeid = lookup(node, body) };
		if (!out.nodeid) {
			reply(unique, ENOENT, 0, 0);
			break;
		}
		out.attr = attributes(out.nodeid);
		reply(unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out out = { .attr = attributes(node), .attr_valid = 3600 };
		reply(unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_OPEN: {
		struct text *text = calloc(1, sizeof *text);
		/* direct: every read comes here, none is answered from a cache */
		struct fuse_open_out out = { .fh = (u64)(size_t)text, .open_flags = FOPEN_DIRECT_IO };
		if (!text)
			fail("memory");
		reply(unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_READ: {
		const struct fuse_read_in *in = body;
		struct text *text = (void *)(size_t)in->fh;
		int host = (int)(node >> 8);
		/* As in /proc, the beginning is always new, and the rest fits it. */
		if (!in->offset) {
			text->size = 0;
			if (!sample(host)) {
				reply(unique, EIO, 0, 0);
				break;
			}
			files[(node & 0xff) - 1].make(text, host);
		}
		size_t left = in->offset < text->size ? text->size - in->offset : 0;
		if (left > in->size)
			left = in->size;
		if (left > 131072)
			left = 131072;
		reply(unique, 0, left ? text->data + in->offset : "", left);
		break;
	}
	case FUSE_RELEASE: {
		const struct fuse_release_in *in = body;
		struct text *text = (void *)(size_t)in->fh;
		free(text->data);
		free(text);
		reply(unique, 0, 0, 0);
		break;
	}
	case FUSE_STATFS: {
		struct fuse_statfs_out out = { .st = { .bsize = 4096, .frsize = 4096, .namelen = 255 } };
		reply(unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_FLUSH:
		reply(unique, 0, 0, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;                          /* want no answer                 */
	default:
		reply(unique, ENOSYS, 0, 0);
	}
}

int main(int argc, char **argv)
{
	static char buffer[1 << 18] __attribute__((aligned(8)));
	char options[128];

	if (argc != 5) {
		fprintf(stderr, "usage: hostproc MOUNTPOINT CPU-DIR CPUACCT-DIR MEMORY-DIR\n");
		return 2;
	}
	cpu_dir = argv[2];
	cpuacct_dir = argv[3];
	memory_dir = argv[4];
	machine_cpus = (u64)sysconf(_SC_NPROCESSORS_ONLN);
	if ((device = open("/dev/fuse", O_RDWR | O_CLOEXEC)) < 0)
		fail("/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device);
	if (mount("hostproc", argv[1], "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		fail("mount");

	for (;;) {
		struct pollfd p = { .fd = device, .events = POLLIN };
		/* Now and then without being asked, because of changes of capacity. */
		if (!poll(&p, 1, 250))
			for (int host = 1; host < MAX_HOSTS; host++)
				if (hosts[host].group)
					sample(host);
		if (!(p.revents & POLLIN)) {
			if (p.revents)
				return 0;       /* unmounted                      */
			continue;
		}
		ssize_t n = read(device, buffer, sizeof buffer);
		if (n < 0 && (errno == ENOENT || errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return errno == ENODEV ? 0 : 1;
		answer((void *)buffer, buffer + sizeof(struct fuse_in_header));
	}
}
