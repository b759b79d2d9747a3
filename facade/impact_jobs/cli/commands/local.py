"""`sandbox` and `completion`: what needs no account."""

from __future__ import annotations

import contextlib
import io
import shlex

import click
from click.shell_completion import get_completion_class

from impact_jobs.cli import exit_codes as exits
from impact_jobs.cli import output
from impact_jobs.cli.state import Command, Session, pass_session


class _SandboxCommand(Command):
    """Its options are those of the module, which reads them, and which knows what they mean."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the module's options below our own."""
        super().format_options(ctx, formatter)
        _, _, theirs = _help_of_sandbox().partition("options:\n")
        with formatter.section("Options of the sandbox"):
            lines = theirs.splitlines()
            formatter.write("".join(f"{line}\n" for line in lines if not line.startswith("  -h, --help")))


def _help_of_sandbox() -> str:
    from impact_jobs.sandbox.__main__ import main  # noqa: PLC0415 - loads what an extra brings

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main(["--help"])
    return text.getvalue()


class _AsJson(io.StringIO):
    """Reads the `export` lines that the sandbox writes, and writes them as one JSON object."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def flush(self) -> None:
        words = shlex.split(self.getvalue())
        self.seek(0)
        self.truncate()
        if words:
            output.write_json(self._session.out, dict(word.split("=", 1) for word in words if word != "export"))


@click.command(
    cls=_SandboxCommand,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=("impact-jobs sandbox", "impact-jobs sandbox --job-seconds 30 --result-bytes 50000000"),
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF THE SANDBOX]")
@pass_session
def sandbox(session: Session, arguments: tuple[str, ...]) -> int:
    """Run a stand-in for the API on this machine.

    It needs no account, but the extra: pip install "impact-jobs[sandbox]". It writes the three variables that point
    this command, and the client, at it, and runs until Ctrl-C.
    """
    from impact_jobs.sandbox.__main__ import main  # noqa: PLC0415 - loads what an extra brings

    out = session.out.file
    with contextlib.redirect_stdout(_AsJson(session) if session.json else out):
        code = main(list(arguments))
    return exits.USAGE if code else exits.OK


@click.command(
    cls=Command,
    examples=(
        'eval "$(impact-jobs completion bash)"    # in ~/.bashrc',
        'eval "$(impact-jobs completion zsh)"     # in ~/.zshrc',
        "impact-jobs completion fish > ~/.config/fish/completions/impact-jobs.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print the shell's completion script."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}.")
    root = click.get_current_context().find_root().command
    script = found(root, {}, "impact-jobs", "_IMPACT_JOBS_COMPLETE").source()
    if session.json:
        output.write_json(session.out, {"shell": shell, "script": script})
    else:
        session.out.file.write(script)
