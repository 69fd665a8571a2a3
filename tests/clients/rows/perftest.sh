# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# perftest: each operation over each transport, bandwidth and latency, then its options. It compares no data.

# perf PROGRAM OPTION...
perf() { same tcp:18515 "$1 -d %d -x %g -F ${*:2}"; }

# The same, connected by the CM.
perf_cm() { same cm "$1 -R -F ${*:2}"; }

# perf_mmap PROGRAM OPTION...: the buffer is a file.
perf_mmap() {
	truncate -s 8M buffer
	perf "$@" --mmap="$PWD/buffer"
}

for p_how in bw lat; do
	row send_${p_how}_rc 60 switch - 'RC SEND' perf ib_send_$p_how -c RC -n 100 -s 4096
	# Of what finds no receive nobody hears again.
	row send_${p_how}_uc 60 switch - 'UC SEND' perf ib_send_$p_how -c UC -n 100 -s 4096 -r 128
	row send_${p_how}_ud 60 switch - 'UD SEND' perf ib_send_$p_how -c UD -n 100 -s 1024 -r 128
	row write_${p_how}_rc 60 switch - 'RC WRITE' perf ib_write_$p_how -c RC -n 100 -s 4096
	row write_${p_how}_uc 60 switch - 'UC WRITE' perf ib_write_$p_how -c UC -n 100 -s 4096
	row read_${p_how} 60 switch - 'RC READ' perf ib_read_$p_how -n 100 -s 4096
	row fetch_add_${p_how} 60 switch - 'RC atomics' perf ib_atomic_$p_how -A FETCH_AND_ADD -n 100
	row cmp_swap_${p_how} 60 switch - 'RC atomics' perf ib_atomic_$p_how -A CMP_AND_SWAP -n 100

	row send_${p_how}_srq 60 switch - 'RC SEND, SRQ' perf ib_send_$p_how -c RC --use-srq -n 100 -s 1000 -r 128
	row send_${p_how}_ud_srq 60 switch - 'UD SEND, SRQ' perf ib_send_$p_how -c UD --use-srq -n 100 -s 1000 -r 128
	row send_${p_how}_events 60 switch - 'RC SEND, CQ events' perf ib_send_$p_how -e -n 100 -s 4096
	row read_${p_how}_events 60 switch - 'RC READ, CQ events' perf ib_read_$p_how -e -n 100 -s 4096
	row send_${p_how}_inline 60 switch - 'RC SEND, inline' perf ib_send_$p_how -I 64 -n 100 -s 64
	row write_${p_how}_inline 60 switch - 'RC WRITE, inline' perf ib_write_$p_how -I 64 -n 100 -s 64

	row send_${p_how}_all 180 switch - 'RC SEND, 2 B to 8 MiB' perf ib_send_$p_how -a -n 10
	row write_${p_how}_all 180 switch - 'RC WRITE, 2 B to 8 MiB' perf ib_write_$p_how -a -n 10
	row read_${p_how}_all 180 switch - 'RC READ, 2 B to 8 MiB' perf ib_read_$p_how -a -n 10

	row send_${p_how}_cm 60 switch - 'CM, RC SEND' perf_cm ib_send_$p_how -n 100 -s 4096
	row send_${p_how}_ud_cm 60 switch - 'CM, UD SEND' perf_cm ib_send_$p_how -c UD -n 100 -s 1024 -r 128
	row write_${p_how}_cm 60 switch - 'CM, RC WRITE' perf_cm ib_write_$p_how -n 100 -s 4096
	row read_${p_how}_cm 60 switch - 'CM, RC READ' perf_cm ib_read_$p_how -n 100 -s 4096
	row atomic_${p_how}_cm 60 switch - 'CM, RC atomics' perf_cm ib_atomic_$p_how -n 100

	row send_${p_how}_odp 60 own - 'RC SEND on demand' perf ib_send_$p_how -n 100 -s 65536 --odp
	row write_${p_how}_odp 60 own - 'RC WRITE on demand' perf ib_write_$p_how -n 100 -s 65536 --odp
	row read_${p_how}_odp 60 own - 'RC READ on demand' perf ib_read_$p_how -n 100 -s 65536 --odp
	row atomic_${p_how}_odp 60 own - 'RC atomics on demand' perf ib_atomic_$p_how -n 100 --odp
	row send_${p_how}_ud_odp 60 own - 'UD SEND on demand' perf ib_send_$p_how -c UD -n 100 -s 1024 -r 128 --odp
done
unset p_how
row send_bw_qps 60 switch - 'RC SEND, 4 QPs' perf ib_send_bw -q 4 -n 100 -s 4096
row send_bw_srq_qps 60 switch - 'RC SEND, SRQ, 4 QPs' perf ib_send_bw --use-srq -q 4 -n 100 -s 1000 -r 128
row write_bw_qps 60 switch - 'RC WRITE, 8 QPs' perf ib_write_bw -q 8 -n 100 -s 4096
row read_bw_qps 60 switch - 'RC READ, 4 QPs' perf ib_read_bw -q 4 -n 100 -s 4096
row send_bw_both 60 switch - 'RC SEND, both ways' perf ib_send_bw -b -n 100 -s 4096
row write_bw_both 60 switch - 'RC WRITE, both ways' perf ib_write_bw -b -n 100 -s 4096
row read_bw_both 60 switch - 'RC READ, both ways' perf ib_read_bw -b -n 100 -s 4096
row write_bw_events 60 switch - 'RC WRITE, CQ events' perf ib_write_bw -e -n 100 -s 4096
row atomic_bw_events 60 switch - 'RC atomics, CQ events' perf ib_atomic_bw -e -n 100
row write_bw_mmap 60 switch - 'RC WRITE, of a file' perf_mmap ib_write_bw -n 100 -s 65536
row read_bw_mmap 60 switch - 'RC READ, of a file' perf_mmap ib_read_bw -n 100 -s 65536
