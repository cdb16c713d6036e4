"""Every test process keeps to one core, so that runs side by side do not wait for each other at barriers, and off the network."""

import os


def pytest_configure(config):
    os.environ["CONTRAST_OFFLINE"] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return
    if getattr(config.option, "dist", "no") != "no" and "PYTEST_XDIST_WORKER" not in os.environ:
        return  # its workers would inherit the one core
    cores = sorted(os.sched_getaffinity(0))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {cores[worker % len(cores)]})
