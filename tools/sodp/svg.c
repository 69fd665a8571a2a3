// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A region's residency as a picture of its own: no script, no font, no link. */
#include <errno.h>
#include <unistd.h>

#include "sodp.h"

enum {
	COLUMNS = 32,
	CELL = 20,
	GAP = 2,
	LEFT = 96, /* room for the offsets */
	TOP = 64,
	BOTTOM = 44,
};

/* What a command is called is up to others. */
static void put_escaped(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '<' || *text == '>' || *text == '&' ||
		    *text == '"' || (unsigned char)*text < ' ')
			fprintf(file, "&#%d;",
				(unsigned char)*text < ' ' ? '?' : *text);
		else
			fputc(*text, file);
	}
}

/* From grey by blue to green, as in the terminal. */
static void put_colour(FILE *file, double share)
{
	static const unsigned char stops[][3] = { { 226, 230, 236 },
						  { 158, 196, 235 },
						  { 62, 141, 199 },
						  { 22, 128, 92 } };
	double at = share <= 0 ? 0 : 1 + share * 2;
	int from = at >= 3 ? 2 : (int)at;
	double part = at - from;
	int rgb[3], i;

	for (i = 0; i < 3; i++)
		rgb[i] = (int)(stops[from][i] * (1 - part) +
			       stops[from + 1][i] * part);
	fprintf(file, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

static void put_cells(FILE *file, const struct softodp_mr_summary *m)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	char size[NAME_LEN];
	unsigned int i;

	for (i = 0; i < map_parts(m); i++) {
		unsigned int x = LEFT + i % COLUMNS * (CELL + GAP);
		unsigned int y = TOP + i / COLUMNS * (CELL + GAP);

		if (i % COLUMNS == 0)
			fprintf(file,
				"<text x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>\n",
				LEFT - 10, y + CELL - 5,
				size_text(size, i * m->pages_per_part * page));
		fprintf(file,
			"<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" rx=\"3\" fill=\"",
			x, y, CELL, CELL);
		put_colour(file, map_share(m, i));
		fprintf(file,
			"\"><title>pages %llu to %llu: %u resident</title></rect>\n",
			(unsigned long long)(i * m->pages_per_part),
			(unsigned long long)(i * m->pages_per_part +
					     map_pages_of(m, i) - 1),
			m->resident[i]);
	}
}

static void put_legend(FILE *file, unsigned int y)
{
	static const char *const words[] = { "none", "few", "half", "all" };
	static const double shares[] = { 0, 0.02, 0.5, 1 };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		fprintf(file,
			"<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" rx=\"2\" fill=\"",
			LEFT + i * 80, y);
		put_colour(file, shares[i]);
		fprintf(file, "\"/><text x=\"%u\" y=\"%u\">%s</text>\n",
			LEFT + i * 80 + 18, y + 11, words[i]);
	}
}

static void put_picture(FILE *file, const struct region *r,
			const struct softodp_mr_summary *m)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const unsigned int rows =
		map_parts(m) ? (map_parts(m) - 1) / COLUMNS + 1 : 1;
	const unsigned int width = LEFT + COLUMNS * (CELL + GAP) + 14;
	const unsigned int grid = rows * (CELL + GAP);
	char length[NAME_LEN], resident[NAME_LEN], cell[NAME_LEN];

	fprintf(file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" width=\"%u\" height=\"%u\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"14\" y=\"26\" font-size=\"16\" font-weight=\"bold\">%s/%u, ",
		width, TOP + grid + BOTTOM, width, TOP + grid + BOTTOM,
		r->device, r->mrn);
	put_escaped(file, *r->command ? r->command : "?");
	fprintf(file,
		" (pid %u)</text>\n<text x=\"14\" y=\"46\">%s, %s: %s resident; a cell is %s</text>\n",
		r->pid, kind_name(r->kind), size_text(length, r->length),
		size_text(resident, map_resident(m) * page),
		size_text(cell, m->pages_per_part * page));
	put_cells(file, m);
	put_legend(file, TOP + grid + 14);
	fputs("</svg>\n", file);
}

int svg_write(const char *path, const struct region *region,
	      const struct softodp_mr_summary *m)
{
	FILE *file = fopen(path, "we");
	int err = 0;

	if (!file)
		return errno;
	put_picture(file, region, m);
	if (ferror(file))
		err = EIO;
	if (fclose(file))
		err = errno;
	return err;
}
