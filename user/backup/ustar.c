/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "backup/ustar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], kind;
	char linkname[100], magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8];
	char prefix[155], padding[12];
};
_Static_assert(sizeof(struct header) == USTAR_BLOCK, "a header is one block");

/* The sum of all bytes, those of the checksum itself counted as blanks. */
static unsigned int checksum(const struct header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned int sum = 0;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	for (size_t i = 0; i < sizeof(h->checksum); i++)
		sum += ' ' - (uint8_t)h->checksum[i];
	return sum;
}

int ustar_encode(const struct ustar_entry *entry, uint8_t ret[static USTAR_BLOCK])
{
	struct header h = {.kind = '0', .magic = "ustar", .version = {'0', '0'}};
	size_t length = strlen(entry->name);

	if (!length || length > USTAR_NAME_MAX)
		return -ENAMETOOLONG;
	if (entry->size > USTAR_SIZE_MAX || entry->mtime > USTAR_SIZE_MAX)
		return -EFBIG;
	memcpy(h.name, entry->name, length);
	memcpy(h.mode, "0000600", 8);
	memcpy(h.uid, "0000000", 8);
	memcpy(h.gid, "0000000", 8);
	memcpy(h.devmajor, "0000000", 8);
	memcpy(h.devminor, "0000000", 8);
	memcpy(h.uname, "root", 5);
	memcpy(h.gname, "root", 5);
	snprintf(h.size, sizeof(h.size), "%011" PRIo64, entry->size);
	snprintf(h.mtime, sizeof(h.mtime), "%011" PRIo64, entry->mtime);
	snprintf(h.checksum, sizeof(h.checksum) - 1, "%06o", checksum(&h) & 0777777);
	h.checksum[7] = ' ';
	memcpy(ret, &h, sizeof(h));
	return 0;
}

/* A number in octal digits, ended by a NUL, a blank or the field. */
static int octal(const char *field, size_t size, uint64_t *ret)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < size && field[i] == ' '; i++)
		;
	if (i == size || field[i] < '0' || field[i] > '7')
		return -EINVAL;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		number = number << 3 | (uint64_t)(field[i] - '0');
	for (; i < size; i++)
		if (field[i] != '\0' && field[i] != ' ')
			return -EINVAL;
	*ret = number;
	return 0;
}

static const char *kind_words(char kind)
{
	switch (kind) {
	case '1':
	case '2':
		return "a link";
	case '3':
	case '4':
		return "a device";
	case '5':
		return "a directory";
	case '6':
		return "a FIFO";
	default:
		return "an extension of the tar format";
	}
}

static int check_name(const char *name, struct fault *reterr)
{
	char shown[USTAR_NAME_MAX + 1];

	snprintf(shown, sizeof(shown), "%s", name);
	for (char *c = shown; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	if (strcmp(shown, name) != 0 || !*name)
		return fault(reterr, -EINVAL, "backup.name",
			     "the name '%s' in the archive is empty or not of printable ASCII",
			     shown);
	if (*name == '/')
		return fault(reterr, -EINVAL, "backup.name",
			     "the archive holds the absolute name '%s'", shown);
	for (const char *part = name; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strcmp(part, "..") == 0 || strncmp(part, "../", 3) == 0)
			return fault(reterr, -EINVAL, "backup.name",
				     "the name '%s' leads out of the archive", shown);
	}
	return 0;
}

int ustar_decode(const uint8_t block[static USTAR_BLOCK], struct ustar_entry *ret,
		 struct fault *reterr)
{
	static const uint8_t zeros[USTAR_BLOCK];
	struct ustar_entry entry = {0};
	struct header h;
	uint64_t sum;
	int r;

	if (memcmp(block, zeros, sizeof(zeros)) == 0)
		return 0;
	memcpy(&h, block, sizeof(h));
	if (octal(h.checksum, sizeof(h.checksum), &sum) < 0 || sum != checksum(&h) ||
	    memcmp(h.magic, "ustar", 5) != 0)
		return fault(reterr, -EBADMSG, "backup.header",
			     "this is no tar archive, or it is damaged: a header is wrong");
	memcpy(entry.name, h.name, sizeof(h.name));
	r = check_name(entry.name, reterr);
	if (r < 0)
		return r;
	if (h.kind != '0' && h.kind != '\0')
		return fault(reterr, -EINVAL, "backup.kind",
			     "'%s' is %s: a backup holds regular files only", entry.name,
			     kind_words(h.kind));
	if (h.prefix[0] || octal(h.size, sizeof(h.size), &entry.size) < 0 ||
	    octal(h.mtime, sizeof(h.mtime), &entry.mtime) < 0 || entry.size > USTAR_SIZE_MAX)
		return fault(reterr, -EBADMSG, "backup.header",
			     "the header of '%s' is not one that weir writes", entry.name);
	*ret = entry;
	return 1;
}
