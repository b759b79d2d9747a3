"""What the methods of the clients do, each written once as a coroutine.

    wait                            wait
    wait_all, as_completed          wait_many
    download, wait_and_download     download
    stream, open                    stream
    fetch_all                       fetch_all
    read_report, to_parquet         read_report
    replay, replay_if_replayable    replay

`list` and `get` are one request each, so they are in `_api.endpoints`, and `generated` is in `_api.generated`. Of the
other modules here, `job_tracker` belongs to every wait, and `probe` sends one request for `impact-jobs doctor`.
"""
