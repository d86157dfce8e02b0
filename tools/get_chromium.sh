#!/usr/bin/env bash
# A browser for the browser tests: one that is installed, else playwright's own
# download, else Debian's package (as root), else none: those tests are then skipped,
# or fail where the environment variable CI is set.
set -u
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
python="$(dirname "$0")/../.venv/bin/python"
starts() {
  "$python" -c 'from playwright.sync_api import sync_playwright
with sync_playwright() as p: p.chromium.launch(args=["--no-sandbox"]).close()' \
    >/dev/null 2>&1
}
if [ -x "$python" ]; then
  starts && exit 0
  echo "Getting playwright's chromium for the browser tests …"
  timeout 600 "$python" -m playwright install chromium >/dev/null 2>&1 &&
    starts && exit 0
fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing Debian's chromium for the browser tests …"
  if apt-get -qq update </dev/null &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      chromium </dev/null >/dev/null; then
    exit 0
  fi
fi
echo "No Chrome or Chromium here: the browser tests will be skipped." \
  "To run them, install chromium with your system's package manager."
