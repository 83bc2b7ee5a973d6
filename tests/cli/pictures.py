# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of the status page in docs/images anew: three nodes under a mixed load, of which one dies.

usage: pictures.py KVCTL KVD DIRECTORY
"""

import os
import subprocess
import sys

from browser import Browser
from cluster import Cluster, wait_for
from page import NARROW, WIDTH, address, wait_verdict

LOAD = ['bench', '--mix', 'get@eventual=50,get@strong=20,put@eventual=15,put@strong=15', '--clients', '4', '--keys', '2000',
        '--preload', '--size', '200', '--timeout', '3s']
HEALTHY_S, DEGRADED_S = 60, 20


def shoot(browser, directory, name):
    path = os.path.join(directory, name)
    browser.screenshot(path, browser.run('document.body.scrollHeight'))
    subprocess.run(['pngquant', '--force', '--ext', '.png', '64', path], check=False)  # a quarter of the size, if it is there


def main():
    kvctl, kvd, directory = sys.argv[1:]
    with Cluster(kvctl, kvd, partitions=256) as ctl, Browser() as browser:
        browser.look(WIDTH, 900)
        browser.open(f'http://{address(ctl)}/')
        ctl.must(*LOAD, '--seconds', str(HEALTHY_S), '--rate', '400', seconds=HEALTHY_S + 60)
        wait_verdict(browser, 'Healthy')
        shoot(browser, directory, 'page.png')
        ctl.kill('n3')
        ctl.run(*LOAD, '--seconds', str(DEGRADED_S), '--rate', '400', seconds=DEGRADED_S + 60)
        wait_verdict(browser, 'Degraded')
        browser.look(WIDTH, 900, 'dark')
        wait_for('the row of n3', lambda: 'down' in browser.run('document.querySelector("#nodes").innerText'))
        shoot(browser, directory, 'page-dark.png')
        browser.look(NARROW, 800)
        wait_for('it fits', lambda: browser.run('document.documentElement.scrollWidth') <= NARROW)
        shoot(browser, directory, 'page-narrow.png')


if __name__ == '__main__':
    main()
