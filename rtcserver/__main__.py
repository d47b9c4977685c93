"""``python -m rtcserver COMMAND``: hands the words and the environment over to `rtcserver.commands`."""

from __future__ import annotations

import os
import sys

from rtcserver.commands.forked import prepare

if __name__ == "__main__":
    prepare(sys.argv[1:])
    from rtcserver.commands.table import main

    sys.exit(main(sys.argv[1:], os.environ))
