# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
#
# mpi.c, built with either library: rings, all-to-all, one-sided. Each compares what came. Without the transports for
# processes of one host: all goes through the device.

MPI_RANKS=3

# mpi_program LIBRARY: sets PROGRAM.
mpi_program() {
	PROGRAM=$C_BIN/mpi_$1
	[ -x "$PROGRAM" ] || sd_skip "mpicc.$1 is not installed"
	need "$2"
	ip link set lo up
}

# mpi_openmpi TEST OPTION...
mpi_openmpi() {
	mpi_program openmpi mpirun.openmpi
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	# No ssh, nobody elsewhere.
	mpirun.openmpi --oversubscribe -np $MPI_RANKS --mca plm isolated --mca btl self --mca oob_tcp_if_include lo \
		"${@:2}" "$PROGRAM" "$1"
}

mpi_openmpi_ucx() {
	mpi_openmpi "$1" --mca pml ucx --mca pml_ucx_tls any --mca pml_ucx_devices any --mca osc ucx \
		-x "UCX_TLS=rc_v,self" -x "UCX_NET_DEVICES=$DEV:1" -x UCX_UD_VERBS_ETH_DGID_CHECK=n
}

mpi_openmpi_ofi() {
	mpi_openmpi "$1" --mca pml cm --mca mtl ofi --mca osc pt2pt --mca mtl_ofi_provider_include 'verbs;ofi_rxm' \
		-x "FI_VERBS_GID_IDX=$GID" -x FI_UNIVERSE_SIZE=4
}

mpi_mpich() {
	mpi_program mpich mpiexec.mpich
	mpiexec.mpich -launcher fork -n $MPI_RANKS -genv MPIR_CVAR_NOLOCAL 1 -genv UCX_TLS rc_v,self \
		-genv UCX_NET_DEVICES "$DEV:1" -genv UCX_UD_VERBS_ETH_DGID_CHECK n "$PROGRAM" "$1"
}

for m_test in ring alltoall onesided; do
	row openmpi_ucx_$m_test 180 switch data 'UCX: RC, UD+AH, SRQ, atomics' mpi_openmpi_ucx $m_test
	row openmpi_ofi_$m_test 180 switch data 'libfabric: CM, RC SEND READ, SRQ' mpi_openmpi_ofi $m_test
	row mpich_ucx_$m_test 180 switch data 'UCX: RC, UD+AH, SRQ, atomics' mpi_mpich $m_test
done
unset m_test
