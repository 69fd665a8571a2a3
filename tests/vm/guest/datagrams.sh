#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# timeout: 240
# kernels: stock
# long: debug
#
# UC and UD on demand: whole messages in order over a good wire and over bad ones; then ibv_*_pingpong and perftest, with
# the kernel's own rdma_rxe at the other end, both ways.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

sd_load
ip link set lo up
sd_dummy d0
sd_link sodp0 d0
n=160
[ "$SD_KERNEL" = stock ] || n=60
"$SD_BIN/uc" sodp0 good $n
"$SD_BIN/ud" sodp0 $n
[ "$(sd_counter sodp0 req_retransmits)" = 0 ] || sd_fail "UC sends nothing again"

modprobe sch_netem 2>/dev/null || sd_skip "no netem"
for trouble in 'loss 2%' 'duplicate 20% loss 3%' 'delay 1ms reorder 90% 25%' 'corrupt 2%'; do
	echo "# netem $trouble"
	# shellcheck disable=SC2086 # words
	tc qdisc replace dev lo root netem $trouble limit 20000
	"$SD_BIN/uc" sodp0 lossy $((n / 4))
done
tc qdisc del dev lo root
rdma link del sodp0

# both SERVER-DEVICE SERVER-NS CLIENT-DEVICE CLIENT-NS ADDRESS COMMAND...: with -d DEVICE and the GID in place of @
both() {
	local sdev=$1 sns=$2 cdev=$3 cns=$4 address=$5 server
	shift 5
	sd_in "$sns" timeout 60 "${@/@/${gid[$sdev]}}" -d "$sdev" >/run/server 2>&1 &
	server=$!
	sd_wait 10 sd_listening 18515 "$sns" || true
	sd_in "$cns" timeout 60 "${@/@/${gid[$cdev]}}" -d "$cdev" "$address" >/run/client 2>&1 ||
		sd_fail "$cdev to $sdev: $*: $(cat /run/client /run/server)"
	wait $server || sd_fail "$cdev to $sdev: $*: $(</run/server)"
	echo "# $cdev to $sdev: $*"
}

sd_veth_pair rxe softodp
declare -A gid=([sd0]=$(sd_gid sd0) [sd1]=$(sd_gid_in "$SD_NS1" sd1))
for command in 'ibv_uc_pingpong -g @ -n 50 -s 20000 -m 1024' 'ib_send_bw -c UD -x @ -F -n 50 -s 1000 -r 128'; do
	command -v "${command%% *}" >/dev/null || continue
	# shellcheck disable=SC2086 # words
	both sd1 "$SD_NS1" sd0 '' "$SD_IP1" $command
	# shellcheck disable=SC2086 # words
	both sd0 '' sd1 "$SD_NS1" "$SD_IP0" $command
done
