# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# driver/mem on the host, its files as they are: under ASan and UBSan, and under TSan where real threads meet. Included by this
# folder's CMakeLists.txt.

find_package(Threads REQUIRED)

set(mem_dir "${PROJECT_SOURCE_DIR}/driver")
set(mem_sources region table log fence populate fault ahead prefetch copy pin fast window residency)
list(TRANSFORM mem_sources PREPEND "${mem_dir}/mem/")
list(TRANSFORM mem_sources APPEND .c)
list(APPEND mem_sources "${CMAKE_CURRENT_SOURCE_DIR}/shim/shim_base.c" "${CMAKE_CURRENT_SOURCE_DIR}/shim/shim_mm.c"
	"${CMAKE_CURRENT_SOURCE_DIR}/shim/fake_mm.c" "${CMAKE_CURRENT_SOURCE_DIR}/shim/shim_mutant.c"
	"${CMAKE_CURRENT_SOURCE_DIR}/mem_model.c" "${CMAKE_CURRENT_SOURCE_DIR}/mem_model_dev.c"
	"${CMAKE_CURRENT_SOURCE_DIR}/mem_model_mm.c")
set(mem_includes "${CMAKE_CURRENT_SOURCE_DIR}/shim" "${mem_dir}" "${mem_dir}/mem" "${CMAKE_CURRENT_SOURCE_DIR}")

# for tests/fuzz
set(mem_sources "${mem_sources}" CACHE INTERNAL "")
set(mem_includes "${mem_includes}" CACHE INTERNAL "")

set(mem_tsan -fsanitize=thread -fno-omit-frame-pointer)
# RCU and SRCU are locks here, which makes inversions of lock order that the kernel has not: no detection of deadlocks.

# mem_host(NAME FLAGS...): a library of the whole of driver/mem
function(mem_host name)
	add_library(${name} STATIC ${mem_sources})
	target_include_directories(${name} PUBLIC ${mem_includes})
	target_compile_options(${name} PUBLIC -std=gnu11 -Wall -Wno-unknown-pragmas -Wno-unused-parameter
		-D_GNU_SOURCE ${ARGN})
	target_link_options(${name} PUBLIC ${ARGN})
	target_link_libraries(${name} PUBLIC cmocka Threads::Threads)
endfunction()

# mem_test(NAME SOURCE LIBRARY)
function(mem_test name source library)
	add_executable(${name} "${CMAKE_CURRENT_SOURCE_DIR}/${source}.c")
	target_link_libraries(${name} PRIVATE ${library})
	add_test(NAME unit/${name} COMMAND ${name})
	set_tests_properties(unit/${name} PROPERTIES TIMEOUT 60 ENVIRONMENT "TSAN_OPTIONS=halt_on_error=1 detect_deadlocks=0")
endfunction()

mem_host(mem_asan_lib ${host_checks})

foreach(test t_log t_table t_region t_fence t_fault t_edges t_random t_threads t_implicit t_ahead t_fast t_window)
	mem_test(${test} ${test} mem_asan_lib)
endforeach()
if(SOFTODP_COVERAGE)
	return() # what follows shows nothing that is not counted already
endif()
# Machines with pages of 16 and 64 KiB: another number of entries in a node, of levels, of pages in a fault.
foreach(shift 14 16)
	mem_host(mem_shift${shift}_lib ${host_checks} -DPAGE_SHIFT=${shift})
	foreach(test t_log t_table t_region t_fence t_random)
		mem_test(${test}_shift${shift} ${test} mem_shift${shift}_lib)
	endforeach()
endforeach()
mem_host(mem_tsan_lib ${mem_tsan})
mem_test(t_threads_tsan t_threads mem_tsan_lib)
mem_test(t_window_tsan t_window mem_tsan_lib)
