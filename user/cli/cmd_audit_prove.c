/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Proofs of the audit log: that a record is in it, that it was only ever appended to; and all of it for other tools. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/base64.h"
#include "audit/incarnation.h"
#include "audit/keyring.h"
#include "audit/proof.h"
#include "audit/tlog.h"
#include "audit/verify.h"
#include "base/fs.h"
#include "cli/render.h"

#define UUID_LENGTH 36

static const char *audit_dir(const struct cli *cli)
{
	return cli_value(cli, CLI_OPTION_DIR, CLI_STATE_DIR "/audit");
}

/* An event_id, without its dashes. */
static int parse_id(const char *text, uint8_t ret[static AUDIT_ID_SIZE])
{
	char digits[2 * AUDIT_ID_SIZE + 1];
	size_t length = 0;

	if (strlen(text) != UUID_LENGTH)
		return -EINVAL;
	for (const char *c = text; *c && length < sizeof(digits); c++)
		if (*c != '-')
			digits[length++] = *c;
	if (length != 2 * AUDIT_ID_SIZE)
		return -EINVAL;
	return hex_parse(digits, AUDIT_ID_SIZE, ret);
}

/* Who signed, and why that counts. */
struct signer {
	char key[NOTE_VERIFIER_SIZE];
	enum audit_signature signature;
};

/*
 * A signature by the key that was given, or by one that it leads to by @rotations (rotation_follow()); without one by a key
 * of the log in the directory, if there is one: a proof of which nobody knows who signed it proves nothing.
 */
static int check_signer(const struct cli *cli, const struct note *note,
			const struct rotation_list *rotations, uint64_t end, bool back,
			struct signer *ret, struct fault *reterr)
{
	_cleanup_(keyring_list_done) struct keyring_list list = {0};
	const char *text = cli_value(cli, CLI_OPTION_KEY, NULL);
	struct note_verifier key, by;
	bool followed;
	int r;

	if (text) {
		r = note_verifier_parse(text, &key, reterr);
		r = r ?: rotation_signer(rotations, &key, note, end, back, &by, &followed, reterr);
		if (r == 0) {
			note_verifier_format(&by, ret->key);
			ret->signature =
				followed ? AUDIT_SIGNATURE_FOLLOWED : AUDIT_SIGNATURE_GIVEN;
		}
		return r;
	}
	if (keyring_list_read(audit_dir(cli), &list, reterr) < 0)
		return fault(reterr, -ENOKEY, "proof.key",
			     "whose signature counts? give the log's verifier key by --key, or a "
			     "log that has it by --dir");
	r = -ENOKEY;
	ret->signature = AUDIT_SIGNATURE_OWN;
	for (size_t i = 0; i < list.count && r == -ENOKEY; i++) {
		r = note_verify(note, &list.keys[i].verifier, reterr);
		note_verifier_format(&list.keys[i].verifier, ret->key);
	}
	return r;
}

static const char *why(const struct signer *s)
{
	switch (s->signature) {
	case AUDIT_SIGNATURE_OWN:
		return "; the key is from the log's own list";
	case AUDIT_SIGNATURE_FOLLOWED:
		return ", to which the key given leads";
	default:
		return "";
	}
}

static int print_checked(const struct cli *cli, const struct proof *p, const struct signer *signer)
{
	_cleanup_(json_decrefp) json_t *answer = NULL;
	char root[AUDIT_HASH_TEXT], hash[AUDIT_HASH_TEXT];
	json_t *record = NULL;

	if (p->expired)
		hex_format(p->record, AUDIT_HASH_SIZE, hash);
	else
		record = json_loadb((const char *)p->record, p->record_length, 0, NULL);
	if (!cli->json) {
		json_decref(record);
		if (p->expired) {
			cli_say(cli, "expired, of the hash %s", hash);
		} else {
			fwrite(p->record, 1, p->record_length, cli->out);
			fputc('\n', cli->out);
		}
		cli_talk(cli, "leaf %" PRIu64 " of the %" PRIu64 " that %s signed%s", p->leaf,
			 p->checkpoint.size, signer->key, why(signer));
		return CLI_OK;
	}
	hex_format(p->checkpoint.root, AUDIT_HASH_SIZE, root);
	answer = json_pack("{s:b, s:I, s:s, s:I, s:s, s:s, s:s, s:o?, s:s?}", "ok", 1, "leaf",
			   (json_int_t)p->leaf, "origin", p->checkpoint.origin, "records",
			   (json_int_t)p->checkpoint.size, "root", root, "signer", signer->key,
			   "signature", audit_signature_to_str(signer->signature), "record", record,
			   "expired_hash", p->expired ? hash : NULL);
	return render_json(cli, answer);
}

static int check_proof(const struct cli *cli, const char *file)
{
	_cleanup_free_ struct proof *p = calloc(1, sizeof(*p));
	_cleanup_free_ char *text = NULL;
	struct signer signer;
	struct fault f = {0};
	size_t length;
	int exit, r = p ? fs_read_file(file, PROOF_SIZE_MAX, &text, &length, &f) : -ENOMEM;

	if (!p)
		return cli_fail(cli, CLI_FAILED, "cli.memory", "out of memory", NULL);
	r = r ?: proof_parse(text, length, p, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	r = proof_check(p, &f);
	r = r ?: check_signer(cli, &p->note, &p->rotations, UINT64_MAX, false, &signer, &f);
	exit = r < 0 ? cli_fault(cli, &f) : print_checked(cli, p, &signer);
	proof_done(p);
	return exit;
}

int cmd_audit_prove(struct cli *cli)
{
	const char *what = cli_operand(cli, 0, "");
	_cleanup_free_ char *text = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	uint8_t id[AUDIT_ID_SIZE];
	struct fault f = {0};
	uint64_t index;
	size_t length;
	int r = 0;

	if (cli_value(cli, CLI_OPTION_CHECK, NULL))
		return check_proof(cli, what);
	if (cli_value(cli, CLI_OPTION_KEY, NULL))
		return cli_usage(cli, "--key goes with --check");
	if (parse_u64(what, 0, AUDIT_INDEX_MAX, &index) < 0) {
		if (parse_id(what, id) < 0)
			return cli_usage(cli, "'%s' is neither an event_id nor an index", what);
		r = proof_find(audit_dir(cli), id, &index, &f);
	}
	r = r ?: proof_make(audit_dir(cli), index, &text, &length, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	if (!cli->json) {
		fwrite(text, 1, length, cli->out);
		return CLI_OK;
	}
	answer = json_pack("{s:s%}", "proof", text, length);
	return render_json(cli, answer);
}

/* OLD or NEW: a number of records, or a checkpoint in a file. */
struct side {
	uint64_t size;
	uint8_t root[AUDIT_HASH_SIZE];
	bool has_root;
	char origin[NOTE_NAME_MAX + 1]; /* if it is a checkpoint */
	char *text;
	size_t length;
	struct note *note;
};

static void side_done(struct side *s)
{
	free(s->text);
	free(s->note);
}

static int read_side(const struct cli *cli, const char *words, struct side *ret)
{
	struct checkpoint c;
	struct fault f = {0};
	int r;

	*ret = (struct side){0};
	if (parse_u64(words, 0, AUDIT_INDEX_MAX, &ret->size) == 0)
		return CLI_OK;
	ret->note = malloc(sizeof(*ret->note));
	r = ret->note ? fs_read_file(words, NOTE_SIZE_MAX, &ret->text, &ret->length, &f)
		      : fault(&f, -ENOMEM, "cli.memory", "out of memory");
	r = r ?: note_parse(ret->text, ret->length, ret->note, &f);
	r = r ?: checkpoint_parse(ret->note, &c, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	ret->size = c.size;
	memcpy(ret->root, c.root, sizeof(c.root));
	ret->has_root = true;
	snprintf(ret->origin, sizeof(ret->origin), "%s", c.origin);
	return CLI_OK;
}

/* The log has the tree that the checkpoint states; or state the log's. */
static int check_side(struct proof_tree *t, struct side *s, struct fault *reterr)
{
	uint8_t root[AUDIT_HASH_SIZE];
	int r = proof_tree_root(t, s->size, root, reterr);

	if (r < 0)
		return r;
	if (s->has_root && memcmp(root, s->root, sizeof(root)) != 0)
		return fault(reterr, -EBADMSG, "proof.inconsistent",
			     "the checkpoint of %" PRIu64 " records is not of this log: it has "
			     "another root there",
			     s->size);
	memcpy(s->root, root, sizeof(root));
	return 0;
}

/* Before which record a rotation leads to who signed @size leaves. Where indexes were given twice, its signatures have to do. */
static uint64_t end_of(const struct proof_tree *t, uint64_t size)
{
	return t->incarnation ? UINT64_MAX : size;
}

/*
 * Both are signed by who counts. If a key is given, the log's own checkpoint has to be, too, by that key or one after it:
 * it is what says that a tree of an earlier key's is a beginning of the tree of this one's.
 */
static int check_signers(const struct cli *cli, const struct proof_tree *t, const struct side *old,
			 const struct side *new, struct fault *reterr)
{
	_cleanup_(rotation_list_done) struct rotation_list rotations = {0};
	struct signer signer;
	int r = 0;

	if (!old->note && !new->note)
		return 0;
	if (cli_value(cli, CLI_OPTION_KEY, NULL)) {
		r = rotation_list_read(audit_dir(cli), &rotations, reterr);
		r = r
			    ?: check_signer(cli, &t->note, &rotations,
					    end_of(t, t->checkpoint.size), false, &signer, reterr);
	}
	if (r == 0 && old->note)
		r = check_signer(cli, old->note, &rotations, end_of(t, old->size), true, &signer,
				 reterr);
	if (r == 0 && new->note)
		r = check_signer(cli, new->note, &rotations, end_of(t, new->size), true, &signer,
				 reterr);
	return r;
}

/* As a witness takes it (c2sp.org/tlog-witness): old size, hashes, and the new checkpoint if it is one. */
static int print_consistency(const struct cli *cli, const struct side *old, const struct side *new,
			     const struct merkle_proof *p)
{
	_cleanup_(text_done) struct text t = {.growing = true};
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *hashes = json_array();

	text_printf(&t, "old %" PRIu64 "\n", old->size);
	for (size_t i = 0; i < p->count; i++) {
		char hash[BASE64_LENGTH(AUDIT_HASH_SIZE) + 1];
		struct text one;

		text_init(&one, hash, sizeof(hash));
		base64_put(&one, p->hashes[i], AUDIT_HASH_SIZE);
		json_array_append_new(hashes, json_string(hash));
		text_printf(&t, "%s\n", hash);
	}
	text_puts(&t, "\n");
	text_put(&t, new->text ?: "", new->length);
	answer = json_pack("{s:b, s:I, s:I, s:o}", "ok", 1, "old", (json_int_t)old->size, "new",
			   (json_int_t) new->size, "hashes", hashes);
	if (cli->json)
		return render_json(cli, answer);
	fwrite(t.data, 1, t.length, cli->out);
	cli_talk(cli, "the tree of %" PRIu64 " records begins with that of %" PRIu64, new->size,
		 old->size);
	return CLI_OK;
}

/* The tree of the incarnation that the checkpoints are of; of two numbers, the last one's. */
static int open_sides(const struct cli *cli, const struct side *old, const struct side *new,
		      struct proof_tree **ret, struct fault *reterr)
{
	const char *origin = *new->origin ? new->origin : old->origin;
	uint32_t count = 1, number = incarnation_of_origin(origin);
	int r;

	if (*old->origin && strcmp(old->origin, origin) != 0)
		return fault(reterr, -EINVAL, "proof.origin",
			     "OLD is of '%.80s' and NEW of '%.80s': these are two logs",
			     old->origin, origin);
	if (!*origin)
		return proof_tree_open(audit_dir(cli), UINT64_MAX, ret, reterr);
	r = proof_incarnations(audit_dir(cli), &count, reterr);
	if (r < 0)
		return r;
	return proof_tree_open_number(audit_dir(cli), number < count ? number : 0, ret, reterr);
}

int cmd_audit_consistency(struct cli *cli)
{
	_cleanup_(proof_tree_freep) struct proof_tree *t = NULL;
	struct side old = {0}, new = {0};
	struct merkle_proof p;
	struct fault f = {0};
	int exit = read_side(cli, cli_operand(cli, 0, ""), &old), r;

	exit = exit ?: read_side(cli, cli_operand(cli, 1, ""), &new);
	if (exit == CLI_OK) {
		r = open_sides(cli, &old, &new, &t, &f);
		r = r ?: check_signers(cli, t, &old, &new, &f);
		r = r ?: check_side(t, &old, &f);
		r = r ?: check_side(t, &new, &f);
		r = r ?: proof_tree_consistency(t, old.size, new.size, &p, &f);
		if (r == 0 && merkle_check_consistency(&t->hasher, old.size, old.root, new.size,
						       new.root, &p) < 0)
			r = fault(&f, -EBADMSG, "proof.inconsistent",
				  "NEW does not begin with OLD");
		exit = r < 0 ? cli_fault(cli, &f) : print_consistency(cli, &old, &new, &p);
	}
	side_done(&old);
	side_done(&new);
	return exit;
}

/* One incarnation; those after the first go to a directory of their own. */
static int write_tlog(const struct cli *cli, uint32_t number, const char *directory, json_t *all)
{
	char path[PATH_MAX];
	struct tlog_written w;
	struct fault f = {0};
	int n = number ? snprintf(path, sizeof(path), "%s/%" PRIu32, directory, number)
		       : snprintf(path, sizeof(path), "%s", directory);

	if (n >= PATH_MAX)
		return cli_usage(cli, "%s is too long a path", directory);
	if (number)
		mkdir(directory, 0700); /* if nothing of the first one could be written */
	if (tlog_write(audit_dir(cli), number, path, &w, &f) < 0)
		return cli_fault(cli, &f);
	json_array_append_new(all, json_pack("{s:s, s:s, s:I, s:I}", "directory", path, "origin",
					     w.checkpoint.origin, "records",
					     (json_int_t)w.checkpoint.size, "bundles_left_out",
					     (json_int_t)w.bundles_left_out));
	if (cli->json)
		return CLI_OK;
	cli_say(cli, "%s: %" PRIu64 " records of %s", path, w.checkpoint.size, w.checkpoint.origin);
	if (w.bundles_left_out)
		cli_say(cli,
			"  %" PRIu64 " files of entries are left out: records in them expired, and "
			"no archive has them",
			w.bundles_left_out);
	return CLI_OK;
}

/* What cannot be written of one incarnation keeps nobody from the others. */
int cmd_audit_tlog(struct cli *cli)
{
	const char *directory = cli_operand(cli, 0, "");
	_cleanup_(json_decrefp) json_t *answer = NULL;
	json_t *all = json_array();
	struct fault f = {0};
	uint32_t count;
	int exit = CLI_OK;

	answer = json_pack("{s:o}", "incarnations", all);
	if (proof_incarnations(audit_dir(cli), &count, &f) < 0)
		return cli_fault(cli, &f);
	for (uint32_t number = 0; number < count; number++) {
		int written = write_tlog(cli, number, directory, all);

		if (written != CLI_OK)
			exit = written;
	}
	if (!json_array_size(all) || !cli->json)
		return exit;
	return render_json(cli, answer) ?: exit;
}
