/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Write a policy the one way that all are written: to stdout, or in its place; or only ask whether it
 * is written so. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli/policy_file.h"
#include "cli/render.h"
#include "policy/fmt.h"
#include "policy/policy.h"

static int read_stream(FILE *stream, char **ret, size_t *ret_length)
{
	_cleanup_free_ char *text = malloc(POLICY_TEXT_MAX + 1);

	if (!text)
		return -ENOMEM;
	*ret_length = fread(text, 1, POLICY_TEXT_MAX + 1, stream);
	if (ferror(stream))
		return -EIO;
	*ret = take_ptr(text);
	return 0;
}

static int read_file(const char *path, char **ret, size_t *ret_length)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	/* O_NONBLOCK: the open of a fifo must not wait for somebody to write to it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	file = fdopen(fd, "r");
	if (!file)
		return -errno;
	take_fd(&fd);
	return read_stream(file, ret, ret_length);
}

static int read_input(const char *path, char **ret, size_t *ret_length, struct fault *reterr)
{
	int r;

	if (strcmp(path, "-") == 0)
		r = read_stream(stdin, ret, ret_length);
	else
		r = read_file(path, ret, ret_length);
	if (r < 0)
		return fault(reterr, r, "policy.file.read", "%.300s: %s", path, strerror(-r));
	return 0;
}

/* What the profile makes of it, with all that it includes. */
static int write_effective(const struct cli *cli, const char *path, const char *profile)
{
	const struct policy_options options = {.profile = profile};
	_cleanup_free_ char *text = NULL, *effective = NULL;
	_cleanup_(policy_freep) struct policy *policy = NULL;
	size_t length = 0;
	struct fault f = {0};
	int r;

	if (strcmp(path, "-") != 0) {
		r = policy_load_with(path, &options, &policy, &f);
	} else {
		r = read_input(path, &text, &length, &f);
		if (r == 0)
			r = policy_parse_with(path, text, length, &options, &policy, &f);
	}
	if (r == 0)
		r = policy_effective(policy->text, policy->length, profile, &effective, &length,
				     &f);
	if (r < 0)
		return cli_fault(cli, &f);
	if (fwrite(effective, 1, length, cli->out) != length)
		return cli_fail(cli, CLI_FAILED, "cli.output", "cannot write", NULL);
	return CLI_OK;
}

int cmd_policy_fmt(struct cli *cli)
{
	bool effective = cli_value(cli, CLI_OPTION_PROFILE, NULL);
	bool write = cli_value(cli, CLI_OPTION_WRITE, NULL);
	bool check = cli_value(cli, CLI_OPTION_CHECK, NULL);
	const char *path = cli_operand(cli, 0, "-");
	_cleanup_free_ char *text = NULL, *formatted = NULL;
	size_t length = 0, formatted_length = 0;
	struct fault f = {0};
	bool same;
	int r;

	if (write && (check || strcmp(path, "-") == 0))
		return cli_usage(cli, "--write takes a FILE and no --check");
	if (effective && (write || check))
		return cli_usage(cli, "--profile shows what the profile makes of it: no --write, "
				      "no --check");
	if (effective)
		return write_effective(cli, path, policy_file_profile(cli, NULL));
	r = read_input(path, &text, &length, &f);
	if (r == 0)
		r = policy_fmt(path, text, length, &formatted, &formatted_length, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	same = length == formatted_length && memcmp(text, formatted, length) == 0;
	if (check && same)
		return CLI_OK;
	if (check)
		return cli_fail(cli, CLI_FAILED, "policy.fmt.differs",
				"it is not written as 'weir policy fmt' writes it", NULL);
	if (write && !same)
		r = fs_replace_file(path, formatted, formatted_length, 0600, &f);
	if (r < 0)
		return cli_fault(cli, &f);
	if (!write && fwrite(formatted, 1, formatted_length, cli->out) != formatted_length)
		return cli_fail(cli, CLI_FAILED, "cli.output", "cannot write", NULL);
	return CLI_OK;
}
