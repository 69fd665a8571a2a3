# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# driver/wire on the host, its files as they are, under ASan and UBSan. Included by this folder's CMakeLists.txt.

set(wire_dir "${PROJECT_SOURCE_DIR}/driver")
set(wire_sources opcode parse build icrc)
list(TRANSFORM wire_sources PREPEND "${wire_dir}/wire/")
list(TRANSFORM wire_sources APPEND .c)
set(wire_includes "${PROJECT_SOURCE_DIR}/tests/unit/shim" "${wire_dir}")

# for tests/fuzz
set(wire_sources "${wire_sources}" CACHE INTERNAL "")
set(wire_includes "${wire_includes}" CACHE INTERNAL "")

add_library(wire_host STATIC ${wire_sources})
target_include_directories(wire_host PUBLIC ${wire_includes})
target_compile_options(wire_host PUBLIC ${host_checks})
target_link_options(wire_host PUBLIC ${host_checks})

foreach(name t_opcode t_parse t_icrc t_psn)
	add_executable(${name} "${CMAKE_CURRENT_SOURCE_DIR}/${name}.c")
	target_link_libraries(${name} PRIVATE wire_host cmocka)
	add_test(NAME unit/${name} COMMAND ${name})
	set_tests_properties(unit/${name} PROPERTIES TIMEOUT 60)
endforeach()
