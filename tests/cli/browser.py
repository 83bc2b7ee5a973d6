# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium that is told what to do over a pair of pipes: its DevTools protocol, JSON ended by NUL."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 60


def find_chromium():
    return shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


class Browser:
    """One page. Everything it asks for over the network, and everything it complains about, is kept."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix='kvd-browser-')
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()
        # bash, because it takes file descriptors of two digits: the browser reads 3 and writes 4.
        self.process = subprocess.Popen(
            ['bash', '-c', f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', find_chromium(), '--headless', '--no-sandbox',
             '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars', '--remote-debugging-pipe',
             '--disable-background-networking', '--disable-component-update', '--disable-extensions',
             f'--user-data-dir={self.profile}', 'about:blank'],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.bytes, self.session = 0, b'', None
        self.asked, self.complaints = [], []
        targets = self.call('Target.getTargets')['targetInfos']
        page = [target['targetId'] for target in targets if target['type'] == 'page'][0]
        self.session = self.call('Target.attachToTarget', targetId=page, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log', 'Accessibility'):
            self.call(domain + '.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.to)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.back)
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self, until):
        while b'\0' not in self.bytes:
            if not select.select([self.back], [], [], max(until - time.monotonic(), 0))[0]:
                raise AssertionError('the browser does not answer')
            more = os.read(self.back, 1 << 20)
            if not more:
                raise AssertionError('the browser has ended')
            self.bytes += more
        one, self.bytes = self.bytes.split(b'\0', 1)
        return json.loads(one)

    def note(self, message):
        method, about = message.get('method'), message.get('params', {})
        if method == 'Network.requestWillBeSent':
            self.asked.append(about['request']['url'])
        elif method == 'Runtime.exceptionThrown':
            self.complaints.append(about['exceptionDetails'].get('exception', {}).get('description', 'exception'))
        elif method == 'Log.entryAdded' and about['entry']['level'] == 'error':
            self.complaints.append(about['entry']['text'])

    def call(self, method, **parameters):
        self.number += 1
        order = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            order['sessionId'] = self.session
        os.write(self.to, json.dumps(order).encode() + b'\0')
        until = time.monotonic() + PATIENCE
        while True:
            message = self.message(until)
            if message.get('id') != self.number:
                self.note(message)
            elif 'error' in message:
                raise AssertionError(f'{method}: {message["error"]["message"]}')
            else:
                return message['result']

    def open(self, url):
        self.call('Page.navigate', url=url)
        until = time.monotonic() + PATIENCE
        while self.run('document.readyState + location.href') != 'complete' + url:
            if time.monotonic() > until:
                raise AssertionError(f'{url} does not load')

    def run(self, script):
        """The value of an expression, by way of JSON."""
        result = self.call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise AssertionError(result['exceptionDetails'].get('exception', {}).get('description', script))
        return result['result'].get('value')

    def press(self, key, code=None, number=0):
        for kind in ('rawKeyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key, code=code or key, windowsVirtualKeyCode=number)

    def look(self, width, height, scheme='light'):
        """A window of that size, for who prefers that scheme."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme}])

    def screenshot(self, path, height):
        width = self.run('innerWidth')
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True,
                         clip={'x': 0, 'y': 0, 'width': width, 'height': height, 'scale': 1})['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))

    def accessible(self):
        """Role and name of everything that a screen reader finds."""
        nodes = self.call('Accessibility.getFullAXTree')['nodes']
        return [(node['role']['value'], node.get('name', {}).get('value', '')) for node in nodes if not node.get('ignored')]
