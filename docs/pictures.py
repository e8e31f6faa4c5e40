"""Pictures of the built pages on wide and narrow screens, light and dark, and what does not fit.

`python docs/pictures.py [NAME ...]` looks at all pages in `docs/_build/html` that have a NAME in their
paths, by default at all, and needs Chromium. A page overflows if it can be scrolled to the side as a
whole; text is cut off where an element hides what is wider than itself. Either ends with status 1. What
only scrolls within the page is told, too.
"""

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import parse_qs, urlsplit

BUILT = Path(__file__).parent / "_build" / "html"
PICTURES = BUILT.parent / "pictures"
SCREENS = {
    "wide": (1280, "light"),
    "narrow": (390, "light"),
    "dark": (1280, "dark"),
    "narrow-dark": (390, "dark"),
}
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
--virtual-time-budget=10000""".split()
MOST_PIXELS = 16_000  # of a picture's height

# A page is shown in a frame of the given width, as Chromium's windows are not as narrow as a phone.
FRAME = """<!doctype html><style>body {{margin: 0}} iframe {{border: 0; display: block}}</style>
<script>
localStorage.setItem("mode", "{theme}"); localStorage.setItem("theme", "{theme}");
addEventListener("load", () => setTimeout(() => {{
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const wider = element => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0;
  const named = element => element.tagName.toLowerCase() + "." + element.className + ": "
    + element.textContent.trim().replace(/\\s+/g, " ").slice(0, 60);
  const root = page.documentElement, beyond = element => !element.closest("pre, .formula")
    && element.getBoundingClientRect().left + element.scrollWidth > root.clientWidth + 1;
  const hidden = [...page.querySelectorAll(".bd-article *")].filter(element => wider(element)
    && (page.defaultView.getComputedStyle(element).overflowX == "hidden"
      || element.matches("h1, h2, h3, h4, p, li, dt") && beyond(element)));
  const scrolling = [...page.querySelectorAll(".bd-article *")].filter(element => wider(element)
    && ["auto", "scroll"].includes(page.defaultView.getComputedStyle(element).overflowX));
  const found = {{
    overflows: wider(root), cut: hidden.map(named), scrolls: scrolling.map(named),
    height: Math.min(root.scrollHeight, {most})
  }};
  frame.style.height = found.height + "px";
  document.body.append(Object.assign(document.createElement("script"), {{
    type: "application/json", id: "found", textContent: JSON.stringify(found)}}));
}}, 2000));
</script>
<iframe src="{page}" style="width: {width}px; height: 900px"></iframe>"""


class Handler(SimpleHTTPRequestHandler):
    """Serves the built pages, and frames around them."""

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path != "/frame":
            return super().do_GET()
        arguments = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = FRAME.format(most=MOST_PIXELS, **arguments).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep quiet."""


def chromium(url, *flags):
    """What a new Chromium prints of a page."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with TemporaryDirectory() as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", *flags, url]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300
        ).stdout


def look_at(server, page, screen):
    """Take a picture of a page; return what does not fit."""
    width, theme = SCREENS[screen]
    url = f"{server}/frame?page=/{page}&width={width}&theme={theme}"
    shown = chromium(url, "--dump-dom")
    found = json.loads(
        re.search(r'<script[^>]* id="found">(.*?)</script>', shown, re.DOTALL)[1]
    )
    name = PICTURES / f"{page.removesuffix('.html').replace('/', '-')}-{screen}.png"
    size = f"--window-size={max(width, 500)},{found['height']}"
    chromium(url, f"--screenshot={name}", size)
    return found


def main(names):
    """Look at the pages with these names on all screens; return whether all fit."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    handler = partial(Handler, directory=BUILT)
    server = ThreadingHTTPServer(("localhost", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    pages = [path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html")]
    fits = True
    for page in sorted(pages):
        if page.startswith(("_", "search")) or not any(name in page for name in names):
            continue
        for screen in SCREENS:
            found = look_at(f"http://localhost:{server.server_port}", page, screen)
            fits &= not (found["overflows"] or found["cut"])
            for problem, value in found.items():
                if value and problem != "height":
                    print(f"{page}, {screen}: {problem} {value}", flush=True)
    return fits


if __name__ == "__main__":
    sys.exit(not main(sys.argv[1:] or [""]))
