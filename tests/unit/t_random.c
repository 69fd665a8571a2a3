// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Random sequences: mem_model.h.
 *   t_random [SEED [HOW MANY]]    one seed again, or others
 */
#include "mem_model.h"

#define STEPS 400

static unsigned int from_generator(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static void test_random(void **state)
{
	struct bed *bed = *state;
	int step;

	mem_model_start(bed, from_generator);
	for (step = 0; step < STEPS; step++)
		mem_model_step();
	mem_model_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, bed_up, bed_down),
	};
	int first = argc > 1 ? atoi(argv[1]) : 1;
	int seeds = argc > 2 ? atoi(argv[2]) : argc > 1 ? 1 : 80;
	int seed, failed = 0;

	for (seed = first; seed < first + seeds && !failed; seed++) {
		printf("seed %d\n", seed);
		srand((unsigned int)seed);
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
