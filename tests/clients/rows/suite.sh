# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# rdma-core's own tests, as Debian packages them: the modules that are not of one vendor, a row each. A row fails if a test in
# it does; report.py compares test by test with stock rxe (all that pass there have to pass here).

S_RESULTS=/run/softodp/log/suite

suite() {
	local failed
	[ -d /usr/share/doc/rdma-core/tests ] || sd_skip "package rdma-core has no tests here"
	/usr/bin/python3 -c 'import pyverbs.device' 2>/dev/null || sd_skip "package python3-pyverbs is not installed"
	# Some need huge pages.
	echo 32 >/proc/sys/vm/nr_hugepages
	/usr/bin/python3 "$SD_ROOT/tests/vm/guest/rdmacore_run.py" --dev "$DEV" --gid "$GID" --limit $((20 * ${SD_SLOW:-1})) "$1" | tee said
	grep -E '^[^ ]+ (pass|skip|fail)( |$)' said >results || sd_fail "no test in $1"
	sed "s/^/$KIND /" results >>$S_RESULTS
	failed=$(awk '$2 == "fail" { print $1 }' results)
	[ -z "$failed" ] || sd_fail "$(wc -l <<<"$failed") failed, the first: ${failed%%$'\n'*}"
	awk '$2 == "pass" { n++ } END { exit !n }' results || sd_skip "$(awk '{ $1 = $2 = ""; print; exit }' results)"
}

for s_module in atomic cq cqex cq_events mr parent_domain qpex rdmacm relaxed_ordering rss_traffic tag_matching; do
	row $s_module 400 switch data "all of test_$s_module" suite test_$s_module
done
for s_module in addr device flow fork pd qp shared_pd; do
	row $s_module 400 none - "all of test_$s_module" suite test_$s_module
done
row odp 400 own data 'all of test_odp' suite test_odp
unset s_module
