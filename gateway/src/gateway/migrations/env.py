"""Alembic runs this file; the work is in runtime.migrate."""

from runtime.migrate import run_env

run_env()
