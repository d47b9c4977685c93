"""The command line: one module a subcommand, arguments in, exit code out."""
