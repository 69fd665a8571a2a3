// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "sodp.h"

static const char help[] =
	"sodp - shows RDMA devices that page on demand, and their regions\n"
	"\n"
	"Usage: sodp list [DEVICE] [--json]\n"
	"       sodp top [DEVICE] [--sort KEY] [--delay S] [--count N] [--json]\n"
	"       sodp map REGION [--svg FILE] [--width N] [--json]\n"
	"       sodp explain ERROR|REGION|DEVICE [--json]\n"
	"\n"
	"  list      devices, and what is registered on them\n"
	"  top       who faults now, and who is invalidated\n"
	"  map       which pages of a region the device can reach (CAP_NET_ADMIN)\n"
	"  explain   why a registration or an access failed and what to do: by the name or\n"
	"            number of an errno or of a completion's status. Of a region or a device:\n"
	"            what it is, and what in its counters should be looked at\n"
	"\n"
	"  REGION is DEVICE/NUMBER as `sodp list` has it: sodp0/3\n"
	"\n"
	"  -j, --json       for programs; top: one line each time\n"
	"  -s, --sort KEY   top: faults (default), invalidations, resident, length, region\n"
	"  -d, --delay S    top: seconds from one look to the next, 0.1 to 3600, default 1\n"
	"  -n, --count N    top: so many looks, then end\n"
	"  -w, --width N    map: cells in a line, 8 to 256; default: what the terminal has\n"
	"      --svg FILE   map: a picture\n"
	"  -h, --help       this page\n"
	"  -V, --version\n"
	"\n"
	"Status: 0; 1 when it failed; 2 when it was called in a wrong way. See sodp(1).\n";

enum {
	OPT_SVG = 256
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "sort", required_argument, NULL, 's' },
	{ "delay", required_argument, NULL, 'd' },
	{ "count", required_argument, NULL, 'n' },
	{ "width", required_argument, NULL, 'w' },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

/* Options and arguments that a command takes. */
static const struct command {
	const char *name;
	const char *options;
	const char *argument; /* what it needs one of; NULL: a device, or none */
} commands[] = {
	{ "list", "j", NULL },
	{ "top", "jsdn", NULL },
	{ "map", "jw", "REGION" },
	{ "explain", "j", "ERROR, REGION or DEVICE" },
};

static double number(const char *text, double least, double most,
		     const char *option)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most))
		fail_usage("%s takes a number from %g to %g, not '%s'", option,
			   least, most, text);
	return value;
}

static unsigned int whole(const char *text, unsigned int least,
			  unsigned int most, const char *option)
{
	double value = number(text, least, most, option);

	if (value != (unsigned int)value)
		fail_usage("%s takes a whole number, not '%s'", option, text);
	return value;
}

static void set_option(struct options *o, int c)
{
	switch (c) {
	case 'j':
		o->json = true;
		break;
	case 's':
		o->sort = optarg;
		break;
	case 'd':
		o->delay = number(optarg, 0.1, 3600, "--delay");
		break;
	case 'n':
		o->count = whole(optarg, 1, 1000000000, "--count");
		break;
	case 'w':
		o->width =
			whole(optarg, 8, SOFTODP_MR_SUMMARY_PARTS, "--width");
		break;
	case OPT_SVG:
		o->svg = optarg;
		break;
	case 'h':
		fputs(help, stdout);
		exit(0);
	case 'V':
		puts("sodp " SODP_VERSION);
		exit(0);
	default: /* getopt has said what is wrong */
		fputs("sodp --help has the options\n", stderr);
		exit(2);
	}
}

static const struct command *command_of(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	fail_usage("there is no command '%s': list, top, map, explain", name);
}

static int run(const struct command *command, struct options *o,
	       const char *argument)
{
	switch (command - commands) {
	case 0:
		o->device = argument;
		return cmd_list(o);
	case 1:
		o->device = argument;
		return cmd_top(o);
	case 2:
		return cmd_map(o, argument);
	default:
		return cmd_explain(o, argument);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .delay = 1, .sort = "faults" };
	const struct command *command;
	char given[16] = "";
	size_t i;
	int c;

	while ((c = getopt_long(argc, argv, "js:d:n:w:hV", long_options,
				NULL)) != -1) {
		set_option(&o, c);
		if (strlen(given) < sizeof(given) - 1 && c != OPT_SVG)
			given[strlen(given)] = c;
	}
	if (optind == argc) {
		fputs(help, stderr);
		return 2;
	}
	command = command_of(argv[optind]);
	for (i = 0; given[i]; i++)
		if (!strchr(command->options, given[i]))
			fail_usage("%s has no option -%c (sodp --help)",
				   command->name, given[i]);
	if (o.svg && strcmp(command->name, "map"))
		fail_usage("--svg is an option of map");
	if (command->argument && optind + 1 == argc)
		fail_usage("%s what? It needs: %s", command->name,
			   command->argument);
	if (optind + 2 < argc)
		fail_usage("%s: one at a time, '%s' is too much", command->name,
			   argv[optind + 2]);
	return run(command, &o, argv[optind + 1]);
}
