# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
APT_PRIVATE=()
kernel_backport() { die "not there yet"; }
