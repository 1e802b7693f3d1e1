"""`mt translate`: the command, and what it reads and writes."""

from mt.commands.translate.command import main as main
