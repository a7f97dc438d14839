/*
 * A pool of pages with a content that can be foretold, rewritten round and
 * round, and looked at round and round.  A page that a migration lost, mixed
 * up or left in an old state does not have the content it must have.
 */
#include "machine.h"

#define WORDS  1024u            /* 32-bit words in a page                      */
#define STAMPS 8u               /* of which so many change in a rewrite        */

u32 memory_bad, memory_passes;
static u32 first, count;        /* the pool, in pages                          */
static u32 to_rewrite, round_ = 1; /* pages below to_rewrite have this round,
                                      those from there on the one before       */
static u32 to_check;

static volatile u32 *stamp(u32 page, u32 n)
{
	return (volatile u32 *)((first + page) * 4096u) + n * (WORDS / STAMPS);
}

static u32 stamp_value(u32 page, u32 n, u32 in_round)
{
	return ((page * STAMPS + n) * 2654435761u) ^ (in_round * 0x9e3779b9u);
}

static void check(u32 page)
{
	u32 n, want_round = page < to_rewrite ? round_ : round_ - 1;

	for (n = 0; n < STAMPS; n++)
		if (*stamp(page, n) != stamp_value(page, n, want_round)) {
			memory_bad++;
			return;
		}
}

void memory_fill(u32 first_page, u32 pages)
{
	u32 page, n, noise = 1;

	first = first_page;
	count = pages;
	for (page = 0; page < count; page++) {
		volatile u32 *word = stamp(page, 0);
		for (n = 0; n < WORDS; n++)     /* so that it does not compress    */
			word[n] = noise = noise * 1664525u + 1013904223u;
		for (n = 0; n < STAMPS; n++)
			*stamp(page, n) = stamp_value(page, n, round_ - 1);
	}
}

void memory_rewrite(u32 pages)
{
	u32 n;

	for (; count && pages; pages--) {
		check(to_rewrite);
		for (n = 0; n < STAMPS; n++)
			*stamp(to_rewrite, n) = stamp_value(to_rewrite, n, round_);
		if (++to_rewrite == count) {
			to_rewrite = 0;
			round_++;
		}
	}
}

void memory_check(u32 pages)
{
	for (; count && pages; pages--) {
		check(to_check);
		if (++to_check == count) {
			to_check = 0;
			memory_passes++;
		}
	}
}
