"""`completion`: the script that lets a shell complete commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from impact_jobs.cli.command import Command
from impact_jobs.cli.output import write_json
from impact_jobs.cli.state import CliState


@click.command(
    cls=Command,
    examples=(
        'eval "$(impact-jobs completion bash)"    # in ~/.bashrc',
        'eval "$(impact-jobs completion zsh)"     # in ~/.zshrc',
        "impact-jobs completion fish > ~/.config/fish/completions/impact-jobs.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(state: CliState, shell: str) -> None:
    """Print the completion script for a shell."""
    completion_class = get_completion_class(shell)
    assert completion_class is not None  # noqa: S101 - click has all three
    root = click.get_current_context().find_root().command
    script = completion_class(root, {}, "impact-jobs", "_IMPACT_JOBS_COMPLETE").source()
    if state.json:
        write_json(state.out, {"shell": shell, "script": script})
    else:
        state.out.file.write(script)
