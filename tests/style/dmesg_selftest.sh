#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Does tests/vm/check.sh see what the kernel must never say, and let pass what is not the driver's?

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../vm/check.sh"
[ -x /bin/busybox ] || { echo "busybox is not installed" && exit 1; }
failed=0 said=

check_since() { echo "$said"; }

# is WANTED WHAT: dirty or clean
is() {
	local got=clean
	[ -z "$(check_dirty x '')" ] || got=dirty
	[ "$got" = "$1" ] || { echo "$2: $got, not $1" && failed=1; }
}

line='=================================================================='

# race TITLE FIRST-STACK SECOND-STACK: a report of KCSAN, frames with a comma between them
race() {
	printf '%s\nBUG: KCSAN: data-race in %s\n\nwrite to 0xffff888012345678 of 4 bytes by task 1 on cpu 0:\n' "$line" "$1"
	tr , '\n' <<<"$2"
	printf '\nread to 0xffff888012345678 of 4 bytes by interrupt on cpu 1:\n'
	tr , '\n' <<<"$3"
	printf '\nvalue changed: 0x1 -> 0x2\n%s\n' "$line"
}

said='softodp: loaded'
is clean "a line of no interest"
said='[    1.0] WARNING: CPU: 1 PID: 918 at drivers/x.c:1 sodp_x+0x1/0x2 [softodp]'
is dirty "a warning"
said='[    1.0] WARNING: CPU: 1 PID: 918 at include/linux/fs.h:509 hugetlb_split+0x11c/0x140'
is clean "the kernel's own assertion of hugetlb_split"
said='[    1.0] WARNING: CPU: 1 PID: 918 at include/linux/fs.h:509 sodp_x+0x11c/0x140 [softodp]'
is dirty "the same assertion, in the driver"

said=$(race 'a / b' 'a+0x1/0x2,vfs_write+0x1/0x2' 'b+0x1/0x2')
is clean "a race of the kernel"
said=$(race 'a / b' 'a+0x1/0x2,sodp_x+0x1/0x2 [softodp]' 'b+0x1/0x2')
is dirty "a race with the driver in the first stack"
said=$(race 'a / b' 'a+0x1/0x2' 'b+0x1/0x2,sodp_x+0x1/0x2 [softodp]')
is dirty "a race with the driver in the second stack"
tick='tick+0x1/0x2,asm_sysvec_apic_timer_interrupt+0x1/0x2,sodp_x+0x1/0x2 [softodp]'
said=$(race 'a / b' "$tick" 'b+0x1/0x2')
is clean "a race of an interrupt that came upon the driver"
said=$(race 'a / b' "$tick" 'sodp_x+0x1/0x2 [softodp]')
is dirty "a race of such an interrupt with the driver"
said=$(race 'a / b' "sodp_x+0x1/0x2 [softodp],asm_sysvec_apic_timer_interrupt+0x1/0x2" 'b+0x1/0x2')
is dirty "a race of the driver in an interrupt"
exit "$failed"
