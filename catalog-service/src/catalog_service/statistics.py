"""Figures for the yearly assessment (评估考核)."""
