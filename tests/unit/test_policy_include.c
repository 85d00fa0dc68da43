/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policies of several files, and profiles: what is read from where, what is merged with what, what is
 * refused, and that one text of all says the same. */
#include "test_policy.h"

#define SERVICES "services: {web: {proto: tcp, dport: 80}}\n"

static struct policy *load(const char *path, const char *profile)
{
	const struct policy_options options = {.profile = profile};
	struct policy *p = NULL;
	struct fault f = {0};

	if (policy_load_with(path, &options, &p, &f) < 0)
		print_error("%s\n", f.text);
	assert_non_null(p);
	policy_collect(p);
	return p;
}

/* @words may hold one %s, for the directory. */
static void refuse(const struct directory *d, const char *path, int err, const char *code,
		   const char *words)
{
	struct policy *p = NULL;
	struct fault f = {0};
	char want[600], *at;

	at = strstr(words, "%s");
	snprintf(want, sizeof(want), "%.*s%s%s", at ? (int)(at - words) : (int)strlen(words), words,
		 at ? d->path : "", at ? at + 2 : "");
	assert_int_equal(policy_load(path, &p, &f), err);
	assert_null(p);
	if (!strstr(f.text, want))
		fail_msg("'%s' is not in: %s", want, f.text);
	assert_string_equal(f.code, code);
}

static void included_files_come_in_the_order_of_their_names(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL;

	put(d, "conf.d/b.yaml", "limits: [{name: third, scope: source, rate: 3/s}]\n");
	put(d, "conf.d/a.yaml",
	    SERVICES "limits: [{name: second, scope: source, service: web, rate: 2/s}]\n"
		     "lists: {block: {entries: [10.0.0.2]}, allow: {entries: [10.0.0.3]}}\n");
	put(d, "conf.d/ignored.txt", "not: read\n");
	p = load(put(d, "p.yaml",
		     HEAD "include: conf.d/*.yaml\n"
			  "limits: [{name: first, scope: source, rate: 1/s}]\n"
			  "lists: {block: {entries: [10.0.0.1]}}\n"),
		 NULL);
	assert_int_equal(p->file_count, 3);
	assert_int_equal(p->limit_count, 3);
	assert_string_equal(p->limits[0].name, "first");
	assert_string_equal(p->limits[1].name, "second");
	assert_string_equal(p->limits[2].name, "third");
	assert_int_equal(p->block.count, 2);
	assert_int_equal(p->allow.count, 1);
	assert_int_equal(p->service_count, 1);
}

static void one_text_of_all_files_says_the_same(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL, *again = NULL, *profile = NULL;
	_cleanup_(policy_freep) struct policy *files = NULL;
	const struct policy_options options = {.profile = "quiet"};
	struct fault f = {0};
	const char *path, *text;
	size_t length;

	put(d, "conf.d/a.yaml",
	    "# what is served\n" SERVICES
	    "limits:\n  - {name: web, scope: source, service: web, rate: 2/s}  # few\n");
	path = put(d, "p.yaml",
		   "# the policy\n\n" HEAD "include: [conf.d/*.yaml]\n"
		   "limits: [{name: first, scope: source, rate: 1/s}]\n"
		   "profiles: {quiet: {mode: monitor}}\n");
	assert_int_equal(policy_files(path, &files, &f), 0);
	text = files->text;
	length = files->length;
	assert_int_equal(length, strlen(text));
	assert_null(strstr(text, "include:"));
	assert_non_null(strstr(text, "#   conf.d/a.yaml\n"));
	assert_string_equal(policy_file_below(files, 1), "conf.d/a.yaml");
	assert_non_null(strstr(text, "# the policy\n"));
	assert_non_null(strstr(text, "# what is served\nservices:"));
	assert_non_null(strstr(text, "# few\n"));
	p = load(path, NULL);
	assert_string_equal(p->text, text);
	assert_int_equal(policy_parse("request", text, length, &again, &f), 0);
	assert_string_equal(again->sha256, p->sha256);
	assert_int_equal(again->limit_count, 2);
	assert_string_equal(again->limits[1].name, "web");
	assert_int_equal(policy_parse_with("request", text, length, &options, &profile, &f), 0);
	assert_int_equal(profile->mode, WEIR_MODE_MONITOR);
}

static void a_file_without_includes_is_its_own_text(void **state)
{
	_cleanup_(policy_freep) struct policy *p = NULL;

	assert_int_equal(policy_files(put(*state, "p.yaml", HEAD "# as it is\n"), &p, NULL), 0);
	assert_string_equal(p->text, HEAD "# as it is\n");
}

/* Else a generation made of an empty directory could never be applied again. */
static void one_text_of_files_never_includes(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL, *again = NULL;

	put(d, "conf.d/a.txt", "no policy");
	p = load(put(d, "p.yaml", HEAD "include: conf.d/*.yaml\n"), NULL);
	assert_null(strstr(p->text, "include:"));
	assert_int_equal(policy_parse("request", p->text, p->length, &again, NULL), 0);
}

static void the_text_of_files_is_the_same_wherever_they_lie(void **state)
{
	static const char *const names[] = {"p.yaml", "p.yaml.replaced-1", "elsewhere/q.yaml"};
	const struct directory *d = *state;
	_cleanup_free_ char *sha256 = NULL;

	put(d, "conf.d/a.yaml", "limits: [{name: a, scope: source, rate: 1/s}]\n");
	put(d, "elsewhere/x", "");
	put(d, "elsewhere/conf.d/a.yaml", "limits: [{name: a, scope: source, rate: 1/s}]\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(policy_freep) struct policy *p = NULL;

		p = load(put(d, names[i], HEAD "include: [conf.d/*.yaml]\n"), NULL);
		sha256 = sha256 ?: strdup(p->sha256);
		assert_string_equal(p->sha256, sha256);
	}
}

static void a_policy_is_written_as_a_profile_makes_it(void **state)
{
	static const char text[] =
		"# head\napiVersion: weir/v1\nmode: enforce # here\nlimits:\n"
		"  - {name: a, scope: source, rate: 1/s}\n"
		"profiles: {quiet: {mode: monitor, limits: [{name: a, rate: 2/s}]}}\n";
	_cleanup_free_ char *quiet = NULL, *plain = NULL, *unknown = NULL;
	struct fault f = {0};
	size_t length;

	(void)state;
	assert_int_equal(policy_effective(text, strlen(text), "quiet", &quiet, &length, &f), 0);
	assert_string_equal(quiet, "# head\napiVersion: weir/v1\nmode: monitor  # here\nlimits:\n"
				   "  - {name: a, scope: source, rate: 2/s}\n");
	assert_int_equal(length, strlen(quiet));
	assert_int_equal(policy_effective(text, strlen(text), NULL, &plain, &length, &f), 0);
	assert_non_null(strstr(plain, "mode: enforce  # here\n"));
	assert_null(strstr(plain, "profiles"));
	assert_int_equal(policy_effective(text, strlen(text), "x", &unknown, &length, &f), -EINVAL);
	assert_string_equal(f.code, "policy.profile.unknown");
}

static void files_may_include_files_and_paths_are_theirs(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL;

	put(d, "a/one.yaml", "include: ../b/two.yaml\nstate: {sources: 2k}\n");
	put(d, "b/two.yaml", "include: three.yaml\nmetadata: {owner: two}\n");
	put(d, "b/three.yaml", "apiVersion: weir/v1\nmetadata: {name: three}\n");
	p = load(put(d, "p.yaml", HEAD "include: a/one.yaml\n"), NULL);
	assert_string_equal(p->metadata.owner, "two");
	assert_string_equal(p->metadata.name, "three");
	assert_int_equal(p->sources, 2000);
}

static void a_directory_whose_name_is_a_pattern_is_taken_as_it_is(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL;
	const char *path;

	put(d, "[a]*/one.yaml", "state: {sources: 2k}\n");
	path = put(d, "[a]*/p.yaml", HEAD "include: o*.yaml\n");
	p = load(path, NULL);
	assert_int_equal(p->sources, 2000);
}

static void a_pattern_may_match_nothing_a_name_may_not(void **state)
{
	const struct directory *d = *state;

	policy_free(load(put(d, "p.yaml", HEAD "include: conf.d/*.yaml\n"), NULL));
	refuse(d, put(d, "p.yaml", HEAD "include: [conf.d/a.yaml]\n"), -ENOENT,
	       "policy.include.missing", "/p.yaml:3:11: there is no file %s/conf.d/a.yaml");
}

static void the_same_key_in_two_files_is_refused_with_both_places(void **state)
{
	const struct directory *d = *state;
	const char *path = put(d, "p.yaml",
			       HEAD SERVICES "tenants: {a: {dst: 10.0.0.0/8}}\n"
					     "packets: {other: drop}\n"
					     "include: b.yaml\n");
	static const char *const twice[][2] = {
		{"mode: enforce\n", "b.yaml:1:1: 'mode' is given in %s/p.yaml:2:1 already"},
		{SERVICES, "b.yaml:1:12: 'web' is given in %s/p.yaml:3:12 already"},
		{"tenants: {b: {dst: 11.0.0.0/8}, a: {src: 12.0.0.0/8}}\n",
		 "b.yaml:1:33: 'a' is given in %s/p.yaml:4:11 already"},
		{"packets: {malformed: drop, other: drop}\n",
		 "b.yaml:1:28: 'other' is given in %s/p.yaml:5:11 already"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(twice); i++) {
		put(d, "b.yaml", twice[i][0]);
		refuse(d, path, -EINVAL, "policy.include.twice", twice[i][1]);
	}
}

static void what_is_wrong_is_said_of_the_file_it_is_in(void **state)
{
	const struct directory *d = *state;
	const char *path = put(d, "p.yaml", HEAD "include: b.yaml\n");

	put(d, "b.yaml", "\nlimits:\n  - {name: a, scope: source, rate: 2k}\n");
	refuse(d, path, -EINVAL, "policy.unit.missing", "b.yaml:3:36: '2k' has no unit");
	put(d, "b.yaml", "limits: [\n");
	refuse(d, path, -EINVAL, "policy.yaml.syntax", "b.yaml:2:1: YAML: ");
	put(d, "b.yaml", "- a\n");
	refuse(d, path, -EINVAL, "policy.value.kind",
	       "b.yaml:1:1: a file of a policy is a mapping");
}

static void a_cycle_is_named_with_its_whole_way(void **state)
{
	const struct directory *d = *state;
	char words[400];

	put(d, "b.yaml", "include: c.yaml\n");
	put(d, "c.yaml", "include: p.yaml\n");
	snprintf(words, sizeof(words),
		 "c.yaml:1:10: %s/p.yaml includes %s/b.yaml includes %s/c.yaml includes %s/p.yaml",
		 d->path, d->path, d->path, d->path);
	refuse(d, put(d, "p.yaml", HEAD "include: b.yaml\n"), -ELOOP, "policy.include.cycle",
	       words);
	refuse(d, put(d, "p.yaml", HEAD "include: p.yaml\n"), -ELOOP, "policy.include.cycle",
	       "p.yaml includes ");
	put(d, "c.yaml", "state: {sources: 2k}\n");
	refuse(d, put(d, "p.yaml", HEAD "include: [b.yaml, c.yaml]\n"), -EINVAL,
	       "policy.include.twice", "%s/c.yaml is included a second time");
}

static void files_may_be_8_deep_not_9(void **state)
{
	const struct directory *d = *state;

	for (unsigned int depth = 8; depth <= 9; depth++) {
		char name[16], text[64];
		const char *path;

		for (unsigned int i = 1; i <= depth; i++) {
			snprintf(name, sizeof(name), "f%u.yaml", i);
			snprintf(text, sizeof(text),
				 i < depth ? "include: f%u.yaml\n" : "lists: {}\n", i + 1);
			put(d, name, text);
		}
		path = put(d, "p.yaml", HEAD "include: f1.yaml\n");
		if (depth == 8)
			policy_free(load(path, NULL));
		else
			refuse(d, path, -E2BIG, "policy.include.depth",
			       "f8.yaml:1:10: files include each other more than 8 deep");
	}
}

static void a_policy_may_have_256_files_not_257(void **state)
{
	const struct directory *d = *state;
	const char *path;

	for (unsigned int i = 0; i < 255; i++) {
		char name[32];

		snprintf(name, sizeof(name), "conf.d/%03u.yaml", i);
		put(d, name, "lists: {}\n");
	}
	path = put(d, "p.yaml", HEAD "include: conf.d/*.yaml\n");
	policy_free(load(path, NULL));
	put(d, "conf.d/255.yaml", "lists: {}\n");
	refuse(d, path, -E2BIG, "policy.include.count", "a policy of more than 256 files");
}

static void files_may_have_8_mib_in_all_not_more(void **state)
{
	const struct directory *d = *state;
	_cleanup_(text_done) struct text t = {.growing = true};
	const char *path = put(d, "p.yaml", HEAD "include: [a.yaml, b.yaml]\n");

	while (t.length < POLICY_TEXT_MAX / 2)
		text_puts(&t, "# a line of a comment that says nothing\n");
	text_puts(&t, "lists: {}\n");
	put(d, "a.yaml", t.data);
	put(d, "b.yaml", t.data);
	refuse(d, path, -E2BIG, "policy.text.long",
	       "p.yaml:3:19: the files of the policy are longer than 8388608 bytes in all");
}

static void files_that_others_could_have_written_are_refused(void **state)
{
	const struct directory *d = *state;
	const char *path = put(d, "p.yaml", HEAD "include: conf.d/*.yaml\n");
	char name[64];

	snprintf(name, sizeof(name), "%s", put(d, "conf.d/a.yaml", "lists: {}\n"));
	assert_int_equal(chmod(name, 0666), 0);
	refuse(d, path, -EPERM, "policy.file.writable",
	       "p.yaml:3:10: %s/conf.d/a.yaml: others can write to it");
	assert_int_equal(chmod(name, 0644), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(name, 12345, 0), 0);
		refuse(d, path, -EPERM, "policy.file.owner", "belongs to user 12345");
		assert_int_equal(chown(name, 0, 0), 0);
	}
	*strrchr(name, '/') = '\0';
	assert_int_equal(chmod(name, 0777), 0);
	refuse(d, path, -EPERM, "policy.file.writable", "others can add files to it");
	assert_int_equal(chmod(name, 0755), 0);
	policy_free(load(path, NULL));
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
	const struct directory *d = *state;
	const char *path = put(d, "p.yaml", HEAD "include: conf.d/*\n");
	char name[64];

	put(d, "conf.d/a", "lists: {}\n");
	snprintf(name, sizeof(name), "%s/conf.d/fifo", d->path);
	assert_int_equal(mkfifo(name, 0600), 0);
	refuse(d, path, -EINVAL, "policy.file.type",
	       "p.yaml:3:10: %s/conf.d/fifo: not a regular file");
	unlink(name);
	assert_int_equal(mkdir(name, 0755), 0);
	refuse(d, path, -EISDIR, "policy.file.read", "conf.d/fifo: Is a directory");
	rmdir(name);
	assert_int_equal(symlink("/dev/zero", name), 0);
	refuse(d, path, -EINVAL, "policy.file.type", "conf.d/fifo: not a regular file");
}

static void a_text_cannot_include(void **state)
{
	static const char text[] = HEAD "include: /etc/weir/a.yaml\n";
	struct policy *p = NULL;
	struct fault f = {0};

	(void)state;
	assert_int_equal(policy_parse("request", text, strlen(text), &p, &f), -EINVAL);
	assert_string_equal(f.code, "policy.include.text");
	assert_string_equal(f.text,
			    "request:3:10: this text has no place to look for files: include works "
			    "in files, and 'weir policy apply FILE' sends what they include along");
}

static void include_takes_patterns(void **state)
{
	const struct directory *d = *state;

	refuse(d, put(d, "p.yaml", HEAD "include: {a: b}\n"), -EINVAL, "policy.value.kind",
	       "p.yaml:3:10: 'include' takes patterns");
	refuse(d, put(d, "p.yaml", HEAD "include: [[a]]\n"), -EINVAL, "policy.include.pattern",
	       "p.yaml:3:11: an include is a path or pattern");
	refuse(d, put(d, "p.yaml", HEAD "include: ''\n"), -EINVAL, "policy.include.pattern",
	       "p.yaml:3:10: an include is a path or pattern");
}

/* Profiles. */
static const char profiles[] = HEAD
	"services: {web: {proto: tcp, dport: [80, 443]}, dns: {proto: udp}}\n"
	"lists: {allow: {entries: [10.0.0.1]}, block: {entries: [10.0.0.2]}}\n"
	"limits:\n"
	"  - {name: a, scope: source, rate: 1k/s, adaptive: {target: {softirq: 60%}, min: 10%}}\n"
	"  - {name: b, scope: source, service: web, rate: 2k/s}\n"
	"profiles:\n"
	"  production: {}\n"
	"  staging:\n"
	"    mode: monitor\n"
	"    services: {web: {dport: 8080}, new: {proto: tcp}}\n"
	"    lists: {block: {entries: [10.0.0.9, 10.0.0.8]}}\n"
	"    limits:\n"
	"      - {name: b, rate: 5k/s, shadow: true}\n"
	"      - {name: a, adaptive: {target: {posted: 5}}}\n"
	"      - {name: c, scope: global, rate: 1M/s}\n";

static void a_profile_is_laid_over_the_policy(void **state)
{
	const char *path = put(*state, "p.yaml", profiles);
	_cleanup_(policy_freep) struct policy *p = load(path, "staging");

	assert_string_equal(p->profile, "staging");
	assert_string_equal(p->text, profiles);
	assert_int_equal(p->mode, WEIR_MODE_MONITOR);
	assert_int_equal(p->service_count, 3);
	assert_int_equal(p->services[0].port_count, 1);
	assert_int_equal(p->services[0].ports[0].first, 8080);
	assert_true(p->services[0].protocols[POLICY_TCP]);
	assert_int_equal(p->allow.count, 1);
	assert_int_equal(p->block.count, 2);
	assert_int_equal(p->limit_count, 3);
	assert_string_equal(p->limits[0].name, "a");
	assert_int_equal(p->limits[0].adaptive.target, POLICY_TARGET_POSTED);
	assert_int_equal(p->limits[0].adaptive.min, 100);
	assert_int_equal(p->limits[1].rate.count, 5000);
	assert_true(p->limits[1].shadow);
	assert_ptr_equal(p->limits[1].service, &p->services[0]);
	assert_string_equal(p->limits[2].name, "c");
}

static void without_a_choice_no_profile_holds(void **state)
{
	const char *path = put(*state, "p.yaml", profiles);
	_cleanup_(policy_freep) struct policy *p = load(path, NULL);
	_cleanup_(policy_freep) struct policy *production = load(path, "production");

	assert_null(p->profile);
	assert_int_equal(p->mode, WEIR_MODE_ENFORCE);
	assert_int_equal(p->limit_count, 2);
	assert_int_equal(production->limit_count, 2);
	assert_int_equal(production->mode, WEIR_MODE_ENFORCE);
}

static void an_unknown_profile_gets_a_suggestion(void **state)
{
	const struct policy_options options = {.profile = "stagging"};
	struct policy *p = NULL;
	struct fault f = {0};

	assert_int_equal(policy_load_with(put(*state, "p.yaml", profiles), &options, &p, &f),
			 -EINVAL);
	assert_string_equal(f.code, "policy.profile.unknown");
	assert_non_null(strstr(f.text, "there is no profile 'stagging'; did you mean 'staging'?"));
	assert_int_equal(policy_load_with(put(*state, "p.yaml", HEAD), &options, &p, &f), -EINVAL);
	assert_non_null(strstr(f.text, "there is no profile 'stagging'; none is defined"));
}

static void profiles_that_are_not_chosen_are_checked(void **state)
{
	static const char *const wrong[][2] = {
		{"profiles: {a: {mode: of}}\n",
		 "p.yaml:3:22: unknown mode 'of'; did you mean 'off'?"},
		{"profiles: {a: {apiVersion: weir/v1}}\n",
		 "p.yaml:3:16: unknown key 'apiVersion' in a profile"},
		{"profiles: {a: {profiles: {}}}\n",
		 "p.yaml:3:16: unknown key 'profiles' in a profile"},
		{"profiles: {a: {include: b}}\n",
		 "p.yaml:3:16: unknown key 'include' in a profile"},
		{"profiles: {a: {limits: [{name: x, rate: 1k/s}]}}\n",
		 "p.yaml:3:25: 'scope' is missing from a limit"},
		{"profiles: {A: {}}\n", "p.yaml:3:12: 'A' is no name"},
		{"profiles: {a: {}, a: {}}\n",
		 "p.yaml:3:19: profile 'a' is already defined in line 3"},
		{"profiles: {a: 5}\n", "p.yaml:3:15: profile 'a' takes a mapping"},
		{"profiles: [a]\n",
		 "p.yaml:3:11: 'profiles' takes a mapping of profiles, not a list"},
	};
	const struct directory *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[256];
		struct policy *p = NULL;
		struct fault f = {0};

		snprintf(text, sizeof(text), HEAD "%s", wrong[i][0]);
		assert_int_equal(policy_load(put(d, "p.yaml", text), &p, &f), -EINVAL);
		if (!strstr(f.text, wrong[i][1]))
			fail_msg("'%s' is not in: %s", wrong[i][1], f.text);
	}
}

static void profiles_may_be_16_not_17(void **state)
{
	for (unsigned int n = 16; n <= 17; n++) {
		_cleanup_(text_done) struct text t = {.growing = true};
		const char *path;

		text_puts(&t, HEAD "profiles:\n");
		for (unsigned int i = 0; i < n; i++)
			text_printf(&t, "  p%u: {}\n", i);
		path = put(*state, "p.yaml", t.data);
		if (n == 16)
			policy_free(load(path, "p15"));
		else
			refuse(*state, path, -E2BIG, "policy.count", "more than 16 profiles");
	}
}

static void profiles_may_stand_in_included_files(void **state)
{
	const struct directory *d = *state;
	_cleanup_(policy_freep) struct policy *p = NULL;

	put(d, "b.yaml", "profiles: {b: {mode: off}}\n");
	p = load(put(d, "p.yaml", HEAD "include: b.yaml\nprofiles: {a: {mode: monitor}}\n"), "b");
	assert_int_equal(p->mode, WEIR_MODE_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(included_files_come_in_the_order_of_their_names),
		in_directory(one_text_of_all_files_says_the_same),
		in_directory(a_file_without_includes_is_its_own_text),
		in_directory(one_text_of_files_never_includes),
		in_directory(the_text_of_files_is_the_same_wherever_they_lie),
		cmocka_unit_test(a_policy_is_written_as_a_profile_makes_it),
		in_directory(files_may_include_files_and_paths_are_theirs),
		in_directory(a_directory_whose_name_is_a_pattern_is_taken_as_it_is),
		in_directory(a_pattern_may_match_nothing_a_name_may_not),
		in_directory(the_same_key_in_two_files_is_refused_with_both_places),
		in_directory(what_is_wrong_is_said_of_the_file_it_is_in),
		in_directory(a_cycle_is_named_with_its_whole_way),
		in_directory(files_may_be_8_deep_not_9),
		in_directory(a_policy_may_have_256_files_not_257),
		in_directory(files_may_have_8_mib_in_all_not_more),
		in_directory(files_that_others_could_have_written_are_refused),
		in_directory(what_is_no_file_is_refused_without_waiting),
		cmocka_unit_test(a_text_cannot_include),
		in_directory(include_takes_patterns),
		in_directory(a_profile_is_laid_over_the_policy),
		in_directory(without_a_choice_no_profile_holds),
		in_directory(an_unknown_profile_gets_a_suggestion),
		in_directory(profiles_that_are_not_chosen_are_checked),
		in_directory(profiles_may_be_16_not_17),
		in_directory(profiles_may_stand_in_included_files),
	};

	return cmocka_run_group_tests_name("policy_include", tests, NULL, NULL);
}
