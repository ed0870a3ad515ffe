#!/usr/bin/env python3
"""Prints the flags of every set of features to check, one per line: none, each alone, all."""

import json
import subprocess

command = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
metadata = json.loads(subprocess.check_output(command))
default_members = set(metadata["workspace_default_members"])

# By itself, because another member would switch its features on again.
print("--package hansel --no-default-features")
for package in metadata["packages"]:
    if package["id"] in default_members:
        for feature in sorted(set(package["features"]) - {"default"}):
            print(f"--package {package['name']} --no-default-features --features {feature}")
print("")
print("--all-features")
