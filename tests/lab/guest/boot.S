/*
 * Entry points: one for the first CPU, which QEMU's multiboot loader starts in
 * 32-bit mode, and one for every further CPU, which wakes in 16-bit mode at a
 * page below 1 MiB and has to find its way up.
 */
#include "machine.h"

	.section .multiboot, "a"
	.align 4
	.long 0x1badb002                        /* magic                          */
	.long 2                                 /* wants the memory size          */
	.long -(0x1badb002 + 2)                 /* checksum                       */

	.text
	.globl entry
entry:
	mov $stacks + STACK_SIZE, %esp
	push %ebx                               /* multiboot information          */
	push %eax                               /* multiboot magic                */
	call main
	ud2

/*
 * Copied to AP_PAGE, so nothing in it may depend on where it was linked:
 * addresses are taken relative to ap_start.
 */
	.globl ap_start, ap_end
	.code16
ap_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl AP_PAGE + (ap_gdt_ptr - ap_start)
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $8, $AP_PAGE + (1f - ap_start)
	.code32
1:	mov $16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $1, %eax
	lock xadd %eax, cpus                    /* my number: 1, 2, ...           */
	cmp $MAX_CPUS, %eax
	jae 2f
	mov %eax, %ecx
	inc %ecx
	imul $STACK_SIZE, %ecx
	lea stacks(%ecx), %esp
	push %eax
	mov $ap_main, %eax                      /* absolute: this code has moved  */
	call *%eax
2:	cli
	hlt
	jmp 2b
	.align 8
ap_gdt:
	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
ap_gdt_ptr:
	.word 23
	.long AP_PAGE + (ap_gdt - ap_start)
ap_end:

	.bss
	.align 16
stacks:
	.skip STACK_SIZE * MAX_CPUS
