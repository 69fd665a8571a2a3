// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* sodp top on a terminal. */
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>

#include "sodp.h"

static void draw(const struct top *t, size_t first)
{
	char line[512];
	size_t i;
	int row;

	erase();
	top_totals(line, sizeof(line), t);
	mvaddnstr(0, 0, line, COLS);
	top_line(line, sizeof(line), NULL);
	attron(A_REVERSE);
	mvprintw(2, 0, "%-*.*s", COLS, COLS, line);
	attroff(A_REVERSE);
	for (i = first, row = 3; i < t->n && row < LINES - 1; i++, row++) {
		const struct rate *rate = &t->rates[i];
		const bool busy = rate->faults > 0 || rate->invalidations > 0;

		top_line(line, sizeof(line), rate);
		if (busy)
			attron(A_BOLD);
		mvaddnstr(row, 0, line, COLS);
		if (busy)
			attroff(A_BOLD);
	}
	if (!t->n)
		mvaddnstr(4, 0, "nothing is registered", COLS);
	snprintf(
		line, sizeof(line),
		"by %s  |  f faults  i invalidations  r resident  l length  n number  |  up/down  q quit",
		sort_names[t->sort]);
	mvaddnstr(LINES - 1, 0, line, COLS - 1);
	refresh();
}

/* False: that was the end. */
static bool take_key(struct top *t, int key, size_t *first)
{
	static const struct {
		int key;
		enum sort_key sort;
	} keys[] = { { 'f', SORT_FAULTS },
		     { 'i', SORT_INVALIDATIONS },
		     { 'r', SORT_RESIDENT },
		     { 'l', SORT_LENGTH },
		     { 'n', SORT_REGION } };
	size_t i;

	if (key == 'q' || key == 27)
		return false;
	if (key == KEY_DOWN && *first + 1 < t->n)
		++*first;
	if (key == KEY_UP && *first)
		--*first;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].key == key)
			t->sort = keys[i].sort;
	top_order(t);
	return true;
}

/* Without this a failure would leave the terminal as it is now. */
static void leave(void)
{
	if (!isendwin())
		endwin();
}

int top_on_screen(struct top *t)
{
	unsigned int looks = 0;
	size_t first = 0;
	int key = ERR;

	setlocale(LC_CTYPE, "");
	top_look(t); /* while a complaint can still be read */
	if (!newterm(NULL, stdout, stdin))
		fail("top: the terminal %s is not known; with a pipe it prints lines",
		     getenv("TERM") ?: "(TERM is not set)");
	atexit(leave);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	timeout((int)(t->options->delay * 1000));
	do {
		if (key == ERR) {
			if (looks++)
				top_look(t);
			if (t->options->count && looks > t->options->count)
				break;
		}
		if (first >= t->n)
			first = t->n ? t->n - 1 : 0;
		draw(t, first);
		key = getch();
	} while (key == ERR || key == KEY_RESIZE || take_key(t, key, &first));
	leave();
	return 0;
}
