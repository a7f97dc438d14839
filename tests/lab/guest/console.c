/* The serial port, COM1.  QEMU hands on every byte at once, at any speed. */
#include "machine.h"

#define COM1 0x3f8

void console_start(void)
{
	outb(COM1 + 1, 0);                      /* no interrupts                   */
	outb(COM1 + 3, 3);                      /* 8 bits, no parity               */
}

static void put_byte(u8 c)
{
	while (!(inb(COM1 + 5) & 0x20))
		;
	outb(COM1, c);
}

void put(const char *text)
{
	while (*text)
		put_byte((u8)*text++);
}

void put_number(u32 n)
{
	char digits[11], *p = digits + 10;

	*p = 0;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	put(p);
}
