# SPDX-License-Identifier: Apache-2.0
"""Manual pages from what is documented elsewhere, as scdoc reads them, on standard output.

usage: scdoc.py config docs/configuration.md      kvd.yaml(5): the configuration reference
       scdoc.py header client/include/kv/client.h  kv_client(3): the client library's header, which is its manual
"""

import re
import sys

MARKUP = re.compile(r'([\\*_`#\[\]|~<>.;:+-])')


def text(line):
    """A line of Markdown or of a comment: code is bold, links are their text, nothing else is markup."""
    line = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', line)
    parts = line.split('`')
    return ''.join(f'*{MARKUP.sub(quote, part)}*' if i % 2 and part else MARKUP.sub(quote, part) for i, part in enumerate(parts))


def quote(match):
    return '\\' + match[1]


def literal(lines):
    return ['```', *lines, '```', '']


def table(rows):
    """The first column of a table is what the rest is about. A default stands in the end."""
    result = []
    for row in rows[2:]:
        cells = [cell.strip() for cell in re.split(r'(?<!\\)\|', row.strip('|\n '))]
        meaning = cells[-1].replace('\\|', '|')
        if len(cells) > 2 and cells[1] not in ('-', ''):
            meaning += f' (default {cells[1]})'
        result += [text(cells[0]), '\t' + text(meaning), '']
    return result


def blocks(lines):
    """Paragraphs, tables, lists, fences and headings of a document."""
    block, fence = [], False
    for line in lines:
        if line.startswith('```'):
            fence = not fence
            if not fence:
                yield 'fence', block
                block = []
            elif block:
                yield 'text', block
                block = []
        elif fence:
            block.append(line)
        elif not line.strip():
            if block:
                yield 'text', block
            block = []
        else:
            block.append(line)
    if block:
        yield 'text', block


def paragraphs(block):
    """A paragraph, or the entries of a list with what belongs to each."""
    items = []
    for line in block:
        if line.startswith(('- ', ' - ')) or not items:
            items.append([line])
        else:
            items[-1].append(line)
    for item in items:
        mark = re.match(r' ?- ', item[0])
        lines = [line.strip() for line in item]
        if mark:
            lines[0] = lines[0][2:]
            yield from ['- ' + text(lines[0]), *('  ' + text(line) for line in lines[1:])]
        else:
            yield from [text(line) for line in lines]
    yield ''


def config_page(path):
    with open(path, encoding='utf-8') as file:
        lines = [line.rstrip('\n') for line in file if not line.startswith('<!--')]
    out = ['kvd.yaml(5) "" "kvd"', '', '# NAME', '', 'kvd.yaml - configuration of kvd, a replicated key-value store', '',
           '# DESCRIPTION', '']
    for kind, block in blocks(lines):
        if kind == 'fence':
            out += literal(block)
        elif block[0].startswith('# '):
            continue
        elif block[0].startswith('#'):
            out += ['# ' + block[0].lstrip('# ').upper(), '']
        elif block[0].startswith('|'):
            out += table(block)
        else:
            out += paragraphs(block)
    return out + ['# SEE ALSO', '', '*kvd*(8), *kvctl*(1)']


def comment_text(comment):
    """The lines of a comment without its frame."""
    lines = re.sub(r'^/\*+ ?|\s*\*/$', '', comment.strip()).split('\n')
    return [re.sub(r'^\s*\* ?', '', line) if i else line.strip() for i, line in enumerate(lines)]


def prose(lines):
    """Lines laid out by hand, which are indented or have columns, stay as they are."""
    for _, block in blocks(lines):
        if any(re.match(r' {3}|\t', line) or re.search(r'\S {3,}\S', line) for line in block):
            yield from literal(block)
        else:
            yield from paragraphs(block)


def header_page(path):
    with open(path, encoding='utf-8') as file:
        source = file.read()
    manual = re.search(r'/\*\*.*?\*/', source, re.DOTALL)
    body = source[source.index('#pragma GCC visibility push'):source.index('#pragma GCC visibility pop')]
    body = body.split('\n', 1)[1]
    out = ['kv_client(3) "" "kvd"', '', '# NAME', '', 'kv_client - client library of kvd, a replicated key-value store', '',
           '# SYNOPSIS', '', *literal(['#include <kv/client.h>', '', 'cc program.c $(pkg-config --cflags --libs kvclient)']),
           '# DESCRIPTION', '', *prose(comment_text(manual[0]))]
    # Comments at the margin explain the declarations that follow them.
    for part in re.split(r'(^/\*.*?\*/\n)', body, flags=re.DOTALL | re.MULTILINE):
        section = re.match(r'/\* -{2,} (.*?) -{2,} \*/', part)
        if section:
            out += ['# ' + section[1].upper(), '']
        elif part.startswith('/*'):
            out += prose(comment_text(part))
        elif part.strip():
            out += literal([line.expandtabs(8) for line in part.strip('\n').split('\n')])
    return out + ['# SEE ALSO', '', '*kvctl*(1), *kvd*(8)']


def main(kind, path):
    page = {'config': config_page, 'header': header_page}[kind](path)
    sys.stdout.write('\n'.join(page) + '\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
