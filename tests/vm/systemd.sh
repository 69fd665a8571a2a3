# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# Makes systemd the first process of a test guest, and the job a service: for tests of what systemd and udev do. Only what a
# service needs is started of the host's units (basic.target). Sourced by inside.sh as process 1; does not come back.

mkdir -p /run/systemd/system
cat >/run/systemd/system/softodp-job.service <<END
[Unit]
Description=The job of this test guest

[Service]
Type=oneshot
ExecStart=/bin/bash $JOB_FILE
TimeoutStartSec=infinity
END
cat >/run/systemd/system/softodp-job.target <<END
[Unit]
Description=A test guest
Requires=basic.target
Wants=softodp-job.service
After=basic.target
AllowIsolate=yes
END
# Nobody would press a button here; and what the machine mounts or waits for beside its root is none of the guest's business.
for unit in systemd-udev-settle.service systemd-remount-fs.service systemd-networkd.service systemd-networkd-wait-online.service \
	apparmor.service systemd-pcrphase.service systemd-pcrphase-sysinit.service; do
	ln -s /dev/null "/run/systemd/system/$unit"
done
exec /lib/systemd/systemd --unit=softodp-job.target
