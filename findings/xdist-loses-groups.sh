#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0 (PyPI), Python 3.11, seen 2026-12-01: `--dist loadgroup` keeps no group together any more.
#
# Six tests marked with one `xdist_group` go to three workers instead of one, without a word: a fixture of the module that is
# meant to be made once is made three times. xdist marks the group in the test's `_nodeid`, from which pytest 9.2 no longer makes
# its node id. With pytest 9.1.1 all six stay in one worker.
# What we do: pytest stays at 9.1.1, and tests/test_groups.py fails if groups come apart.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat >"$folder/test_group.py" <<'PY'
import os
import time

import pytest


@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("number", range(6))
def test_that_takes_a_moment(number):
    time.sleep(0.3)
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PY
workers() {
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
  rm -f "$folder/seen"
  (cd "$folder" && SEEN="$folder/seen" venv/bin/python -m pytest -q -p no:cacheprovider -n 3 --dist loadgroup test_group.py >&2)
  sort -u "$folder/seen" | wc -l
}
old=$(workers 9.1.1)
new=$(workers 9.2.0)
echo "workers for one group: pytest 9.1.1: $old, pytest 9.2.0: $new"
[ "$old" = 1 ] && [ "$new" -gt 1 ] || { echo "this has changed" >&2; exit 1; }
echo "as described"
