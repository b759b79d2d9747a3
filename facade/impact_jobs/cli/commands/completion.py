"""`completion`: the script with which a shell completes commands, options and values."""

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
    """Print the completion script of a shell."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}.")
    root = click.get_current_context().find_root().command
    script = found(root, {}, "impact-jobs", "_IMPACT_JOBS_COMPLETE").source()
    if state.json:
        write_json(state.out, {"shell": shell, "script": script})
    else:
        state.out.file.write(script)
