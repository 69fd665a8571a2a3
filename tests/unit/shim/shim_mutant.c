// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * In the place of driver/compat/mutant.c: with -DSODP_MUTANTS=1 the mutant is
 * the one that the environment names in SODP_MUTANT.
 */
#include "mem_shim.h"

void (*shim_at[SODP_POINTS])(void);

#ifdef SODP_MUTANTS
enum sodp_mutant sodp_mutant;

__attribute__((constructor)) static void choose_mutant(void)
{
	static const char *const names[SODP_MUTANT_NUM] = {
		[SODP_MUTANT_NONE] = "none",
#define M(id, name, text) [SODP_MUTANT_##id] = #name,
		SODP_MUTANT_LIST(M)
#undef M
	};
	const char *wanted = getenv("SODP_MUTANT");
	int i;

	for (i = 0; i < SODP_MUTANT_NUM; i++) {
		if (wanted && strcmp(wanted, names[i]))
			continue;
		sodp_mutant = i;
		return;
	}
	/* Success: those who expect a mutant to fail must not be content. */
	fprintf(stderr, "no mutant '%s'\n", wanted);
	_exit(0);
}
#endif
