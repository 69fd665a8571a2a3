# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# driver/mem on the host with one rule broken: the test named must fail. One build for all of them, as of the module
# (driver/compat/mutant.h); the environment names the mutant. Included by this folder's CMakeLists.txt after mem.cmake.

if(SOFTODP_COVERAGE)
	return()
endif()

mem_host(mem_mutants_lib ${host_checks} -DSODP_MUTANTS=1)

# mem_mutant(TEST MUTANT...)
function(mem_mutant test)
	add_executable(${test}_mutants "${CMAKE_CURRENT_SOURCE_DIR}/${test}.c")
	target_link_libraries(${test}_mutants PRIVATE mem_mutants_lib)
	foreach(mutant none ${ARGN})
		set(name unit/mutant_${mutant}_${test})
		add_test(NAME ${name} COMMAND ${test}_mutants)
		set_tests_properties(${name} PROPERTIES TIMEOUT 60 ENVIRONMENT SODP_MUTANT=${mutant})
		if(NOT mutant STREQUAL none)
			set_tests_properties(${name} PROPERTIES WILL_FAIL TRUE)
		endif()
	endforeach()
endfunction()

mem_mutant(t_fence no_invalidate late_invalidation no_drain drain_skip_cleared no_recheck log_only_overlap leaf_free_early
	dirty_early dirty_late no_preempt_off)
mem_mutant(t_random no_invalidate dirty_late)
mem_mutant(t_fast bounds_off_by_one stale_key)
mem_mutant(t_window window_longer window_any_user window_stale window_no_drain)
mem_mutant(t_region bounds_off_by_one stale_key)
