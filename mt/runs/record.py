"""The record of how a run was made: the key `record` of its config.yaml, which is not a setting."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from mt.config.file import RECORD, read_values
from mt.runtime.version import describe_version

PACKAGES = ("torch", "sentencepiece", "numpy", "datasets", "sacrebleu")
"""packages on whose versions a result depends, besides mt and Python"""


@dataclass(frozen=True)
class Start:
    """A start of a training, with what its result depends on besides the configuration."""

    command: str = ""
    from_step: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """fingerprints of text and of the model to start from, by configuration key"""

    def differences(self, other: "Start") -> list[str]:
        """Return what of versions, machine and inputs is different in another start, one line for each."""
        lines = []
        for part in ("versions", "machine", "inputs"):
            own, others = getattr(self, part), getattr(other, part)
            for name in sorted(own.keys() | others.keys()):
                if own.get(name) != others.get(name):
                    lines.append(f"{name}: {own.get(name, 'unknown')} there, {others.get(name, 'unknown')} here")
        return lines


def describe_start(
    command: str, from_step: int, device: torch.device, n_processes: int, inputs: Mapping[str, str]
) -> Start:
    """Describe a start of this process."""
    versions = {"mt": describe_version().split(", ")[0].removeprefix("mt "), "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in PACKAGES}
    machine = {
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": str(torch.get_num_threads()),
        "processes": str(n_processes),
    }
    return Start(command, from_step, versions, machine, dict(inputs))


def processor_name() -> str:
    """Return the name of the processor, or of its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def read_starts(path: Path) -> list[Start]:
    """Return the starts in a configuration file, oldest first; none if there are none, or none that can be read."""
    entries = read_values(path).get(RECORD) if path.exists() else None
    if not isinstance(entries, list) or not all(map(is_start, entries)):
        return []
    return [Start(**entry) for entry in entries]


def is_start(entry: Any) -> bool:
    """Return whether a value has the names and types of a `Start`."""
    types = {one.name: type(getattr(Start(), one.name)) for one in fields(Start)}
    return isinstance(entry, dict) and all(
        name in types and isinstance(value, types[name]) for name, value in entry.items()
    )


def with_start(starts: list[Start], new: Start) -> list[Start]:
    """Return the starts of a run with a new one, if something differs from the last or training has not begun."""
    if not new.from_step:
        return [new]
    last = starts[-1] if starts else Start()
    same = last.command == new.command and not last.differences(new)
    return starts if same else [*starts, new]


def format_starts(starts: list[Start]) -> str:
    """Return starts as they stand at the end of a configuration file."""
    entries: list[dict[str, Any]] = [asdict(start) for start in starts]
    return str(yaml.safe_dump({RECORD: entries}, sort_keys=False, allow_unicode=True, width=10**6))
