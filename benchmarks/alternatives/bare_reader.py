"""The least that can be said to list profiles: argparse, PyYAML, print. It validates nothing and knows no next tick."""

import argparse

import yaml

parser = argparse.ArgumentParser()
parser.add_argument("--config", default="automation/jobs.yaml")
with open(parser.parse_args().config, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is one import more
    jobs = yaml.safe_load(file)
for name, profile in jobs["profiles"].items():
    print(name, profile["cron"], len(profile["tasks"]))
