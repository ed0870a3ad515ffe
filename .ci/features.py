#!/usr/bin/env python3
"""Prints the flags of every set of features to check, one per line: none, each alone, all."""

import json
import subprocess

command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
metadata = json.loads(subprocess.check_output(command))
default_members = set(metadata["workspace_default_members"])
features = set()
for package in metadata["packages"]:
    if package["id"] in default_members:
        features.update(package["features"])
features.discard("default")

print("--no-default-features")
for feature in sorted(features):
    # Members without that feature are checked as they are.
    print(f"--no-default-features --features {feature}")
print("")
print("--all-features")
