#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# The first lines: every source says its licence, the one of its folder.
#
# Usage: check_headers.sh [TREE]

set -euo pipefail
tree=${1:-$(cd "$(dirname "$0")/../.." && pwd -P)}
. "$(dirname "${BASH_SOURCE[0]}")/sources.sh"
cd "$tree"
bad=0
while IFS= read -r file; do
	case $file in
	driver/*.[ch] | driver/Kbuild) want='GPL-2.0' ;;
	include/rdma/*) want='(GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause' ;;
	*) want='GPL-2.0 OR BSD-2-Clause' ;;
	esac
	# a script's first line is its interpreter
	got=$(head -n 3 "$file" | sed -n 's/^.*SPDX-License-Identifier: \(.*\)$/\1/p' | sed 's/ *\*\/ *$//' | head -n 1)
	if [ "$got" != "$want" ]; then
		echo "$file: licence is '${got:-missing}', should be '$want'"
		bad=1
	fi
done < <(sources '*.[ch]' '*.sh' '*.py' Kbuild CMakeLists.txt)
exit $bad
