#!/bin/sh
# A base image out of this machine's own Python, where no registry can be reached:
#   tests/image/base.sh python:3.11-here
# Needs GNU tar, ldd and a running engine.
set -eu
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.base_prefix))')
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $python in /usr | /usr/local) echo "$python holds more than Python" >&2; exit 1 ;; esac
programs="/bin/sh /bin/dash /usr/bin/mktemp /bin/mkdir /usr/bin/dirname /bin/cat /usr/bin/env /bin/ls"
libraries=$(find "$python" -name '*.so*' -o -path "$python/bin/python$version" |
  xargs -r ldd $programs 2>/dev/null |
  awk '$2 == "=>" {print $3} $1 ~ /^\// && $2 != ":" {print $1}' |
  grep -v "^$python" | sed 's/:$//' | sort -u)
files=$(for file in $programs $libraries; do echo "$file"; readlink -f "$file"; done | sort -u)
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
mkdir -m 1777 "$empty/tmp"
tar -c -h --exclude='__pycache__' --exclude="$python/lib/python$version/test" --exclude='*.a' \
  --exclude="$python/lib/python$version/site-packages" \
  "$python" $files /etc/ssl/certs/ca-certificates.crt -C "$empty" tmp 2>/dev/null |
  docker import -c "ENV PATH=$python/bin:/usr/bin:/bin" -c 'CMD ["python3"]' - "$1"
