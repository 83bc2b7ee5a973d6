# SPDX-License-Identifier: Apache-2.0
"""The status page in a headless Chromium, against a cluster in which a node dies and returns.

usage: page.py KVCTL KVD
KV_SCREENSHOTS=DIRECTORY in the environment keeps pictures of it there.
"""

import os
import sys

from browser import Browser, find_chromium
from cluster import Cluster, contains, equal, run_tests, wait_for

SHOTS = os.environ.get('KV_SCREENSHOTS')
WIDTH, NARROW = 1180, 390

# Of every text: the least contrast of its colour with the first colour behind it, by WCAG's formula.
CONTRAST = '''(() => {
  const light = rgb => rgb.map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.closest('.skip'))
      continue;
    const style = getComputedStyle(e);
    const front = parse(e.ownerSVGElement ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(front), light(behind(e.ownerSVGElement ? e.closest('.chart') : e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5)
      bad.push(e.tagName + ' ' + e.textContent.trim().slice(0, 30) + ' ' + ((a + .05) / (b + .05)).toFixed(2));
  }
  return bad;
})()'''


def text(browser, selector):
    return browser.run(f'document.querySelector({selector!r}).innerText')


def address(ctl, node=0):
    with open(os.path.join(ctl.dir, 'http'), encoding='utf-8') as file:
        return file.read().split()[node]


def wait_verdict(browser, words):
    wait_for(words, lambda: words in browser.run('document.getElementById("verdict-state").textContent'), seconds=60)


def shoot(browser, name):
    if SHOTS:
        browser.screenshot(os.path.join(SHOTS, name), browser.run('document.body.scrollHeight'))


def the_verdict_comes_first(ctl, browser):
    browser.look(WIDTH, 900)
    browser.open(f'http://{address(ctl)}/')
    wait_verdict(browser, 'Healthy')
    contains(text(browser, '#verdict-list'), '3 of 3 nodes up')
    equal(browser.run('document.querySelector("main").firstElementChild.id'), 'verdict')
    contains(browser.run('document.title'), 'Healthy')
    contains(text(browser, '#figures').replace('\n', ' '), 'may still fail')


def every_node_and_partition_is_shown(ctl, browser):
    equal(browser.run('[...document.querySelectorAll("#nodes tbody th")].map(e => e.textContent.split(" ")[0])'), ['n1', 'n2', 'n3'])
    equal(browser.run('[...document.querySelectorAll("#nodes tbody .state")].map(e => e.textContent)'), ['up', 'up', 'up'])
    contains(browser.run('document.getElementById("map").getAttribute("aria-label")'), '16 partitions: 16 whole')
    equal(browser.run('document.getElementById("map").width > 300'), True)


def a_node_leads_to_its_own_page(ctl, browser):
    links = '[...document.querySelectorAll("#nodes tbody th a")].map(e => e.textContent + " " + e.href)'
    wait_for('the others have said where their pages are', lambda: browser.run(links) ==
             [f'{name} http://{address(ctl, i)}/' for i, name in ((1, 'n2'), (2, 'n3'))])
    # Rows are made anew every other second; who stands on a link stays there.
    browser.run('document.querySelector("#nodes tbody th a").focus(); window.before = document.activeElement')
    wait_for('the rows are new', lambda: not browser.run('window.before.isConnected'))
    equal(browser.run('document.activeElement.textContent'), 'n2')
    browser.run('document.querySelector("#nodes tbody th a").click()')
    wait_for('it is the page of n2', lambda: browser.run('location.host') == address(ctl, 1) and 'n2 this' in (
        browser.run('(document.querySelector("#nodes tbody tr:nth-child(2) th") || {}).innerText') or ''))
    browser.asked.clear()
    browser.open(f'http://{address(ctl)}/')
    wait_verdict(browser, 'Healthy')


def requests_show_as_rates_and_latencies(ctl, browser):
    def drawn():
        for i in range(20):
            ctl.must('put', '-c', 'strong', f'page/{i}', 'value')
        return browser.run('''[...document.querySelectorAll("#requests tbody tr")].some(row =>
            /^put\\s*strong/.test(row.innerText) && /\\d (µs|ms|s)/.test(row.innerText))''') and \
            browser.run('document.querySelectorAll("#rate path").length') >= 4
    wait_for('puts in the table and in the chart', drawn, seconds=60)
    contains(browser.run('document.getElementById("latency").getAttribute("aria-label")'), 'strong writes')


def nothing_comes_from_elsewhere(ctl, browser):
    strange = [url for url in browser.asked if not url.startswith((f'http://{address(ctl)}/', 'data:', 'about:'))]
    equal(strange, [])
    equal(any(url.endswith('/status.json') for url in browser.asked), True)


def it_is_worked_by_keyboard(ctl, browser):
    reached = []
    browser.run('document.activeElement.blur()')
    for _ in range(14):
        browser.press('Tab', number=9)
        reached.append(browser.run('document.activeElement.id || document.activeElement.innerText'))
    for expected in ('Skip to the verdict', 'pause', 'n2', 'n3', 'all', 'map', 'rate', 'latency', 'metrics'):
        equal(expected in reached, True)
    browser.run('document.getElementById("map").focus()')
    browser.press('ArrowRight', number=39)
    contains(text(browser, '#map-note'), 'Partition 0:')
    browser.press('ArrowRight', number=39)
    contains(text(browser, '#map-note'), 'Partition 1:')
    browser.press('Escape', number=27)
    contains(text(browser, '#map-note'), 'Point at a square')
    browser.run('document.querySelector("#map-nodes button").focus()')
    browser.press('ArrowRight', number=39)
    contains(text(browser, '#map-note'), 'n1 holds 16 partitions of 16')
    browser.press('ArrowLeft', number=37)
    browser.run('document.getElementById("rate").focus()')
    browser.press('ArrowLeft', number=37)
    browser.press('ArrowLeft', number=37)
    contains(text(browser, '#rate-at'), 'ago')
    equal(text(browser, '#latency-at'), text(browser, '#rate-at'))
    browser.press('p', code='KeyP', number=80)
    equal(browser.run('document.getElementById("pause").getAttribute("aria-pressed")'), 'true')
    browser.press('p', code='KeyP', number=80)
    equal(browser.run('document.getElementById("pause").getAttribute("aria-pressed")'), 'false')
    browser.run('document.activeElement.blur()')


def a_screen_reader_finds_names(ctl, browser):
    found = browser.accessible()
    nameless = [role for role, name in found
                if role in ('button', 'image', 'img', 'table', 'radio', 'progressbar', 'link') and not name]
    equal(nameless, [])
    roles = {role for role, _ in found}
    for role in ('main', 'banner', 'contentinfo', 'heading', 'table', 'columnheader', 'rowheader', 'radiogroup'):
        equal(role in roles, True)
    equal([name for role, name in found if role == 'heading'][0], 'Healthy')


def text_is_legible_in_light_and_dark(ctl, browser):
    colors = []
    for scheme in ('light', 'dark'):
        browser.look(WIDTH, 900, scheme)
        equal(browser.run(CONTRAST), [])
        colors.append(browser.run('getComputedStyle(document.documentElement).backgroundColor'))
    equal(len(set(colors)), 2)
    browser.look(WIDTH, 900)
    shoot(browser, 'page.png')


def moves_that_are_paused_say_how_to_go_on(ctl, browser):
    contains(text(browser, '#moves-note'), 'All partitions are where the plan wants them')
    ctl.must('cluster', 'pause')
    wait_for('the page tells the pause', lambda: 'kvctl cluster resume' in text(browser, '#moves-note'))
    ctl.must('cluster', 'resume')
    wait_for('and its end', lambda: 'paused' not in text(browser, '#moves-note'))


def a_move_shows_its_progress(ctl, browser):
    """Real ones of this cluster would be over before they are seen: the node's answer gets one on its way to the page."""
    browser.run('''(() => { window.answered = window.fetch; window.fetch = async (...what) => {
        const answer = await window.answered(...what), s = await answer.json();
        s.moves.items = [{partition: 7, old_row: s.rows[7], new_row: s.rows[7], to: 1, stage: 'copy', bytes: 4000000, bytes_done: 1000000,
          bytes_per_sec: 100000, retries: 2, message: 'n2 does not answer'}];
        s.moves.waiting = 3;
        return {json: async () => s}; }; return true; })()''')
    wait_for('the move', lambda: '1 under way, 3 waiting' in text(browser, '#moves-note'))
    shown = text(browser, '#moves')
    for part in 'Partition 7', 'to n2', 'copy', '977 KiB of 3.81 MiB', '30 s left', '2 retries', 'n2 does not answer':
        contains(shown, part)
    equal(browser.run('document.querySelector("#moves progress").value'), 0.25)
    equal(browser.run('document.querySelector("#moves progress").getAttribute("aria-label")'), 'partition 7 to n2')
    browser.run('(() => { window.fetch = window.answered; return true; })()')
    wait_for('the truth again', lambda: 'All partitions are' in text(browser, '#moves-note'))


def slow_operations_and_old_comparisons_are_listed(ctl, browser):
    contains(text(browser, '#repair'), 'Oldest comparison of two replicas')
    wait_for('pairs of replicas', lambda: ' with n' in text(browser, '#pairs'))
    ctl.must('config', 'set', 'trace.slow', '0')

    def listed():
        for i in range(6):  # to each node
            ctl.must('put', '-c', 'strong', f'slow/{i}', 'value')
        rows = text(browser, '#slow')
        return 'put' in rows and 'strong' in rows and 'sync' in rows
    wait_for('a slow put with what it spent its time on', listed)
    ctl.must('config', 'set', 'trace.slow', '100ms')


def a_dead_node_is_said_at_once(ctl, browser):
    browser.look(WIDTH, 900, 'dark')
    ctl.kill('n3')
    wait_verdict(browser, 'Degraded')
    contains(text(browser, '#verdict-list'), 'n3 is down')
    contains(text(browser, '#verdict-list'), 'no further node can be lost')
    for i in range(50):
        ctl.must('put', f'missed/{i}', 'value')
    wait_for('the row of n3', lambda: 'down' in text(browser, '#nodes tbody tr:nth-child(3)'))
    wait_for('what waits for it', lambda: text(browser, '#nodes tbody tr:nth-child(3) td[data-label="Waiting changes"]') not in ('0', '–', ''))
    equal(browser.run('document.querySelectorAll("#nodes tbody tr:nth-child(3) a").length'), 0)
    wait_for('squares short of a replica', lambda: '16 short of a replica' in browser.run(
        'document.getElementById("map").getAttribute("aria-label")'))
    equal(browser.run(CONTRAST), [])
    shoot(browser, 'page-dark.png')


def a_narrow_window_needs_no_scrolling_sideways(ctl, browser):
    browser.look(NARROW, 800)
    wait_for('it fits', lambda: browser.run('document.documentElement.scrollWidth') <= NARROW)
    equal(browser.run(f'''[...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && !e.closest("svg, thead") &&
        e.getBoundingClientRect().right > {NARROW} + 1).map(e => e.tagName + "." + e.className)'''), [])
    equal(browser.run('document.querySelector("#nodes td").dataset.label'), 'State')
    shoot(browser, 'page-narrow.png')
    browser.look(WIDTH, 900)


def a_node_that_returns_makes_it_whole_again(ctl, browser):
    ctl.start('n3')
    wait_verdict(browser, 'Healthy')
    wait_for('n3 is up', lambda: 'up' in text(browser, '#nodes tbody tr:nth-child(3) .state'))


def a_page_whose_node_is_gone_says_so(ctl, browser):
    equal(browser.complaints, [])
    ctl.kill('n1')
    wait_for('the page says so', lambda: browser.run('document.getElementById("stale").checkVisibility()'))
    contains(text(browser, '#stale'), 'has not answered since')
    ctl.start('n1')
    wait_for('it goes on by itself', lambda: not browser.run('document.getElementById("stale").checkVisibility()'))
    wait_verdict(browser, 'Healthy')


TESTS = [the_verdict_comes_first, every_node_and_partition_is_shown, a_node_leads_to_its_own_page, requests_show_as_rates_and_latencies,
         nothing_comes_from_elsewhere, it_is_worked_by_keyboard, a_screen_reader_finds_names,
         moves_that_are_paused_say_how_to_go_on, a_move_shows_its_progress, slow_operations_and_old_comparisons_are_listed,
         text_is_legible_in_light_and_dark, a_dead_node_is_said_at_once, a_narrow_window_needs_no_scrolling_sideways,
         a_node_that_returns_makes_it_whole_again, a_page_whose_node_is_gone_says_so]


def main():
    if not find_chromium():
        print('1..0 # SKIP there is no Chromium')
        return 0
    with Cluster(sys.argv[1], sys.argv[2]) as ctl, Browser() as browser:
        return run_tests(TESTS, ctl, browser)


if __name__ == '__main__':
    sys.exit(main())
