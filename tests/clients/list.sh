#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# The table of client programs, a line each: FAMILY/NAME, seconds, on demand, data, features; tabs between them.

set -euo pipefail
. "$(dirname "$0")/../vm/guest/lib.sh"
. "$(dirname "$0")/lib.sh"
rows_read
for name in "${C_NAMES[@]}"; do
	printf '%s\t%s\t%s\t%s\t%s\n' "$name" "${C_LIMIT[$name]}" "${C_ODP[$name]}" "${C_DATA[$name]}" "${C_FEATURES[$name]}"
done
