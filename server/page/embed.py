# SPDX-License-Identifier: Apache-2.0
"""Makes one page of its parts and a C header of the page: bytes, and a policy that allows this style and script and no other.

usage: embed.py HEADER PAGE STYLE SCRIPT...
"""

import base64
import hashlib
import sys


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def allowed(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def main(header, page, style, *scripts):
    css = read(style)
    js = '\n'.join(read(path) for path in scripts)
    if '</' in css or '</script' in js:
        raise SystemExit('a part would end its element')
    html = read(page).replace('/*css*/', css).replace('/*js*/', js)
    # style-src-attr: colours of single elements, by variables that the style names.
    policy = (f"default-src 'none'; style-src {allowed(css)}; style-src-attr 'unsafe-inline'; script-src {allowed(js)}; "
              "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    data = html.encode()
    lines = [', '.join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    with open(header, 'w', encoding='utf-8') as file:
        file.write('/* SPDX-License-Identifier: Apache-2.0 */\n'
                   f'#define PAGE_POLICY "{policy}"\n'
                   'static const unsigned char page_bytes[] = {\n' + ',\n'.join(lines) + '};\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
