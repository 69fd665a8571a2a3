#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
output.py DIR: the JSON and the pictures that output.sh left there. A picture's cells are where they must be and of the
colour that they must be: in the SVG, and where it was drawn (a PNG beside it) in the pixel at the middle of each.
"""

import json
import os
import struct
import sys
import xml.etree.ElementTree as tree
import zlib

SVG = '{http://www.w3.org/2000/svg}'
NONE, ALL = '#e2e6ec', '#16805c'


def load(name):
    """The objects of a file, one a line or only one."""
    with open(os.path.join(sys.argv[1], name)) as file:
        text = file.read()
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def pixels(path):
    """Width, height, and a function from x, y to #rrggbb, of a PNG with 8 bits a channel."""
    with open(path, 'rb') as file:
        data = file.read()
    assert data[:8] == b'\x89PNG\r\n\x1a\n'
    at, body = 8, b''
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', chunk[:10])
            assert depth == 8 and colour in (2, 6) and not chunk[12], chunk
            step = 3 if colour == 2 else 4
        elif kind == b'IDAT':
            body += chunk
        at += size + 12
    raw, rows, before = zlib.decompress(body), [], bytes(width * step)
    for y in range(height):
        begin = y * (width * step + 1)
        row = bytearray(raw[begin + 1:begin + 1 + width * step])
        for i in range(len(row)):
            left = row[i - step] if i >= step else 0
            up, corner = before[i], before[i - step] if i >= step else 0
            row[i] = (row[i] + predicted(raw[begin], left, up, corner)) & 255
        rows.append(row)
        before = row
    return width, height, lambda x, y: '#%02x%02x%02x' % tuple(rows[y][x * step:x * step + 3])


def predicted(kind, left, up, corner):
    if kind == 4:
        near = [(abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner)]
        return min(near)[2]
    return (0, left, up, (left + up) // 2)[kind]


def picture(number):
    """The colours of a picture's cells, in order; each is inside it, beside the others."""
    path = os.path.join(sys.argv[1], '%d.svg' % number)
    root = tree.parse(path).getroot()
    box = [int(x) for x in root.get('viewBox').split()]
    assert root.tag == SVG + 'svg' and box[:2] == [0, 0]
    assert box[2:] == [int(root.get('width')), int(root.get('height'))]
    cells = [r for r in root.iter(SVG + 'rect') if r.find(SVG + 'title') is not None]
    places = [tuple(int(c.get(k)) for k in ('x', 'y', 'width', 'height')) for c in cells]
    assert len(set(places)) == len(places)
    for x, y, width, height in places:
        assert 0 <= x and x + width <= box[2] and 0 <= y and y + height <= box[3], (x, y)
    colours = [c.get('fill') for c in cells]
    drawn = path[:-3] + 'png'
    if os.path.exists(drawn):
        width, height, at = pixels(drawn)
        assert (width, height) == (box[2], box[3]), (width, height)
        seen = [at(x + w // 2, y + h // 2) for x, y, w, h in places]
        assert seen == colours, next(pair for pair in zip(seen, colours) if pair[0] != pair[1])
    return colours, root, cells


regions = load('list')['regions']
assert [r['region'] for r in regions] == ['sodp0/0', 'sodp0/3', 'sodp0/4']
assert [r['kind'] for r in regions] == ['on-demand', 'implicit', 'pinned']
assert regions[1]['command'] == '?[1m<x&"\'?' and regions[1]['length'] == 2 ** 64 - 1
assert regions[0]['lkey'] == 256 and 'lkey' not in regions[1]

whole = load('whole')
assert load('map')['resident'] == ([4] * 4 + [0] * 12) * 16
assert whole['pages'] == 2 ** 52 and whole['resident'] == [0, 2] + [0] * 254

looks = load('top')
assert len(looks) == 2
for look in looks:
    first = look['regions'][0]
    # 100 faults in half a second and what a busy machine adds
    assert first['region'] == 'sodp0/0' and 20 < first['faults_per_second'] <= 200, first
    assert abs(first['faults_per_second'] - 2 * first['invalidations_per_second']) < 0.01, first
    assert all(r['faults_per_second'] == 0 for r in look['regions'][1:])
assert [r['region'] for r in load('sorted')['regions']] == ['sodp0/3', 'sodp0/0', 'sodp0/4']
assert any('whole address space' in remark for remark in load('explained')['remarks'])

colours, root, cells = picture(0)
assert colours == ([ALL] * 4 + [NONE] * 12) * 16
assert cells[4].find(SVG + 'title').text == 'pages 16 to 19: 0 resident'
colours, root, cells = picture(3)
assert len(colours) == 256 and colours[1] not in (NONE, ALL) and colours.count(NONE) == 255
assert '<x&"' in ''.join(root.itertext())
colours, root, cells = picture(4)
assert len(colours) == 63 and colours[0] not in (NONE, ALL) and set(colours[1:]) == {ALL}
assert cells[62].find(SVG + 'title').text == 'pages 992 to 999: 8 resident'
print('ok')
