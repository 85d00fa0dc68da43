/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "audit/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "audit/directory.h"
#include "base/fs.h"

#define KEY_MODE     0400
#define KEY_SIZE_MAX 4096 /* bytes of the file; one has about 120 */

static int set_key(EVP_PKEY *key, const char *name, struct note_signer *ret)
{
	struct note_signer s = {.key = key};
	uint8_t public[NOTE_KEY_SIZE];
	size_t length = sizeof(public);
	int r;

	if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(key, public, &length) != 1 || length != sizeof(public))
		return -EINVAL;
	r = note_verifier_init(&s.verifier, name, public);
	if (r == 0)
		*ret = s;
	return r;
}

int key_generate(const char *name, struct note_signer *ret, struct fault *reterr)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	int r = key ? set_key(key, name, ret) : -EIO;

	if (r < 0) {
		EVP_PKEY_free(key);
		return fault(reterr, r, "audit.key", "cannot make a key for the audit log");
	}
	return 0;
}

/* The whole file into @buffer, if nobody else can have read it. Bytes or -errno. */
static ssize_t read_private(const char *path, char buffer[static KEY_SIZE_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		return -EPERM;
	if (st.st_size > KEY_SIZE_MAX)
		return -EINVAL;
	return file_read(fd, buffer, KEY_SIZE_MAX, 0);
}

static int no_password(char *buffer, int size, int writing, void *userdata)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)userdata;
	return -1; /* libcrypto would ask at the terminal */
}

int key_load(const char *path, const char *name, struct note_signer *ret, struct fault *reterr)
{
	char buffer[KEY_SIZE_MAX];
	ssize_t n = read_private(path, buffer);
	EVP_PKEY *key = NULL;
	BIO *bio;
	int r;

	if (n == -EPERM)
		return fault(reterr, -EPERM, "audit.key",
			     "the key %s must be a file of ours that nobody else may read "
			     "(chmod 0400)",
			     path);
	if (n < 0)
		return fault(reterr, (int)n, "audit.key", "cannot read the key %s: %s", path,
			     strerror((int)-n));
	bio = BIO_new_mem_buf(buffer, (int)n);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	explicit_bzero(buffer, sizeof(buffer));
	r = key ? set_key(key, name, ret) : -EINVAL;
	if (r < 0) {
		EVP_PKEY_free(key);
		return fault(reterr, r, "audit.key", "%s is no Ed25519 key in PEM", path);
	}
	return 0;
}

int key_store(const char *path, const struct note_signer *signer, struct fault *reterr)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	long length = 0;
	int r = -EIO;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, signer->key, NULL, NULL, 0, NULL, NULL) == 1)
		length = BIO_get_mem_data(bio, &data);
	if (length > 0)
		r = fs_replace_file(path, data, (size_t)length, KEY_MODE, NULL);
	if (length > 0)
		explicit_bzero(data, (size_t)length);
	BIO_free(bio);
	if (r < 0)
		return fault(reterr, r, "audit.key", "cannot write the key %s: %s", path,
			     strerror(-r));
	return 0;
}

void note_signer_done(struct note_signer *s)
{
	EVP_PKEY_free(s->key);
	*s = (struct note_signer){0};
}
