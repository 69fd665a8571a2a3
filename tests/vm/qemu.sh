# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Starts one guest. To be sourced after common.sh and kernel.sh.

# The accelerator: KVM only where a kernel has been seen to boot with it. A nested /dev/kvm may accept a guest and
# then hang it, so the probe is bounded and its answer is kept.
vm_accel() {
	local answer=$SD_CACHE/kvm-$(uname -r)
	if [ -n "${SOFTODP_ACCEL:-}" ]; then
		echo "$SOFTODP_ACCEL"
		return
	fi
	if [ ! -w /dev/kvm ]; then
		echo tcg
		return
	fi
	if [ ! -e "$answer" ]; then
		note "probing /dev/kvm with a kernel, at most 20 s, once"
		if vm_probe_kvm; then echo kvm; else echo tcg; fi >"$answer"
		note "accelerator: $(<"$answer")"
	fi
	cat "$answer"
}

vm_probe_kvm() {
	local log
	log=$(mktemp)
	timeout -k 2 20 qemu-system-x86_64 -accel kvm -cpu host -m 512 -smp 2 -nodefaults -display none -no-reboot \
		-kernel "$K_IMAGE" -initrd "$(vm_initramfs)" -append "console=ttyS0 quiet panic=-1 softodp.probe" \
		-serial "file:$log" </dev/null >/dev/null 2>&1 || true
	grep -q 'softodp-probe: alive' "$log"
}

vm_initramfs() {
	local made
	made=$SD_CACHE/initramfs/$K_VERSION-$(cat "$SD_VM/init" "$SD_VM/initramfs.sh" | sha256sum | cut -c1-12).gz
	[ -e "$made" ] || "$SD_VM/initramfs.sh" "$K_ROOT" "$K_VERSION" "$made"
	echo "$made"
}

# One guest at a time on a machine: two would only make each other's time limits lie. Whoever waits longest is next.
vm_lock() {
	local base=/var/lock/softodp-vm.lock file waited=0 slot slots ticket
	# By who started this one, for several.
	if [ -n "${SD_VM_HELD:-}" ]; then
		exec {VM_LOCK}</dev/null
		return 0
	fi
	# More than one at a time is for machines with cores to spare: a number in the cache folder, or in the environment.
	# A zero there closes it for everybody.
	slots=$(cat "$SD_CACHE/vm-slots" 2>/dev/null || echo 1)
	[ "$slots" = 0 ] || slots=${SD_VM_SLOTS:-$slots}
	[ "$slots" -gt 0 ] || die "no guests on this machine for now: $(cat "$SD_CACHE/vm-closed" 2>/dev/null || echo "$SD_CACHE/vm-slots is 0")"
	{ : >>"$base"; } 2>/dev/null || base=$SD_CACHE/lock/vm
	mkdir -p -m 1777 "$base.queue"
	ticket=$base.queue/$(date +%s%N).$$
	: >"$ticket"
	while :; do
		if [ "$(vm_first "$base.queue")" = "$ticket" ]; then
			for ((slot = 1; slot <= slots; slot++)); do
				file=$base
				[ "$slot" = 1 ] || file=$base.$slot
				exec {VM_LOCK}>>"$file"
				if flock -n "$VM_LOCK"; then
					rm -f "$ticket"
					return 0
				fi
				exec {VM_LOCK}>&-
			done
		fi
		[ $((waited % 30)) != 0 ] || note "waiting for another test guest to end, $waited s"
		sleep 1
		waited=$((waited + 1))
	done
}

# vm_first QUEUE: the oldest ticket whose process still waits; the others are thrown away.
vm_first() {
	local ticket
	for ticket in "$1"/*; do
		if [ -d "/proc/${ticket##*.}" ]; then
			echo "$ticket"
			return 0
		fi
		rm -f "$ticket"
	done
}

# vm_boot: from the VM_ variables of vm's options; the log folder is VM_LOG, the job file VM_JOB.
# Sets VM_STATUS to what the guest reported, to 'silent' if it ended without a report, 'time-out' if it had to be ended.
vm_boot() {
	local accel cpu=max,-la57 machine=pc smp=$VM_SMP append rc=0 args=() disk n=0
	local terminal=(-serial "file:$VM_LOG/console.log")
	accel=$(vm_accel)
	append="console=ttyS0 panic=-1 oops=panic quiet mitigations=off page_poison=1 log_buf_len=4M net.ifnames=0"
	append+=" softodp.job=$VM_JOB softodp.modules=$K_ROOT softodp.host=softodp-${K_NAME//./-}"
	if kernel_checked "$K_NAME"; then
		# ACPI costs minutes there.
		machine=pc,acpi=off
		# Without it CPUs are found in a table that names one for each socket.
		smp+=,sockets=$VM_SMP,cores=1,threads=1
		append+=" kasan_multi_shot kmemleak=on"
	fi
	if [ -n "$VM_ICOUNT" ]; then
		# Guest time counts instructions. "rep movs" would count one a byte: without erms copying is loops again.
		args+=(-accel tcg,thread=single -icount shift=0,sleep=off)
		cpu=max,-erms smp=1
		append+=" nokaslr"
	elif [ "$accel" = kvm ]; then
		args+=(-accel kvm)
		cpu=host
	else
		args+=(-accel "tcg,thread=multi")
	fi
	[ "$VM_KIND" != shell ] || terminal=(-serial mon:stdio)

	for disk in "${VM_DISKS[@]}"; do
		rm -f "$VM_LOG/disk$n.img"
		truncate -s "$disk" "$VM_LOG/disk$n.img"
		args+=(-drive "if=none,id=disk$n,file=$VM_LOG/disk$n.img,format=raw,cache=unsafe"
			-device "virtio-blk-pci,drive=disk$n")
		n=$((n + 1))
	done

	# Another guest at the other end: tests/vm/pair.
	[ -z "$VM_WIRE" ] || args+=(-netdev "stream,id=wire,server=$VM_WIRE_LISTEN,addr.type=unix,addr.path=$VM_WIRE"
		-device "virtio-net-pci,netdev=wire,mac=$VM_WIRE_MAC,romfile=")

	: >"$VM_LOG/report.log"
	exec {VM_OUT}> >(exec cat)
	local reader=$!
	local run=(timeout --foreground -k 5 "$VM_TIMEOUT")
	[ "$VM_KIND" != shell ] || run=()
	"${run[@]}" qemu-system-x86_64 "${args[@]}" -cpu "$cpu" -machine "$machine" -m "$VM_MEM" -smp "$smp" \
		-nodefaults -display none -no-reboot \
		-kernel "$K_IMAGE" -initrd "$(vm_initramfs)" -append "$append $VM_APPEND" \
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap" \
		-device virtio-9p-pci,fsdev=root,mount_tag=root \
		-fsdev "local,id=logs,path=$VM_LOG,security_model=none" \
		-device virtio-9p-pci,fsdev=logs,mount_tag=logs \
		-device virtio-serial-pci \
		-chardev "file,id=report,path=$VM_LOG/report.log" -device virtserialport,chardev=report,name=softodp.report \
		-chardev "file,id=out,path=/dev/fd/$VM_OUT" -device virtserialport,chardev=out,name=softodp.out \
		"${terminal[@]}" || rc=$?
	exec {VM_OUT}>&-
	wait "$reader" || true
	for disk in "$VM_LOG"/disk*.img; do
		rm -f "$disk"
	done
	exec {VM_LOCK}>&-

	VM_STATUS=$(sed -n 's/^exit //p' "$VM_LOG/report.log" | tail -n 1)
	if [ -z "$VM_STATUS" ]; then
		VM_STATUS=silent
		[ "$rc" != 124 ] && [ "$rc" != 137 ] || VM_STATUS=time-out
	fi
}

# What a dead guest said: from the first complaint of its last command on, or else the end.
vm_last_words() {
	local words
	words=$(awk '/softodp-run: .*: start/ { n = 0 } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }' \
		"$VM_LOG/console.log" | grep -E -A 30 -m 1 "$CHECK_BAD") || true
	if [ -n "$words" ]; then
		echo "$words" >&2
	else
		tail -n 15 "$VM_LOG/console.log" >&2 || true
	fi
}

# vm_verdict: prints what is wrong with a guest that has ended; false if anything is.
vm_verdict() {
	local bad=0 last
	case $VM_STATUS in
	silent | time-out)
		last=$(grep -E '^(start|boot)' "$VM_LOG/report.log" | tail -n 1)
		if [ "$VM_STATUS" = silent ]; then
			warn "the guest ended without a verdict (last report: ${last:-none}); $VM_LOG/console.log:"
		else
			warn "the guest was ended after $VM_TIMEOUT s (last report: ${last:-none}); $VM_LOG/console.log:"
		fi
		vm_last_words
		bad=1
		;;
	esac
	if grep -q '^dirty ' "$VM_LOG/report.log"; then
		warn "the guest's kernel reported (whole dmesg in $VM_LOG/dmesg.log):"
		sed -n 's/^dirty /   /p' "$VM_LOG/report.log" | head -n 20 >&2
		[ -n "$VM_DIRTY_OK" ] || bad=1
	fi
	return $bad
}
