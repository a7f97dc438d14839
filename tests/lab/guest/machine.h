/* What the guest uses of a PC, as QEMU's i440fx board has it. */
#define MAX_CPUS   16
#define STACK_SIZE 4096
#define AP_PAGE    0x6000       /* further CPUs start here; 0x9000 is taken by
                                   QEMU's multiboot information               */
#define HZ         100          /* timer interrupts in a second               */

#ifndef __ASSEMBLER__

typedef unsigned char      u8;
typedef unsigned short     u16;
typedef unsigned int       u32;
typedef unsigned long long u64;

static inline void outb(u16 port, u8 v)  { __asm__ volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline u8  inb(u16 port) { u8 v;  __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* machine.c */
extern volatile u32 ticks;      /* timer interrupts since boot                */
extern volatile u32 cpus;       /* CPUs that run                              */
void machine_start(void (*key)(u8 scancode));
void machine_start_others(void);
u64  clock_10ns(void);          /* time since machine_start, in 10 ns         */
void sleep_until_tick(u32 seen);
int  power_button(void);
void power_off(void);
void reset(void);

/* console.c */
void console_start(void);
void put(const char *text);
void put_number(u32 n);

/* memory.c */
void memory_fill(u32 first_page, u32 pages);
void memory_rewrite(u32 pages); /* change the next so many pages              */
void memory_check(u32 pages);   /* look at the next so many pages             */
extern u32 memory_bad;          /* damaged pages found                        */
extern u32 memory_passes;       /* how often every page has been looked at    */

/* main.c */
void ap_main(u32 number);

#endif
