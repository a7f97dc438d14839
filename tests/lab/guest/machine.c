/*
 * CPUs, interrupts, timers and power of the virtual PC.
 *
 * Time comes from two places.  The interval timer interrupts HZ times a second
 * and paces the work; QEMU drops interrupts that a starved vCPU cannot take.
 * The HPET counts QEMU's virtual clock in steps of 10 ns, never drops anything,
 * and stands still exactly while the guest is stopped (paused, or between the
 * two halves of a migration), so a difference between it and the host's clock
 * is time during which the guest did not exist.
 */
#include "machine.h"

#define HPET(offset) (*(volatile u32 *)(0xfed00000u + (offset)))
#define APIC(offset) (*(volatile u32 *)(0xfee00000u + (offset)))
#define ACPI_STATUS  0x600
#define ACPI_ENABLE  0x602
#define ACPI_CONTROL 0x604
#define ACPI_BUTTON  0x100

enum { VECTOR_TIMER = 0x20, VECTOR_KEYBOARD = 0x21, VECTOR_TICK = 0x40, VECTOR_SPURIOUS = 0xff };

volatile u32 ticks;
volatile u32 cpus = 1;
static void (*key_pressed)(u8 scancode);

struct frame;

__attribute__((interrupt)) static void on_timer(struct frame *f)
{
	(void)f;
	ticks++;
	outb(0x20, 0x20);
	if (cpus > 1)                           /* pass it on: fixed, all but self */
		APIC(0x300) = 0x000c4000 | VECTOR_TICK;
}

__attribute__((interrupt)) static void on_keyboard(struct frame *f)
{
	u8 code = inb(0x60);
	(void)f;
	if (!(code & 0x80))                     /* the top bit says: released      */
		key_pressed(code);
	outb(0x20, 0x20);
}

/* On the other CPUs: nothing to do but wake up. */
__attribute__((interrupt)) static void on_tick(struct frame *f)
{
	(void)f;
	APIC(0xb0) = 0;
}

__attribute__((interrupt)) static void on_anything(struct frame *f)
{
	(void)f;
	outb(0x20, 0x20);
}

/* ---- descriptor tables ---- */

struct table { u16 limit; void *base; } __attribute__((packed));

static u64 segments[3] = { 0, 0x00cf9a000000ffffull, 0x00cf92000000ffffull };
static struct { u16 low, selector; u8 zero, type; u16 high; } __attribute__((packed)) gates[256];

static void set_gate(u32 vector, void (*handler)(struct frame *))
{
	gates[vector].low = (u16)(u32)handler;
	gates[vector].high = (u16)((u32)handler >> 16);
	gates[vector].selector = 8;
	gates[vector].type = 0x8e;              /* present, 32-bit interrupt gate  */
}

static void load_tables(void)
{
	struct table s = { sizeof segments - 1, segments }, g = { sizeof gates - 1, gates };

	__asm__ volatile(
		"lgdt %0\n"
		"ljmp $8, $1f\n"
		"1: mov $16, %%eax\n"
		"mov %%eax, %%ds\n mov %%eax, %%es\n mov %%eax, %%fs\n"
		"mov %%eax, %%gs\n mov %%eax, %%ss\n"
		"lidt %1\n"
		:: "m"(s), "m"(g) : "eax", "memory");
}

/* ---- start ---- */

void machine_start(void (*key)(u8 scancode))
{
	u32 v, divisor = 1193182 / HZ;

	key_pressed = key;
	for (v = 0x20; v < 0x30; v++)
		set_gate(v, on_anything);
	set_gate(VECTOR_TIMER, on_timer);
	set_gate(VECTOR_KEYBOARD, on_keyboard);
	set_gate(VECTOR_TICK, on_tick);
	set_gate(VECTOR_SPURIOUS, on_tick);
	load_tables();

	/* both interrupt controllers to vectors 0x20.., timer and keyboard only */
	outb(0x20, 0x11);            outb(0xa0, 0x11);
	outb(0x21, VECTOR_TIMER);    outb(0xa1, VECTOR_TIMER + 8);
	outb(0x21, 4);               outb(0xa1, 2);
	outb(0x21, 1);               outb(0xa1, 1);
	outb(0x21, 0xfc);            outb(0xa1, 0xff);

	outb(0x43, 0x34);                       /* channel 0, rate generator       */
	outb(0x40, divisor & 0xff);
	outb(0x40, (u8)(divisor >> 8));

	HPET(0x10) = 0;                         /* stop, set to 0, run             */
	HPET(0xf0) = 0;
	HPET(0xf4) = 0;
	HPET(0x10) = 1;

	outw(ACPI_ENABLE, ACPI_BUTTON);         /* so that its status bit is set   */

	while (inb(0x64) & 1)                   /* keys the firmware left behind   */
		inb(0x60);
	__asm__ volatile("sti");
}

extern u8 ap_start[], ap_end[];

void machine_start_others(void)
{
	u32 i, began;

	for (i = 0; i < (u32)(ap_end - ap_start); i++)
		((volatile u8 *)AP_PAGE)[i] = ap_start[i];
	APIC(0xf0) = 0x100 | VECTOR_SPURIOUS;
	APIC(0x300) = 0x000c4500;               /* INIT to all but self            */
	for (began = ticks; ticks - began < 2;) /* never "== 2": a tick may come here */
		sleep_until_tick(ticks);
	APIC(0x300) = 0x000c4600 | AP_PAGE >> 12; /* start at that page            */
}

/* The second half of a further CPU's start, called on that CPU. */
void machine_join(void)
{
	load_tables();
	APIC(0xf0) = 0x100 | VECTOR_SPURIOUS;
	__asm__ volatile("sti");
}

/* ---- time and power ---- */

u64 clock_10ns(void)
{
	u32 high, low;

	do {
		high = HPET(0xf4);
		low = HPET(0xf0);
	} while (HPET(0xf4) != high);
	return (u64)high << 32 | low;
}

void sleep_until_tick(u32 seen)
{
	/* cli, or a tick could come between the look and the sleep; sti takes
	   effect after the instruction that follows it, which is hlt */
	__asm__ volatile("cli");
	while (ticks == seen)
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	__asm__ volatile("sti");
}

int power_button(void) { return inw(ACPI_STATUS) & ACPI_BUTTON; }

void power_off(void)
{
	outw(ACPI_CONTROL, 0x2000);             /* sleep type 0 is "off" on i440fx */
}

void reset(void) { outb(0xcf9, 6); }
