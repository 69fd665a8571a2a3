# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# fi_pingpong of libfabric, four ways, and by its own on-demand registration. -c compares the bytes. ofi_rxm sizes a queue by
# the number of processes that it expects.

# fabric PROVIDER ENDPOINT OPTION...: with assignments in F_ENV
fabric() { same tcp:47592 "FI_VERBS_GID_IDX=%g FI_UNIVERSE_SIZE=4 ${F_ENV:-} fi_pingpong -p $1 -e $2 -c ${*:3}"; }

fabric_odp() { F_ENV=FI_VERBS_USE_ODP=1 fabric "$@"; }

row msg 90 switch data 'CM, RC SEND' fabric verbs msg -I 100 -S 4096
row msg_all 180 switch data 'CM, RC SEND, 64 B to 1 MiB' fabric verbs msg -I 20 -S all
row dgram 90 switch data 'UD SEND, AH' fabric verbs dgram -I 100 -S 1024
row rxd 180 switch data 'UD SEND, AH' fabric 'verbs;ofi_rxd' rdm -I 100 -S 4096
row rxm 90 switch data 'CM, RC SEND, SRQ, many QPs' fabric 'verbs;ofi_rxm' rdm -I 100 -S 4096
row rxm_all 180 switch data 'CM, RC SEND READ, SRQ, 64 B to 1 MiB' fabric 'verbs;ofi_rxm' rdm -I 20 -S all
row msg_odp 90 own data 'CM, RC SEND on demand' fabric_odp verbs msg -I 100 -S 65536
row rxm_odp 90 own data 'CM, RC SEND READ on demand' fabric_odp 'verbs;ofi_rxm' rdm -I 100 -S 65536
