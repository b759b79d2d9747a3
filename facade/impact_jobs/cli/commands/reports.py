"""`reports`: show the reports of the account, or the filters and columns of one."""

from __future__ import annotations

import click

from impact_jobs import ReportMetadata
from impact_jobs.cli import output, report_cache
from impact_jobs.cli.command import Command
from impact_jobs.cli.emit import emit_rows
from impact_jobs.cli.state import CliState

_LIST = {"ID": "id", "NAME": "name", "CATEGORY": "category"}
_METADATA = {"NAME": "name", "KIND": "kind", "TYPE": "type", "PARAMETER": "parameter", "DESCRIPTION": "description"}


@click.command(
    cls=Command,
    examples=(
        "impact-jobs reports",
        "impact-jobs reports agency_action_listing",
        "impact-jobs reports --all --json | jq -r 'select(.is_exportable | not) | .name'",
    ),
)
@click.argument("report", required=False, shell_complete=report_cache.complete_report)
@click.option("--all", "show_all", is_flag=True, help="List reports that cannot be exported, too.")
@click.pass_obj
def reports(state: CliState, report: str | None, *, show_all: bool) -> None:
    """Show the reports of the account, or the filters and columns of one.

    Without REPORT, lists the reports that `impact-jobs export` takes: in a pipe, id, name and category, separated by
    tabs; with --all, also whether each can be exported. With REPORT, shows its filters and its columns: in a pipe,
    name, "filter" or "column", type, the filter's parameter, and its format or the column's description. With --json,
    each report is one object.
    """
    with state.client() as client:
        if report is not None:
            _show(state, client.report_metadata(report))
            return
        found = [each for each in client.reports() if show_all or each.is_exportable]
    report_cache.remember(state, {each.id: each.name for each in found if each.is_exportable})
    columns = _LIST | ({"EXPORTABLE": "is_exportable"} if show_all else {})
    emit_rows(state, [output.attributes(each) for each in found], columns)
    if state.wants_tables and not found:
        state.note("no reports")


def _show(state: CliState, metadata: ReportMetadata) -> None:
    if state.json:
        output.write_json(state.out, output.attributes(metadata))
        return
    filters = [(each.name, "filter", each.data_type, each.parameter, each.format) for each in metadata.filters]
    columns = [(each.name, "column", each.data_type, None, each.description) for each in metadata.columns]
    rows = [dict(zip(_METADATA.values(), row, strict=True)) for row in (*filters, *columns)]
    emit_rows(state, rows, _METADATA)
