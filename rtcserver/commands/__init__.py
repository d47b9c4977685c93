"""The command line: one module a subcommand, each arguments in, exit code out, and nothing else.

A subcommand's module has ``add_arguments(parser)`` and ``run(args, environ) -> int``; its name and its line
of help stand in `rtcserver.commands.table`. The process's environment comes in as a mapping.
"""
