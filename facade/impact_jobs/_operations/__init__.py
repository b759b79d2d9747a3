"""What the methods of the clients do, each written once as a coroutine.

    wait                            wait
    wait_all, as_completed          wait_many
    download, wait_and_download     download
    stream, open                    stream
    fetch_all                       fetch_all
    replay, replay_if_replayable    replay
    export_report                   export
    report_metadata                 report_metadata
    export_and_download             export_and_download, and `windows` for a long range
    read_report                     read_report
    to_parquet                      to_parquet

A run of `impact_jobs.sync` is in `planned_files`, which has the engine of `windows` make the files of several reports.
`list`, `get` and `reports` only read the API, so they are in `_api.pages`, `_api.endpoints` and `_api.reports`, and
`generated` is in `_api.generated`. Of the other modules here, `job_tracker` belongs to every wait, `job_waiter` to the
waits of many tasks, `fetch_folder` to `fetch_all`, `result_pages` to downloads of JSON, and `export_names`,
`export_options`, `quota_reset`, `report_errors` and `result_age` to exports. `lost_requests` belongs to exports in
windows, and to `toolkit.find_lost_replay`. `probe` sends one request for `impact-jobs doctor`.
"""
