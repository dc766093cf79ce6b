#!/usr/bin/env bash
# Installs what the tests beside Python's packages use: a real Prometheus, VictoriaMetrics, Chromium and Milvus, and
# axe-core, which says what of a page cannot be used by everybody.
# Does what this machine allows and never fails: a test whose program is missing skips and says so.
# usage: tests/services.sh VENV    (Milvus goes into VENV-milvus, for its pins are its own)
set -u
venv=$1

packages=()
for pair in prometheus:prometheus victoria-metrics:victoria-metrics chromium:chromium; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
if ((${#packages[@]})) && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -q update && apt-get -q -y install --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 ||
    echo "services: could not install ${packages[*]}; the tests that use them skip" >&2
fi

if [ ! -x "$venv-milvus/bin/milvus-server" ]; then
  "$venv/bin/python" -m venv "$venv-milvus" &&
    "$venv-milvus/bin/python" -m pip install --quiet --disable-pip-version-check \
      milvus==2.3.5 pymilvus==2.3.7 'setuptools<70' 'marshmallow<4' >/dev/null 2>&1 ||
    echo "services: could not install Milvus 2.3.5; the tests that use it skip" >&2
fi

# The JSON schema of SARIF 2.1.0, as a package for tests of it carries it.
if [ ! -f "$venv/sarif-2.1.0.json" ] && command -v npm >/dev/null; then
  folder=$(mktemp -d)
  (cd "$folder" && npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0 >/dev/null 2>&1 && tar xzf ./*.tgz) &&
    cp "$folder/package/lib/schemas/sarif-2.1.0-rtm.5.json" "$venv/sarif-2.1.0.json" ||
    echo "services: could not get the schema of SARIF; the test that uses it skips" >&2
  rm -rf "$folder"
fi

if [ ! -f "$venv-npm/node_modules/axe-core/axe.min.js" ]; then
  { command -v npm && npm install --silent --no-audit --no-fund --prefix "$venv-npm" axe-core@4.14.1; } >/dev/null 2>&1 ||
    echo "services: could not install axe-core (npm); the test that uses it skips" >&2
fi
exit 0
