#!/usr/bin/env bash
# Brings what the lock file says into node_modules, if that is not there yet.
set -euo pipefail
cd "$(dirname "$0")"
cmp -s package-lock.json node_modules/.locked && exit
npm ci --silent
cp package-lock.json node_modules/.locked
