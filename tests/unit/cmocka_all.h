/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* cmocka.h does not include what it needs. */
#ifndef CMOCKA_ALL_H
#define CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
