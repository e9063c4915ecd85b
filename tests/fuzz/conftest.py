"""The fuzzers are commands, not tests: pytest must not import them, for they need atheris."""

collect_ignore_glob = ['*.py']
