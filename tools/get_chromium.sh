#!/usr/bin/env bash
# A browser for the browser tests: there already, or Debian's, or none (they then skip).
set -u
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing Debian's chromium for the browser tests …"
  if apt-get -qq update </dev/null &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
      chromium </dev/null >/dev/null; then
    exit 0
  fi
fi
echo "No chromium or google-chrome here: the browser tests will be skipped." \
  "To run them, install chromium with your system's package manager."
