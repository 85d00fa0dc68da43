/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds torn frames, proves nothing about intent. */
#ifndef AUDIT_CRC32C_H
#define AUDIT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** Checksum of @data, continuing from @crc: start with 0; crc32c(crc32c(0, a), b) is that of ab. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);
/* The same without the processor's instruction; for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length);

#endif
