"""The command line: only here is anything printed."""

from farsighted.cli.app import main as main
