"""Ctrl-C ends a command with one sentence, at any moment, or comes too late."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from generate import ROOT
from spec import interruptions

COMMANDS = {
    "import_pages": "interrupted; nothing has changed\n",
    "generate": "interrupted; nothing has changed\n",
    "generate_all": "interrupted; nothing has changed\n",
    "update": "interrupted; nothing has changed\n",
    "spec_diff": "interrupted\n",
}
# Stands for the first module of ours that takes time to import.
SLOW = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.parametrize(("command", "sentence"), COMMANDS.items(), ids=COMMANDS)
def test_ctrl_c_while_a_command_imports_its_modules_ends_it_with_a_sentence(
    tmp_path: Path, command: str, sentence: str
) -> None:
    (tmp_path / "spec").mkdir()
    for name in (f"{command}.py", "spec/interruptions.py"):
        (tmp_path / name).write_bytes((ROOT / "scripts" / name).read_bytes())
    for package in ("spec", "spec/comparing"):
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    for module in ("build", "documents", "comparing/formats"):
        (tmp_path / "spec" / f"{module}.py").write_text(SLOW)
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-S", tmp_path / f"{command}.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", sentence)


def test_another_exception_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    interruptions.end(ValueError, ValueError("a fault"), None)
    assert capsys.readouterr().err == "ValueError: a fault\n"


def test_an_interruption_of_the_last_step_comes_too_late() -> None:
    before = signal.getsignal(signal.SIGINT)
    steps = []
    with interruptions.uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("written")
    assert steps == ["written"]
    assert signal.getsignal(signal.SIGINT) is before
