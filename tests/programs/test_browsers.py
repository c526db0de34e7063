# SPDX-License-Identifier: GPL-2.0-or-later
"""Browsers, with the sandboxes that they bring."""

from pair import program

EVERY = ("none", "private", "host")

# some of its processes end a moment after the first
CHROMIUM = "chromium"

SERVE = r"""
    python3 pages.py 2>server.log &
    wait_for curl -sf http://127.0.0.1:8000/
    browse() { chromium --headless --disable-gpu --no-first-run --disable-background-networking \
        --user-data-dir="$HOME/profile" "$@" 2>>log || { cat log >&2; exit 1; }; }
"""

# the size of a picture, and the colour of a point of it
LOOK = r"""
    /usr/bin/identify -format '%wx%h\n' shot.png
    /usr/bin/convert shot.png -crop 1x1+200+150 txt: | grep -o '#[0-9A-F]\{6\}'
"""


@program("Chromium", "chromium", "curl", networks=EVERY)
def test_chromium_shows_a_page_within_its_own_sandbox(pair):
    """Headless, its sandbox on: a page that fetches from the session's web server, which looks at the
    process that shows it: in a namespace and behind a filter of the browser's own"""
    pair.same(SERVE + r"""browse --dump-dom http://127.0.0.1:8000/page | grep -o '<p.*p>'""", files=["pages.py"],
              expect=['.*sum 499500, process namespaces: [12] more, filters: True.*'],
              leaves=CHROMIUM, timeout=60)


@program("Chromium", "chromium", "curl", "convert")
def test_chromium_takes_a_picture(pair):
    """Headless, its sandbox on: a picture of a page of the session's web server"""
    pair.same(SERVE + "browse --screenshot=shot.png --window-size=400,300 'http://[::1]:8000/page' >/dev/null"
              + LOOK, files=["pages.py"], expect=["400x300", "#0000FF"], leaves=CHROMIUM, timeout=60)


@program("Firefox", "firefox-esr", "curl", "convert", networks=EVERY)
def test_firefox_takes_a_picture_within_its_own_sandbox(pair):
    """Headless, its sandbox on: a picture of a page of the session's web server"""
    pair.same(SERVE + r"""
        mkdir firefox
        firefox-esr --headless --no-remote --profile "$HOME/firefox" --window-size=400,300 \
            --screenshot "$HOME/shot.png" http://127.0.0.1:8000/page >log 2>&1""" + LOOK,
              files=["pages.py"], expect=["400x300", "#0000FF"], timeout=60)
