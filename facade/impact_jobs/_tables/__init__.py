"""Results as Arrow tables and Parquet files, typed by the report's metadata.

pyarrow belongs to the extra `frames`, so it is imported within functions only.
"""
