/*
 * A guest for tests of live migration and load balancing.
 *
 * No operating system and no disk: QEMU's -kernel starts this program as it is
 * (multiboot), and it runs a fraction of a second later, in 16 MiB of memory.
 * It burns a chosen share of each of its vCPUs, rewrites a chosen amount of
 * memory, and counts on its serial port.
 *
 * At boot, on the kernel's command line:
 *
 *     name=vm1     put at the head of each line
 *     load=37      percent of each vCPU to burn, 0..100
 *     dirty=8      MiB of memory to rewrite in a second
 *     fill=16      MiB of the memory that get a content (default: half of it)
 *     every=100    milliseconds between two lines, a multiple of 10
 *
 * While it runs, by keys, which is to say by virDomainSendKey and nothing else,
 * so it works the same wherever the guest has moved to:
 *
 *     0 .. 9       the tens of the load           =        load 100
 *     Q W .. O, P  the ones of the load: 1 2 .. 9, 0
 *     F1           dirty 0                        F2..F10  dirty 1 2 4 .. 256
 *     Escape       power off                      F12      reset
 *
 * No value needs two keys in a fixed order, because libvirt and QEMU do not
 * promise to keep the order of keys sent together.  "virsh shutdown" (the ACPI
 * power button) powers it off too.
 *
 * A line of its console:
 *
 *     vm1 n=12 up=1203 ticks=120 cpus=1 load=37 dirty=8 pass=3 bad=0
 *
 * n goes up by one with each line and up (milliseconds by the virtual clock)
 * grows; both live in memory, so they go on after a migration and start again
 * after a reset, and two copies of a guest betray themselves by repeating each
 * other.  pass tells how often the whole filled memory has been looked at, bad
 * how many pages were not as they had to be.
 */
#include "machine.h"

static volatile u32 load_tens, load_ones, dirty;
static volatile u32 want_off, want_reset;

/* Scan codes of set 1, as the keyboard controller translates them. */
static void key(u8 code)
{
	switch (code) {
	case 0x01:          want_off = 1; break;
	case 0x02 ... 0x0a: load_tens = code - 0x01u; break;
	case 0x0b:          load_tens = 0; break;
	case 0x0d:          load_tens = 10; load_ones = 0; break;
	case 0x10 ... 0x18: load_ones = code - 0x0fu; break;
	case 0x19:          load_ones = 0; break;
	case 0x3b:          dirty = 0; break;
	case 0x3c ... 0x44: dirty = 1u << (code - 0x3c); break;
	case 0x58:          want_reset = 1; break;
	}
}

static u32 load(void)
{
	u32 l = load_tens * 10 + load_ones;
	return l > 100 ? 100 : l;
}

/*
 * One tick's turn at the load: the tick is burnt or slept through, such that
 * of 100 ticks as many are burnt as the load has percent, evenly spread.
 */
static void work_until_tick(u32 seen, u32 *owed)
{
	static volatile u32 sink;
	u32 i;

	*owed += load();
	if (*owed < 100) {
		sleep_until_tick(seen);
		return;
	}
	*owed -= 100;
	while (ticks == seen)
		for (i = 0; i < 200; i++)
			sink += i;
}

void machine_join(void);

/* Further CPUs only burn. */
void ap_main(u32 number)
{
	u32 owed = number * 37 % 100;           /* not all in the same tick        */

	machine_join();
	for (;;)
		work_until_tick(ticks, &owed);
}

/* ---- command line ---- */

static char command_line[256], name[32];

/* The text after "key=" at the start of a word, or nothing. */
static const char *argument(const char *key_)
{
	const char *word = command_line, *c, *k;

	while (*word) {
		for (c = word, k = key_; *k && *c == *k; c++, k++)
			;
		if (!*k && *c == '=')
			return c + 1;
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return 0;
}

static u32 number_argument(const char *key_, u32 otherwise)
{
	const char *c = argument(key_);
	u32 n = 0;

	if (!c)
		return otherwise;
	for (; *c >= '0' && *c <= '9'; c++)
		n = n * 10 + (u32)(*c - '0');
	return n;
}

/* ---- main ---- */

struct multiboot { u32 flags, lower_kib, upper_kib, boot_device; const char *command_line; };

static u32 milliseconds(void)
{
	static u64 last;
	static u32 ms;

	for (u64 now = clock_10ns(); now - last >= 100000; last += 100000)
		ms++;
	return ms;
}

static void report(u32 n)
{
	put(name);
	put(" n=");     put_number(n);
	put(" up=");    put_number(milliseconds());
	put(" ticks="); put_number(ticks);
	put(" cpus=");  put_number(cpus);
	put(" load=");  put_number(load());
	put(" dirty="); put_number(dirty);
	put(" pass=");  put_number(memory_passes);
	put(" bad=");   put_number(memory_bad);
	put("\n");
}

extern u8 image_end[];

void main(u32 magic, const struct multiboot *boot)
{
	u32 i, first, pages, fill, every, now, seen, said, lines = 0, owed = 0, pages_due = 0;
	const char *s;

	if (magic != 0x2badb002)
		reset();
	for (i = 0, s = boot->command_line; (boot->flags & 4) && s[i] && i < sizeof command_line - 1; i++)
		command_line[i] = s[i];
	if ((s = argument("name")))
		for (i = 0; s[i] && s[i] != ' ' && i < sizeof name - 1; i++)
			name[i] = s[i];

	i = number_argument("load", 0);
	load_tens = i / 10;
	load_ones = i % 10;
	dirty = number_argument("dirty", 0);
	every = number_argument("every", 100) * HZ / 1000;
	if (!every)
		every = 1;

	/* the last MiB is left to the firmware's tables */
	first = ((u32)image_end + 4095) / 4096;
	pages = boot->upper_kib / 4 - (first - 256) - 256;
	fill = number_argument("fill", (boot->upper_kib / 1024 + 1) / 2) * 256;
	memory_fill(first, fill < pages ? fill : pages);

	console_start();
	machine_start(key);
	machine_start_others();

	for (seen = said = ticks;;) {
		memory_check(32);
		pages_due += dirty * 256;
		while (pages_due >= HZ) {
			memory_rewrite(1);
			/* one that cannot keep up does what it can, and owes nothing */
			pages_due = ticks == seen ? pages_due - HZ : 0;
		}
		work_until_tick(seen, &owed);
		now = seen = ticks;
		if (now - said >= every) {
			/* in step, unless ticks were lost by the dozen */
			said = now - said < 2 * every ? said + every : now;
			report(++lines);
		}
		if (want_reset)
			reset();
		if (want_off || power_button())
			power_off();
	}
}
