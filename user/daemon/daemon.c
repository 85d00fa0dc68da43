/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/daemon.h"

#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <uv.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/anchor.h"
#include "daemon/watch.h"
#include "engine/engine.h"

struct daemon {
	uv_loop_t loop;
	uv_signal_t terminate, interrupt, reload;
	uv_timer_t tick;
	uv_async_t recorder; /* sent from the recorder's thread */
	struct watch interfaces;
	struct anchor anchor;
	struct engine *engine;
	struct api *api;
	bool stopping;
};

struct settings {
	const char *policy, *socket, *state_dir, *pin_dir, *metrics_address, *profile, *vault_key,
		*anchor_dir;
	const char *ifaces[DATAPATH_LINKS_MAX];
	size_t iface_count;
	char iface[DATAPATH_NAMES_SIZE]; /* all of them, for people */
	char words[DATAPATH_NAMES_SIZE]; /* what ifaces point to */
	size_t words_length;
	bool allow_generic, wait_for_iface, json, help;
};

enum {
	OPT_IFACE = 256,
	OPT_POLICY,
	OPT_SOCKET,
	OPT_STATE,
	OPT_BPFFS,
	OPT_METRICS,
	OPT_FOREGROUND,
	OPT_GENERIC,
	OPT_WAIT,
	OPT_JSON,
	OPT_HELP,
	OPT_PROFILE,
	OPT_VAULT_KEY,
	OPT_ANCHOR_DIR,
};

static const struct {
	struct option option;
	const char *argument, *help;
} option_table[] = {
	{{"iface", required_argument, NULL, OPT_IFACE},
	 "NAME",
	 "interface to protect (required); up to 16, as NAME,NAME or one --iface each"},
	{{"policy", required_argument, NULL, OPT_POLICY}, "FILE", "policy to enforce (required)"},
	{{"socket", required_argument, NULL, OPT_SOCKET},
	 "PATH",
	 "control socket [/run/weir/weir.sock]"},
	{{"state-dir", required_argument, NULL, OPT_STATE},
	 "DIR",
	 "audit chain and database [/var/lib/weir]"},
	{{"bpffs", required_argument, NULL, OPT_BPFFS}, "DIR", "pins [/sys/fs/bpf/weir]"},
	{{"metrics-listen", required_argument, NULL, OPT_METRICS},
	 "ADDR:PORT",
	 "serve /metrics on TCP too, for example at 127.0.0.1:9477"},
	{{"foreground", no_argument, NULL, OPT_FOREGROUND},
	 "",
	 "stay in the foreground, which is what the daemon always does"},
	{{"generic", no_argument, NULL, OPT_GENERIC},
	 "",
	 "accept the slow generic mode if the driver has no native XDP"},
	{{"wait-for-iface", no_argument, NULL, OPT_WAIT},
	 "",
	 "start even if an interface is not there yet, and attach as soon as it is"},
	{{"log-json", no_argument, NULL, OPT_JSON}, "", "log JSON lines instead of logfmt"},
	{{"help", no_argument, NULL, OPT_HELP}, "", "this text"},
	{{"profile", required_argument, NULL, OPT_PROFILE},
	 "NAME",
	 "profile of the policy that holds on this host"},
	{{"vault-key", required_argument, NULL, OPT_VAULT_KEY},
	 "FILE",
	 "key of what records say about people, or keyring:NAME [DIR/keys/vault.key]"},
	{{"anchor-dir", required_argument, NULL, OPT_ANCHOR_DIR},
	 "DIR",
	 "programs that a policy may give checkpoints to [" ANCHOR_DIR "]"},
};

static void print_help(void)
{
	puts("usage: weir daemon --iface NAME --policy FILE [options]\n");
	for (size_t i = 0; i < ARRAY_SIZE(option_table); i++)
		printf("  --%-14s %-9s  %s\n", option_table[i].option.name,
		       option_table[i].argument, option_table[i].help);
	puts("\nSIGHUP applies the policy file again; SIGTERM ends the daemon and leaves enforcement in\n"
	     "place. 'weir detach' ends enforcement.");
}

static int add_interface(struct settings *s, const char *name, size_t length)
{
	size_t used = strlen(s->iface);
	char *word = s->words + s->words_length;

	if (!length || length >= IF_NAMESIZE) {
		fprintf(stderr, "weir daemon: '%.*s' is no name of an interface\n", (int)length,
			name);
		return 2;
	}
	if (s->iface_count == DATAPATH_LINKS_MAX) {
		fprintf(stderr, "weir daemon: %u interfaces at most\n", DATAPATH_LINKS_MAX);
		return 2;
	}
	memcpy(word, name, length);
	word[length] = '\0';
	for (size_t i = 0; i < s->iface_count; i++)
		if (strcmp(s->ifaces[i], word) == 0) {
			fprintf(stderr, "weir daemon: --iface %s is given twice\n", word);
			return 2;
		}
	snprintf(s->iface + used, sizeof(s->iface) - used, "%s%s", used ? "," : "", word);
	s->words_length += length + 1;
	s->ifaces[s->iface_count++] = word;
	return 0;
}

/* One name, or several with commas between. */
static int add_interfaces(struct settings *s, const char *list)
{
	for (;;) {
		size_t length = strcspn(list, ",");
		int r = add_interface(s, list, length);

		if (r || !list[length])
			return r;
		list += length + 1;
	}
}

static int parse_options(int argc, char **argv, struct settings *s)
{
	struct option options[ARRAY_SIZE(option_table) + 1] = {0};
	int option;

	for (size_t i = 0; i < ARRAY_SIZE(option_table); i++)
		options[i] = option_table[i].option;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case OPT_IFACE:
			if (add_interfaces(s, optarg))
				return 2;
			break;
		case OPT_POLICY:
			s->policy = optarg;
			break;
		case OPT_SOCKET:
			s->socket = optarg;
			break;
		case OPT_STATE:
			s->state_dir = optarg;
			break;
		case OPT_BPFFS:
			s->pin_dir = optarg;
			break;
		case OPT_METRICS:
			s->metrics_address = optarg;
			break;
		case OPT_FOREGROUND:
			break;
		case OPT_GENERIC:
			s->allow_generic = true;
			break;
		case OPT_WAIT:
			s->wait_for_iface = true;
			break;
		case OPT_JSON:
			s->json = true;
			break;
		case OPT_PROFILE:
			s->profile = optarg;
			break;
		case OPT_VAULT_KEY:
			s->vault_key = optarg;
			break;
		case OPT_ANCHOR_DIR:
			s->anchor_dir = optarg;
			break;
		case OPT_HELP:
			s->help = true;
			return 0;
		default:
			return 2; /* getopt has named the option */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "weir daemon: unexpected argument '%s'\n", argv[optind]);
		return 2;
	}
	if (!s->iface_count || !s->policy) {
		fprintf(stderr, "weir daemon: --%s is required\n",
			s->iface_count ? "policy" : "iface");
		return 2;
	}
	return 0;
}

static void wake_loop(void *userdata)
{
	struct daemon *d = userdata;

	uv_async_send(&d->recorder);
}

static void measure(void *userdata)
{
	struct daemon *d = userdata;

	api_measure(d->api);
}

static void on_recorder(uv_async_t *handle)
{
	struct daemon *d = handle->data;

	if (d->engine)
		engine_recorder_completions(d->engine);
}

static void on_interfaces(void *userdata)
{
	struct daemon *d = userdata;

	engine_links_changed(d->engine);
}

static void on_tick(uv_timer_t *handle)
{
	struct daemon *d = handle->data;

	uv_timer_start(handle, on_tick, engine_tick(d->engine), 0);
}

/* The engine first: it releases what the API holds back until it is durable. */
static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	watch_stop(&d->interfaces);
	if (d->anchor.engine)
		anchor_stop(&d->anchor);
	api_quiesce(d->api);
	engine_close(take_ptr(d->engine));
	api_stop(take_ptr(d->api));
	uv_close((uv_handle_t *)&d->terminate, NULL);
	uv_close((uv_handle_t *)&d->interrupt, NULL);
	uv_close((uv_handle_t *)&d->reload, NULL);
	uv_close((uv_handle_t *)&d->tick, NULL);
	uv_close((uv_handle_t *)&d->recorder, NULL);
}

static void on_terminate(uv_signal_t *handle, int number)
{
	log_info("stopping; enforcement stays in place", "signal", strsignal(number));
	stop(handle->data);
}

static void on_reload(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	struct fault f = {0};

	(void)number;
	if (engine_reload(d->engine, &ENGINE_SYSTEM, &f) < 0)
		log_error("the policy is refused; the one in force stays", "error", f.text);
	else
		log_info("policy applied", "sha256", engine_policy(d->engine)->sha256);
}

static void on_detached_timer(uv_timer_t *handle)
{
	struct daemon *d = handle->data;

	log_info("detached on request; stopping");
	stop(d);
}

/* Give the answer a moment to leave before the server goes. */
static void on_detached(void *userdata)
{
	struct daemon *d = userdata;

	uv_timer_start(&d->tick, on_detached_timer, 100, 0);
}

static void init_loop(struct daemon *d)
{
	uv_loop_init(&d->loop);
	uv_signal_init(&d->loop, &d->terminate);
	uv_signal_init(&d->loop, &d->interrupt);
	uv_signal_init(&d->loop, &d->reload);
	uv_timer_init(&d->loop, &d->tick);
	uv_async_init(&d->loop, &d->recorder, on_recorder);
	d->terminate.data = d->interrupt.data = d->reload.data = d->tick.data = d->recorder.data =
		d;
}

static int start(struct daemon *d, const struct settings *s, struct fault *reterr)
{
	const struct engine_options engine = {
		.iface = s->iface,
		.ifaces = s->ifaces,
		.iface_count = s->iface_count,
		.wait_for_iface = s->wait_for_iface,
		.policy_path = s->policy,
		.profile = s->profile,
		.state_dir = s->state_dir,
		.vault_key = s->vault_key,
		.pin_dir = s->pin_dir,
		.allow_generic = s->allow_generic,
		.wake = wake_loop,
		.measure = measure,
		.userdata = d,
	};
	const struct api_options api = {
		.loop = &d->loop,
		.socket_path = s->socket,
		.metrics_address = s->metrics_address,
		.detached = on_detached,
		.userdata = d,
	};
	int r = api_open(&api, &d->api, reterr);

	if (r == 0)
		r = engine_open(&engine, &d->engine, reterr);
	if (r == 0)
		r = api_serve(d->api, d->engine, reterr);
	if (r < 0)
		return r;
	r = watch_start(&d->interfaces, &d->loop, on_interfaces, d);
	if (r < 0)
		log_warn("no news of interfaces: looking four times a second", "error",
			 strerror(-r));
	anchor_start(&d->anchor, &d->loop, d->engine, s->socket, s->anchor_dir);
	uv_signal_start(&d->terminate, on_terminate, SIGTERM);
	uv_signal_start(&d->interrupt, on_terminate, SIGINT);
	uv_signal_start(&d->reload, on_reload, SIGHUP);
	uv_timer_start(&d->tick, on_tick, 0, 0);
	return 0;
}

int daemon_main(int argc, char **argv)
{
	struct settings s = {
		.socket = "/run/weir/weir.sock",
		.state_dir = "/var/lib/weir",
		.pin_dir = "/sys/fs/bpf/weir",
		.anchor_dir = ANCHOR_DIR,
	};
	struct fault f = {0};
	struct daemon d = {.interfaces.fd = -1};
	int r = parse_options(argc, argv, &s);

	if (r || s.help) {
		if (s.help)
			print_help();
		return r;
	}
	log_set_json(s.json);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, not a reason to die */
	init_loop(&d);
	r = start(&d, &s, &f);
	if (r < 0) {
		log_error("cannot start", "code", f.code, "error", f.text);
		stop(&d);
	} else {
		log_info("protecting", "iface", s.iface, "attached",
			 datapath_mode_to_str(engine_attach_mode(d.engine)), "mode",
			 policy_mode_str(engine_policy(d.engine)->mode), "policy",
			 engine_policy(d.engine)->sha256, "socket", s.socket);
	}
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	return r < 0 ? 1 : 0;
}
