"""One file a sub-command; each has `run(arguments) -> exit code`."""
